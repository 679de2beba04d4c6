//! One module per command; each turns words into a call of a library and a result into what is printed.

mod build_image;
mod control;
mod deploy;
mod expand;
mod fleet;
mod logs;
mod repository;
mod run;
mod run_file;
mod sandbox_agents;
mod sandbox_az;
mod sandbox_clock;
mod sandbox_detached;
mod sandbox_down;
mod sandbox_env;
mod sandbox_events;
mod sandbox_faults;
mod sandbox_journal;
mod sandbox_options;
mod sandbox_snapshot;
mod sandbox_state;
mod sandbox_up;
mod scale;
mod status;

use anyhow::Result;

use crate::cli::{Cli, Command, Common, Sandbox};
use crate::environment::Environment;
use crate::outcome::Outcome;

/// Does what the words say.
pub(crate) async fn run(cli: Cli, environment: &Environment) -> Result<Outcome> {
    let common = &cli.common;
    match cli.command {
        Command::Sandbox(words) => sandbox(words, common, environment).await,
        Command::BuildImage(words) => build_image::run(words, common, environment).await,
        Command::BaseImage => build_image::base(environment).await,
        Command::Deploy(words) => deploy::run(words, common, environment).await,
        Command::Scale(words) => scale::run(words, common, environment).await,
        Command::Status(words) => status::run(&words, common, environment).await,
        Command::Run(words) => run::run(words, common, environment).await,
        Command::Logs(words) => logs::run(&words, common, environment).await,
        Command::Expand(words) => expand::run(&words, common),
    }
}

async fn sandbox(words: Sandbox, common: &Common, environment: &Environment) -> Result<Outcome> {
    match words {
        Sandbox::Up(up) => sandbox_up::run(*up, common, environment).await,
        Sandbox::Env { shell, unset } => sandbox_env::run(shell, unset, common, environment),
        Sandbox::Events { of, alarms } => sandbox_events::run(of, alarms, common, environment).await,
        Sandbox::Journal(words) => sandbox_journal::run(&words, common, environment).await,
        Sandbox::Faults { of, add, remove, clear } => {
            let asked = sandbox_faults::Asked { of, add, remove, clear };
            sandbox_faults::run(asked, common, environment).await
        }
        Sandbox::Az { words } => sandbox_az::run(&words, common, environment).await,
        Sandbox::Seed { file } => sandbox_state::seed(&file, common, environment).await,
        Sandbox::Reset { of, forget_seeds } => {
            sandbox_state::reset(forget_seeds, of, common, environment).await
        }
        Sandbox::Clock(words) => sandbox_clock::run(&words, common, environment).await,
        Sandbox::Snapshot(words) => sandbox_snapshot::take(&words, common, environment).await,
        Sandbox::Restore(words) => sandbox_snapshot::restore(&words, common, environment).await,
        Sandbox::Agent(words) => sandbox_agents::agent(&words, common, environment).await,
        Sandbox::Session(words) => sandbox_agents::session(&words, common, environment).await,
        Sandbox::Token(words) => sandbox_agents::token(&words, common, environment).await,
        Sandbox::Down => sandbox_down::run(common, environment).await,
    }
}
