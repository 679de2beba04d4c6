//! `cargo xtask bench arm`: what templates, deployments, container groups and the registry cost.
//!
//! Everything but `expand` is measured on `mayfly sandbox up` in a process of its own, as a user runs it. `bench_arm serve`
//! is the bare server that the registry is compared with. Nothing here fails for being slow, or for want of an engine: it
//! tells figures, and beside them what is aimed for.

mod bare;
mod deployments;
mod expand;
mod groups;
mod layers;
mod sandbox;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;

use mimalloc::MiMalloc;
use testkit::figures::{self, Figure};

/// As the command has it, whose expansions these are.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the words ask for.
struct Asked {
    json: bool,
    mayfly: PathBuf,
    /// Bytes of the layer that is pushed and pulled.
    layer: u64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["serve"] {
        return bare::run().await;
    }
    let asked = asked(&words)?;
    let figures = measure(&asked).await;
    let text =
        if asked.json { format!("{:#}", figures::document(&figures)) } else { figures::table(&figures) };
    Ok(writeln!(io::stdout(), "{text}")?)
}

fn asked(words: &[String]) -> Outcome<Asked> {
    let mut asked = Asked { json: false, mayfly: PathBuf::from("mayfly"), layer: 512 << 20 };
    for pair in words.chunks(2) {
        match pair {
            [name, value] if name == "-o" && (value == "json" || value == "table") => {
                asked.json = value == "json";
            }
            [name, value] if name == "--mayfly" => asked.mayfly = value.into(),
            [name, value] if name == "--layer-size" => asked.layer = value.parse::<u64>()? << 20,
            _ => return Err("`serve`, or `-o table|json`, `--mayfly FILE`, `--layer-size MIB`".into()),
        }
    }
    Ok(asked)
}

async fn measure(asked: &Asked) -> Vec<Figure> {
    say("templates");
    let mut figures = expand::run();
    say("start of a sandbox");
    match sandbox::starts(&asked.mayfly).await {
        Ok(found) => figures.extend(found),
        Err(error) => {
            figures.push(Figure::missing("everything that needs a sandbox", error.to_string()));
            return figures;
        }
    }
    for (what, found) in [
        ("deployments", deployments::run(&asked.mayfly).await),
        ("container groups", groups::run(&asked.mayfly).await),
        ("layers", layers::run(&asked.mayfly, asked.layer).await),
    ] {
        match found {
            Ok(found) => figures.extend(found),
            Err(error) => figures.push(Figure::missing(what, error.to_string())),
        }
    }
    figures
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints what goes wrong with a call that must succeed, body and all.
async fn succeeded(answer: reqwest::Response) -> Outcome<reqwest::Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(format!("{}: {}: {}", answer.url().clone(), answer.status(), answer.text().await?).into())
}
