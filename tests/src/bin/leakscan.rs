//! `cargo xtask leakscan` runs this. Progress and faults go to stderr, the report to stdout.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use e2e::leakscan::{self, Kind, Scanned};

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run()).await {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in faults {
                say(&format!("fault: {fault}"));
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

async fn run() -> Result<Vec<String>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let json = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["-o", "table"] => false,
        ["-o", "json"] => true,
        _ => bail!("leakscan takes `-o table` or `-o json`"),
    };
    let hunter = std::env::var("MAYFLY_LEAK_HUNTER")
        .context("MAYFLY_LEAK_HUNTER names no hunter: use `cargo xtask leakscan`, which builds it")?;
    let hunter = std::path::PathBuf::from(hunter);
    let one = async |kind: Kind| -> Result<Scanned> {
        say(&format!("scanning: {}", kind.name()));
        leakscan::scan(kind, &hunter).await.with_context(|| format!("scan {}", kind.name()))
    };
    // Two at a time: more would only wait for the processors.
    let (mayfly, naive) = tokio::try_join!(one(Kind::Mayfly), one(Kind::Naive))?;
    let (root, restarted) = tokio::try_join!(one(Kind::MayflyRoot), one(Kind::Restarted))?;
    let all = [mayfly, root, naive, restarted];
    let faults = leakscan::faults(&all);
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{:#}", leakscan::as_json(&all, &faults))?;
    } else {
        for scanned in &all {
            writeln!(out, "{}", leakscan::as_table(scanned))?;
        }
        for line in leakscan::summary(&all) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(faults)
}
