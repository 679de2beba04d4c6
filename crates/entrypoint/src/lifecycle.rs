//! The agent's life as types: what is not configured cannot run, and what has run cannot be configured again.

use std::path::Path;

use fs_err as fs;
use serde::Deserialize;

use crate::diagnostics;
use crate::drain::{Drain, Outcome, Phase};
use crate::exit::{Exit, Failure};
use crate::handover::{Handover, Plan, Stage};
use crate::health::{Health, State};
use crate::platform::{self, Child, Ended, Launch, Signals};
use crate::redact::Redactor;
use crate::report::log;
use crate::token::Token;
use crate::update;
use crate::variables;
use crate::watch::{Registration, Supervision, follow};

/// The agent in one state of its life.
#[derive(Debug)]
pub(crate) struct Agent<'a, State> {
    plan: &'a Plan,
    state: State,
}

/// Not registered yet.
#[derive(Debug)]
pub(crate) struct Unconfigured;

/// Registered; the token is gone.
#[derive(Debug)]
pub(crate) struct Configured {
    agent_id: u64,
}

/// The listener runs.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    child: Child<'a>,
    signals: &'a Signals,
    health: Health,
}

/// What the agent stores about itself (azure-pipelines-agent: ConfigurationStore.cs).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentSettings {
    agent_id: u64,
}

impl<'a> Agent<'a, Unconfigured> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self { plan, state: Unconfigured }
    }

    /// Registers the agent. Takes the token and lets nobody keep it: when this returns, the token is
    /// overwritten and every process that could have had it is gone.
    pub(crate) fn configure(self, token: Token, signals: &Signals) -> Result<Agent<'a, Configured>, Failure> {
        let plan = self.plan;
        log(format_args!("registering agent `{}` in pool `{}`", plan.agent, plan.pool));
        let outcome = register(plan, &token, signals);
        drop(token);
        platform::end_survivors(signals)
            .map_err(|error| Failure::agent(format!("end the processes of the registration: {error}")))?;
        outcome?;
        if signals.stop_requested() {
            return Err(Failure::stopped());
        }
        let agent_id = registered_id(plan)?;
        log(format_args!("agent `{}` is registered (id {agent_id}); the token is gone", plan.agent));
        Ok(Agent { plan, state: Configured { agent_id } })
    }
}

fn register(plan: &Plan, token: &Token, signals: &Signals) -> Result<(), Failure> {
    let mut inputs = vec![
        ("URL", plan.url.as_str()),
        ("AUTH", "PAT"),
        ("TOKEN", token.expose()),
        ("POOL", plan.pool.as_str()),
        ("AGENT", plan.agent.as_str()),
        ("WORK", plan.work.to_str().unwrap_or_default()),
        ("REPLACE", "true"),
        ("UNATTENDED", "true"),
        ("ACCEPTTEEEULA", "true"),
    ];
    inputs.extend(plan.ca_file.as_deref().and_then(Path::to_str).map(|file| ("SSLCACERT", file)));
    let inputs: Vec<(String, &str)> = inputs
        .into_iter()
        .map(|(name, value)| (format!("{}{name}", variables::AGENT_INPUT_PREFIX), value))
        .collect();
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let launch = launch(plan, &["configure", "--unattended"], &inputs);
    let mut health = Health::open(plan.life.health, &plan.agent, State::Registering).map_err(unhealthy)?;
    let mut child = Child::start(&launch, signals).map_err(|error| unable(plan, &error))?;
    let mut watch = Registration::new(plan.config_timeout);
    let redactors = [Redactor::new(token.expose()), Redactor::new(token.expose())];
    let outcome = follow(&mut child, &mut health, redactors, &mut watch);
    // Also after a good end: a registration leaves nothing running.
    child.kill();
    let failure = match (outcome?, watch.left) {
        (Some(Ended::Code(0)), _) => return Ok(()),
        (_, Some(failure)) => failure,
        (ended, None) => {
            let ended = ended.unwrap_or(Ended::Code(-1));
            Failure::agent(format!("the registration of the agent failed ({ended})"))
                .hint("its own words are in the lines above")
        }
    };
    if failure.exit == Exit::AgentFailed {
        diagnostics::show(&plan.layout.agent_directory, Redactor::new(token.expose()));
    }
    Err(failure)
}

fn registered_id(plan: &Plan) -> Result<u64, Failure> {
    let file = plan.layout.agent_settings();
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::agent(format!("read what the registration left: {error}")))?;
    // The agent's runtime may write a byte order mark.
    let settings: AgentSettings = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Failure::agent(format!("read `{}`: {error}", file.display())))?;
    Ok(settings.agent_id)
}

impl<'a> Agent<'a, Configured> {
    /// What the image of the process that will run this agent must know. There is no other way to that stage.
    pub(crate) fn leave(self) -> Handover {
        Handover { stage: Stage::Supervise { agent_id: self.state.agent_id }, plan: self.plan.clone() }
    }

    /// An agent that an earlier image of this process configured and left to this one.
    pub(crate) fn resumed(plan: &'a Plan, agent_id: u64) -> Self {
        Self { plan, state: Configured { agent_id } }
    }

    /// Starts the listener for one job.
    pub(crate) fn start(self, signals: &'a Signals) -> Result<Agent<'a, Running<'a>>, Failure> {
        let plan = self.plan;
        // One that was asked for between two images of this process: there is no session yet, and there need be none.
        if signals.stop_requested() {
            return Err(Failure::stopped());
        }
        let health = Health::open(plan.life.health, &plan.agent, State::Starting).map_err(unhealthy)?;
        let launch = launch(plan, &["run", "--once"], &[]);
        let child = Child::start(&launch, signals).map_err(|error| unable(plan, &error))?;
        Ok(Agent { plan, state: Running { child, signals, health } })
    }
}

impl Agent<'_, Running<'_>> {
    /// Follows the listener to its end. `Ok` where it ran to the end of its own accord and returned 0.
    pub(crate) fn supervise(mut self) -> Result<(), Failure> {
        let mut drain = Drain::new(self.plan.life.stop_limit);
        let mut ended = self.follow(&mut drain);
        if self.plan.life.follow_updates && matches!(ended, Ok(UPDATING)) && !drain.is_asked() {
            // After its job the agent ends with this code too (azure-pipelines-agent: Agent.cs). Started again here, it
            // would let a second job into the first one's files.
            ended =
                if has_worked(self.plan, &drain) { Ok(Ended::Code(0)) } else { self.run_updated(&mut drain) };
        }
        // As PID 1 the kernel does this at our exit, and it does it at once.
        if !platform::is_first_process() {
            self.state.child.kill();
            platform::end_survivors(self.state.signals)
                .map_err(|error| Failure::agent(format!("end what the job left running: {error}")))?;
        }
        let took_a_job = has_worked(self.plan, &drain);
        let failure = match (drain.outcome(took_a_job), ended?) {
            (Outcome::Idle, _) => return Err(Failure::stopped()),
            (Outcome::Cut, _) => return Err(Failure::cut().hint(CUT_HINT)),
            (Outcome::NotAsked | Outcome::Finished, Ended::Code(0)) => return Ok(()),
            (_, ended @ Ended::Code(3 | 4)) => {
                Failure::agent(format!("the server wants a newer agent (listener: {ended})"))
                    .hint(format!("build a new image; see {}", variables::AGENT_UPDATE.name))
            }
            (_, ended) => Failure::agent(format!("the listener failed ({ended})")),
        };
        if !took_a_job {
            // What a job could have written into it is nobody's diagnostics.
            diagnostics::show(&self.plan.layout.agent_directory, Redactor::transparent());
        }
        Err(failure)
    }

    /// The listener ended for an update to take its place; then it runs once more, as the vendor's `run.sh` does it.
    fn run_updated(&mut self, drain: &mut Drain) -> Result<Ended, Failure> {
        log("the agent updates itself; it is started once more when that is done");
        self.state.health.set(State::Updating);
        if !update::wait(&self.plan.layout.agent_directory, self.state.signals) {
            return Err(Failure::stopped());
        }
        let launch = launch(self.plan, &["run", "--once"], &[]);
        self.state.child =
            Child::start(&launch, self.state.signals).map_err(|error| unable(self.plan, &error))?;
        self.state.health.set(State::Starting);
        *drain = Drain::new(self.plan.life.stop_limit);
        self.follow(drain)
    }

    fn follow(&mut self, drain: &mut Drain) -> Result<Ended, Failure> {
        let Running { child, health, .. } = &mut self.state;
        let mut supervision = Supervision { drain };
        follow(child, health, [Redactor::transparent(), Redactor::transparent()], &mut supervision)
            .map(|ended| ended.unwrap_or(Ended::Code(-1)))
    }
}

/// The listener's code after it began an update (azure-pipelines-agent: Constants.Agent.ReturnCode.RunOnceAgentUpdating).
const UPDATING: Ended = Ended::Code(4);
const CUT_HINT: &str =
    "a longer AZDO_STOP_LIMIT lets jobs finish, if the platform waits that long before it kills";

fn has_worked(plan: &Plan, drain: &Drain) -> bool {
    drain.phase() == Phase::Working || left_worker_log(plan)
}

/// Each job is run by a worker, and each worker begins a log of its own (azure-pipelines-agent: HostContext.cs).
fn left_worker_log(plan: &Plan) -> bool {
    fs::read_dir(plan.layout.agent_directory.join("_diag")).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("Worker_"))
    })
}

fn launch<'a>(plan: &'a Plan, arguments: &'a [&'a str], inputs: &'a [(&'a str, &'a str)]) -> Launch<'a> {
    Launch {
        program: plan.layout.listener(),
        arguments,
        environment: &plan.environment,
        inputs,
        directory: plan.layout.agent_directory.clone(),
        uid: plan.layout.uid,
        gid: plan.layout.gid,
    }
}

fn unhealthy(error: std::io::Error) -> Failure {
    Failure::agent(format!("listen for questions about the agent's health: {error}"))
        .hint(format!("{} names the address", variables::HEALTH.name))
}

fn unable(plan: &Plan, error: &std::io::Error) -> Failure {
    Failure::agent(format!("start `{}` as user {}: {error}", plan.layout.listener().display(), plan.layout.uid))
        .hint("the image must hold an agent that this user can run, and the container needs CAP_SETUID and CAP_SETGID")
}
