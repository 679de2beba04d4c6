//! What an attacker's job runs inside the container: it plants what a job could leave for the next, and hunts for
//! secrets and leftovers by every route that is known.
//!
//! `plant` and `hunt` read a [`brief::Brief`]: what to look for, masked, so that neither this program nor its files hold a
//! secret that it could then find in itself. Each route answers with one line of JSON, see [`report`]. A route proves
//! itself: the hunter first leaves a canary of its own in the same place by the same means, and must find it again.
//! It holds no list of what the routes mean: `tests/src/leakscan` does, and compares.

mod brief;
mod http;
mod look;
mod needles;
mod plant;
mod process;
mod report;
mod routes;
#[cfg(unix)]
mod system;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use brief::Brief;

/// The variable in which the hunter's own canary stands in its processes' environment.
const SELF_VARIABLE: &str = "LEAK_HUNTER_CANARY";
const USAGE: &str = "leak-hunter plant|hunt BRIEF | survive WORD | sit WORD | serve PORT WORD";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("leak-hunter: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["plant", brief] => {
            let brief = Brief::read(Path::new(brief))?;
            plant::everything(&brief.earlier_mark());
            Ok(())
        }
        ["hunt", brief] => hunt(Path::new(brief)),
        ["survive", word] => plant::survive(word),
        ["sit", word] => plant::sit(word),
        ["serve", port, word] => plant::serve(port.parse().context("read the port")?, word),
        _ => bail!("usage: {USAGE}"),
    }
}

/// Starts itself twice over, so that a parent and the hunter itself have the canary in their environment, then hunts.
fn hunt(brief: &Path) -> Result<()> {
    let depth =
        std::env::var("LEAK_HUNTER_DEPTH").ok().and_then(|depth| depth.parse::<u32>().ok()).unwrap_or(0);
    let read = Brief::read(brief)?;
    if depth < 2 {
        let status = Command::new(std::env::current_exe()?)
            .arg("hunt")
            .arg(brief)
            .env("LEAK_HUNTER_DEPTH", (depth + 1).to_string())
            .env(SELF_VARIABLE, read.own_mark())
            .status()
            .context("start the hunter again")?;
        if status.success() {
            return Ok(());
        }
        bail!("the hunter ended with {status}");
    }
    // What is printed may end up in the memory of the agent, so nothing is printed before everything was looked at.
    let found = routes::follow_all(read)?;
    for line in &found {
        report::line(line);
    }
    report::line("leakscan-end");
    Ok(())
}
