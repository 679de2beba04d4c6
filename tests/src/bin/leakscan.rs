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
    let mut json = false;
    let mut chosen = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "-o" {
            json = match words.next().as_deref() {
                Some("json") => true,
                Some("table") => false,
                _ => bail!("-o takes `table` or `json`"),
            };
        } else if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word) {
            chosen.push(kind);
        } else {
            let known = Kind::ALL.map(Kind::word).join("`, `");
            bail!("unknown target `{word}`; there are `{known}`");
        }
    }
    if chosen.is_empty() {
        chosen = Kind::ALL.to_vec();
    }
    let hunter = std::env::var("MAYFLY_LEAK_HUNTER")
        .context("MAYFLY_LEAK_HUNTER names no hunter: use `cargo xtask leakscan`, which builds it")?;
    let hunter = std::path::PathBuf::from(hunter);
    let one = async |kind: Kind| -> Result<Scanned> {
        say(&format!("scanning: {}", kind.name()));
        leakscan::scan(kind, &hunter).await.with_context(|| format!("scan {}", kind.name()))
    };
    // Two at a time: more would only wait for the processors.
    let mut all = Vec::new();
    for pair in chosen.chunks(2) {
        all.extend(futures_util::future::try_join_all(pair.iter().map(|kind| one(*kind))).await?);
    }
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
