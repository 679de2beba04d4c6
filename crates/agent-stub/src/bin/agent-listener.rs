//! `bin/Agent.Listener` of the stub agent: `configure`, `remove`, `run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_stub::listener_main()
}
