//! `cargo xtask bench azdo`: what the service costs, measured from a second process over real connections.
//!
//! `bench serve` is that service, with a bare route beside it; without a word this is the load and prints the figures.
//! Nothing here fails for being slow: it tells figures, and beside them what is aimed for.

mod agent;
mod growth;
mod load;
mod serve;
mod wire;

use std::error::Error;
use std::io::{self, Write as _};

use testkit::figures;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve"] => serve::run().await,
        [] | ["-o", "table"] => say(&figures::table(&load::run().await?)),
        ["-o", "json"] => say(&format!("{:#}", figures::document(&load::run().await?))),
        _ => Err("`serve`, `-o table` or `-o json`".into()),
    }
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
