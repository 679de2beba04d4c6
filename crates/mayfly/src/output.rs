//! What is printed where: results on stdout, everything said on the way on stderr.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// A line about what is being done, or an error: stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line of the result: stdout.
pub(crate) fn result(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The whole result as one JSON document: stdout.
pub(crate) fn document<T: Serialize>(value: &T) -> anyhow::Result<()> {
    result(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Whether a person watches: only then are there progress bars.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Logs go to stderr: for people on a terminal, as JSON lines where asked for.
pub(crate) fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("MAYFLY_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // Below `info` the Docker client prints whole answers of the engine, environment of containers included.
    let filter = ["bollard=info", "bollard::docker=info", "bollard::read=info"]
        .iter()
        .filter_map(|quiet| quiet.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(is_watched()).init(),
        LogFormat::Json => builder.json().init(),
    }
}
