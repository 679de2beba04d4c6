//! The command line. Everything is set by environment variables, so it knows very little.

use clap::Parser;

use crate::exit::Exit;
use crate::variables;

/// First process of the Mayfly agent image: registers an Azure Pipelines agent, runs it for one job, ends.
///
/// It takes all its settings from the environment. Its log goes to stderr; the first and the last line on stdout are one JSON
/// object each.
#[derive(Debug, Parser)]
#[command(name = "mayfly-entrypoint", version, after_help = after_help())]
pub(crate) struct Arguments {
    /// Only check that an HTTP server answers at URL, with any status, within 5 seconds: exit 0, or 69.
    #[arg(long, value_name = "URL")]
    pub(crate) reach: Option<String>,

    /// How one image of the process finds what the one before it left; not for use by hand.
    #[arg(long, value_name = "FD", hide = true, conflicts_with = "reach")]
    pub(crate) resume: Option<i32>,

    /// How the first process on Windows starts the one that registers the agent; not for use by hand.
    #[cfg(windows)]
    #[arg(long, hide = true, conflicts_with_all = ["reach", "resume"])]
    pub(crate) prepare: bool,
}

fn after_help() -> String {
    use std::fmt::Write as _;
    let mut text = String::from("Variables (Microsoft's name in brackets):\n");
    for variable in variables::ALL {
        let alias = variable.alias.map(|alias| format!(" [{alias}]")).unwrap_or_default();
        let name = format!("{}{alias}", variable.name);
        let _ = writeln!(text, "  {name:<34} {} (default: {})", variable.meaning, variable.default);
    }
    text.push_str("\nThe agent and its job see none of them.\n\nExit codes:\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "  {:>2}  {}", exit.code(), exit.meaning());
    }
    text
}

#[cfg(test)]
mod tests;
