//! The one binary that a user installs: the product commands and the sandbox behind one command line.
//!
//! `cli` holds the words, `commands` one module per command, `output` what is printed where, `outcome` the exit codes.
//! Nothing below `main` reads the environment: it arrives as [`environment::Environment`].

mod cli;
mod commands;
mod environment;
mod input;
mod outcome;
mod output;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    output::start_log(cli.common.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return outcome::report(&anyhow::Error::new(error).context("start the runtime")),
    };
    let environment = environment::Environment::of_this_process();
    match runtime.block_on(commands::run(cli, &environment)) {
        Ok(outcome) => outcome.into(),
        Err(error) => outcome::report(&error),
    }
}
