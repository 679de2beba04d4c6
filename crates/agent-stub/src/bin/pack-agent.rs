//! Packs the stub agent's binaries as an agent package. Prints the path and the SHA-256 of the archive.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use agent_stub::{PackRequest, TargetOs, pack};
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about, disable_version_flag = true)]
struct Arguments {
    /// Version of the package, which is also what the agent reports.
    #[arg(long = "version", value_name = "VERSION", default_value = "4.270.0")]
    package_version: String,
    /// System the binaries were built for.
    #[arg(long, value_enum)]
    os: Os,
    /// Folder with agent-listener and agent-worker.
    #[arg(long)]
    bin_dir: PathBuf,
    /// Folder for the archive; made where it is missing.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Os {
    Linux,
    Windows,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let request = PackRequest {
        version: arguments.package_version,
        os: match arguments.os {
            Os::Linux => TargetOs::Linux,
            Os::Windows => TargetOs::Windows,
        },
        bin_dir: arguments.bin_dir,
        out: arguments.out,
    };
    match pack(&request) {
        Ok(packed) => {
            drop(writeln!(std::io::stdout().lock(), "{}\n{}", packed.archive.display(), packed.sha256));
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(std::io::stderr().lock(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
