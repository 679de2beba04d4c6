//! `cargo xtask bench azdo`: what the service costs, measured from a second process over real connections.
//!
//! `bench serve` is that service, with a bare route beside it; without a word this is the load and prints the figures.
//! Nothing here fails for being slow: it tells figures, and beside them what is aimed for.

mod figures;
mod load;
mod serve;
mod wire;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve::run().await,
        [] | ["-o", "table"] => Ok(figures::print_table(&load::run().await?)?),
        ["-o", "json"] => Ok(figures::print_json(&load::run().await?)?),
        _ => Err("`serve`, `-o table` or `-o json`".into()),
    }
}
