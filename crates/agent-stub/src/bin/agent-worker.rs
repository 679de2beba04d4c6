//! `bin/Agent.Worker` of the stub agent: runs the one job that comes over its standard input.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_stub::worker_main()
}
