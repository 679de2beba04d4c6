//! The agent's life as types: what is not configured cannot run, and what has run cannot be configured again.

use std::time::{Duration, Instant};

use fs_err as fs;
use serde::Deserialize;

use crate::exit::Failure;
use crate::handover::{Handover, Plan, Stage};
use crate::platform::{self, Child, Ended, Event, Launch, Signals};
use crate::redact::Redactor;
use crate::report::{log, pass_through};
use crate::token::Token;
use crate::variables;

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
        let agent_id = registered_id(plan)?;
        log(format_args!("agent `{}` is registered (id {agent_id}); the token is gone", plan.agent));
        Ok(Agent { plan, state: Configured { agent_id } })
    }
}

fn register(plan: &Plan, token: &Token, signals: &Signals) -> Result<(), Failure> {
    let inputs = [
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
    let names = inputs.map(|(name, _)| format!("{}{name}", variables::AGENT_INPUT_PREFIX));
    let inputs: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(inputs.map(|(_, value)| value)).collect();
    let launch = launch(plan, &["configure", "--unattended"], &inputs);
    let mut child = Child::start(&launch, signals).map_err(|error| unable(plan, &error))?;
    let deadline = Instant::now() + Duration::from_secs(plan.config_timeout);
    let outcome =
        follow(&mut child, Some(deadline), || Redactor::new(token.expose()), |_| {}, |_| Then::Leave);
    // Also after a good end: a registration leaves nothing running.
    child.kill();
    match outcome? {
        Followed::Exited(Ended::Code(0)) => Ok(()),
        Followed::Exited(ended) => {
            Err(Failure::agent(format!("the registration of the agent failed ({ended})"))
                .hint("its own words are in the lines above"))
        }
        Followed::Left => Err(Failure::stopped()),
        Followed::TimedOut => Err(Failure::agent(format!(
            "the registration of the agent did not end within {} s and was killed",
            plan.config_timeout
        ))
        .hint("the agent repeats a failing replacement without pause or end; look at what the server answers")
        .hint(format!("{} sets the time", variables::CONFIG_TIMEOUT.name))),
    }
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
        let launch = launch(plan, &["run", "--once"], &[]);
        let child = Child::start(&launch, signals).map_err(|error| unable(plan, &error))?;
        Ok(Agent { plan, state: Running { child, signals } })
    }
}

impl Agent<'_, Running<'_>> {
    /// Follows the listener to its end. `Ok` where it ran to the end of its own accord and returned 0.
    pub(crate) fn supervise(mut self) -> Result<(), Failure> {
        let mut took_a_job = false;
        let mut stopped = false;
        let outcome = follow(
            &mut self.state.child,
            None,
            Redactor::transparent,
            |line| took_a_job |= is_job_line(line),
            |child| {
                stopped = true;
                log("stop asked for: passing it on to the agent");
                child.stop();
                Then::Stay
            },
        );
        took_a_job |= left_worker_log(self.plan);
        // As PID 1 the kernel does this at our exit, and it does it at once.
        if !platform::is_first_process() {
            self.state.child.kill();
            platform::end_survivors(self.state.signals)
                .map_err(|error| Failure::agent(format!("end what the job left running: {error}")))?;
        }
        match outcome? {
            Followed::Exited(_) if stopped && !took_a_job => Err(Failure::stopped()),
            Followed::Exited(Ended::Code(0)) => Ok(()),
            Followed::Exited(Ended::Code(code @ (3 | 4))) => {
                Err(Failure::agent(format!("the server wants a newer agent (listener exit code {code})"))
                    .hint("an agent of this image does not update itself; build a new image"))
            }
            Followed::Exited(ended) => Err(Failure::agent(format!("the listener failed ({ended})"))),
            Followed::Left | Followed::TimedOut => Err(Failure::agent("the listener was given up")),
        }
    }
}

/// Whether a line of the listener says that a job began (azure-pipelines-agent: Misc/layoutbin/en-US/strings.json, RunningJob).
fn is_job_line(line: &[u8]) -> bool {
    let needle = b"Running job: ";
    line.windows(needle.len()).any(|window| window == needle)
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

fn unable(plan: &Plan, error: &std::io::Error) -> Failure {
    Failure::agent(format!("start `{}` as user {}: {error}", plan.layout.listener().display(), plan.layout.uid))
        .hint("the image must hold an agent that this user can run, and the container needs CAP_SETUID and CAP_SETGID")
}

enum Followed {
    Exited(Ended),
    /// The caller left on a stop.
    Left,
    TimedOut,
}

enum Then {
    Stay,
    Leave,
}

/// Passes the output of a child on until it ends, is given up on a stop, or has no time left.
fn follow(
    child: &mut Child<'_>,
    deadline: Option<Instant>,
    redactor: impl Fn() -> Redactor,
    mut seen: impl FnMut(&[u8]),
    mut on_stop: impl FnMut(&Child<'_>) -> Then,
) -> Result<Followed, Failure> {
    let mut streams = [redactor(), redactor()];
    let mut show = |lines: &[u8]| {
        seen(lines);
        pass_through(lines);
    };
    let outcome = loop {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            break Followed::TimedOut;
        }
        match child.next_event(deadline) {
            Ok(Event::Output(stream, bytes)) => show(&streams[stream as usize].push(&bytes)),
            Ok(Event::Stop) => {
                if matches!(on_stop(child), Then::Leave) {
                    break Followed::Left;
                }
            }
            Ok(Event::Exited(ended)) => break Followed::Exited(ended),
            Ok(Event::Quiet) => {}
            Err(error) => return Err(Failure::agent(format!("wait for the agent: {error}"))),
        }
    };
    for stream in &mut streams {
        show(&stream.finish());
    }
    Ok(outcome)
}
