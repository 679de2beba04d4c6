//! Waiting until agents listen. What Azure calls a success says only that containers were started.

use std::time::Duration;

use tokio::time::Instant;

use crate::azdo::{AgentId, OWNER_MARK, PoolId};
use crate::context::Context;
use crate::error::{AgentFailure, RolloutError};
use crate::fleet::AgentName;
use crate::report::{Event, Reporter};
use crate::termination::{self, Terminations, Verdict};

/// How many of the last lines of a log are shown.
const LOG_LINES: u32 = 15;

/// How many container groups are looked at between two pauses. Azure Resource Manager counts reads; the pool is read with
/// one call for all agents.
const LOOKS: usize = 5;

/// An agent that is to listen.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub(crate) name: AgentName,
    pub(crate) group_id: String,
    /// A registration under this name from before; it does not count.
    pub(crate) stale: Option<AgentId>,
    /// The group is older than this run.
    pub(crate) kept: bool,
}

/// Why it was given up.
#[derive(Debug)]
pub(crate) enum NotListening {
    /// Asking failed.
    Ask(RolloutError),
    /// Some agents will not listen, or did not in time.
    Agents(Vec<AgentFailure>),
}

impl<E: Into<RolloutError>> From<E> for NotListening {
    fn from(error: E) -> Self {
        Self::Ask(error.into())
    }
}

struct Watched {
    awaited: Awaited,
    ends: Option<Terminations>,
    last: String,
    /// Name of the group's container; a template of the user's own may call it as it likes.
    container: Option<String>,
    /// The end of a log that was seen to be complete: a restart takes it away.
    complete_log: Vec<String>,
}

/// Waits until every awaited agent has been seen online. An agent that runs a job at once and ends counts too.
pub(crate) async fn wait(
    context: &Context,
    pool: PoolId,
    awaited: Vec<Awaited>,
    timeout: Duration,
    reporter: &dyn Reporter,
) -> Result<(), NotListening> {
    let deadline = Instant::now() + timeout;
    let mut pending: Vec<Watched> = awaited
        .into_iter()
        .map(|awaited| Watched {
            awaited,
            ends: None,
            last: "not registered yet".to_owned(),
            container: None,
            complete_log: Vec::new(),
        })
        .collect();
    let mut told = String::new();
    while !pending.is_empty() {
        let agents = context.azdo.agents(pool).await?;
        let mut still = Vec::new();
        let mut looked = Vec::new();
        let mut failures = Vec::new();
        for mut watched in pending {
            let name = watched.awaited.name.clone();
            let registration = agents
                .iter()
                .find(|agent| name.is(&agent.name))
                .filter(|agent| watched.awaited.stale != Some(agent.id));
            if let Some(agent) = registration.filter(|agent| agent.is_online()) {
                own(context, pool, agent.id, &watched.awaited.group_id, reporter).await?;
                reporter.event(&Event::Done(format!("{name} listens")));
                continue;
            }
            if looked.len() >= LOOKS {
                still.push(watched);
                continue;
            }
            match watched.look(context, registration.is_some()).await? {
                Verdict::Listened => {
                    reporter.event(&Event::Done(format!("{name} has listened, and run a job already")));
                }
                Verdict::Failed(code) => failures.push(watched.failed(context, code).await),
                Verdict::Undecided => looked.push(watched),
            }
        }
        // Those that have not been looked at are first next time.
        still.append(&mut looked);
        if !failures.is_empty() {
            return Err(NotListening::Agents(failures));
        }
        pending = still;
        if pending.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            let mut late = Vec::new();
            for watched in pending {
                late.push(watched.late(context, timeout).await);
            }
            return Err(NotListening::Agents(late));
        }
        let states: Vec<String> =
            pending.iter().map(|watched| format!("{} ({})", watched.awaited.name, watched.last)).collect();
        let text = format!("agents that do not listen yet: {}", states.join(", "));
        if text != told {
            reporter.event(&Event::Waiting(text.clone()));
            told = text;
        }
        tokio::time::sleep(context.settings.timing.poll).await;
    }
    Ok(())
}

impl Watched {
    async fn look(&mut self, context: &Context, registered: bool) -> Result<Verdict, RolloutError> {
        let Some(group) = context.arm.container_group(&self.awaited.group_id).await? else {
            "its container group is not there".clone_into(&mut self.last);
            return Ok(Verdict::Undecided);
        };
        self.container = group.container().map(|container| container.name.clone());
        let view = group.container().and_then(|container| container.view());
        let current = view.and_then(|view| view.current_state.as_ref());
        self.last = match (registered, current) {
            (true, Some(current)) => format!("registered, container {}", current.state.to_lowercase()),
            (false, Some(current)) => format!("container {}", current.state.to_lowercase()),
            (_, None) => format!("group {}", group.properties.provisioning_state.to_lowercase()),
        };
        match &mut self.ends {
            Some(ends) => ends.observe(&group),
            None if self.awaited.kept => self.ends = Some(Terminations::of_running(&group)),
            None => self.ends.insert(Terminations::default()).observe(&group),
        }
        let verdict = self.ends.as_ref().map_or(Verdict::Undecided, |ends| ends.verdict(registered));
        if verdict == Verdict::Undecided && current.is_some() {
            // After a fatal error the entrypoint holds for minutes before it ends, but says so at once.
            let log = self.log(context).await;
            let held = log.iter().find_map(|line| termination::held(line));
            self.remember(log);
            return Ok(held.map_or(verdict, Verdict::Failed));
        }
        Ok(verdict)
    }

    async fn failed(mut self, context: &Context, code: i64) -> AgentFailure {
        let (reason, remedy) = termination::meaning(code);
        let reason = if reason.ends_with("with an error") {
            format!("ended twice with exit code {code}")
        } else {
            reason.to_owned()
        };
        AgentFailure {
            agent: self.awaited.name.clone(),
            exit_code: Some(code),
            reason,
            log: self.last_log(context).await,
            remedy: remedy.map(str::to_owned),
        }
    }

    async fn late(mut self, context: &Context, timeout: Duration) -> AgentFailure {
        AgentFailure {
            agent: self.awaited.name.clone(),
            exit_code: self.ends.as_ref().and_then(Terminations::last_code),
            reason: format!("does not listen after {} s ({})", timeout.as_secs(), self.last),
            log: self.last_log(context).await,
            remedy: Some(
                "read the log above; --keep-failed leaves the group in place for a closer look".to_owned(),
            ),
        }
    }

    fn remember(&mut self, log: Vec<String>) {
        if log.iter().any(|line| termination::is_end(line)) {
            self.complete_log = log;
        }
    }

    /// The log of a run that came to its end, if there is one: that of a container that has just been started again says
    /// nothing of why the one before it ended. A container in a crash loop is soon at its end again.
    async fn last_log(&mut self, context: &Context) -> Vec<String> {
        let mut log = self.log(context).await;
        self.remember(log.clone());
        for _ in 0..5 {
            if !self.complete_log.is_empty() {
                return std::mem::take(&mut self.complete_log);
            }
            tokio::time::sleep(context.settings.timing.poll).await;
            log = self.log(context).await;
            self.remember(log.clone());
        }
        log
    }

    /// The end of the log as it is now. That it cannot be read must not hide the failure it belongs to.
    async fn log(&self, context: &Context) -> Vec<String> {
        let container = self.container.as_deref().unwrap_or("agent");
        match context.arm.logs(&self.awaited.group_id, container, Some(LOG_LINES)).await {
            Ok(text) if text.trim().is_empty() => vec!["(its log is empty)".to_owned()],
            Ok(text) => {
                let lines: Vec<&str> = text.lines().collect();
                let skipped = lines.len().saturating_sub(LOG_LINES as usize);
                lines.into_iter().skip(skipped).map(str::to_owned).collect()
            }
            Err(error) => vec![format!("(its log cannot be read: {error})")],
        }
    }
}

/// Writes on a registration which container group it belongs to.
async fn own(
    context: &Context,
    pool: PoolId,
    id: AgentId,
    group_id: &str,
    reporter: &dyn Reporter,
) -> Result<(), RolloutError> {
    let Some(agent) = context.azdo.agent(pool, id).await? else { return Ok(()) };
    if agent.capability(OWNER_MARK).is_some_and(|owner| owner.eq_ignore_ascii_case(group_id)) {
        return Ok(());
    }
    let mut capabilities = agent.user_capabilities.clone().unwrap_or_default();
    capabilities.retain(|name, _| !name.eq_ignore_ascii_case(OWNER_MARK));
    capabilities.insert(OWNER_MARK.to_owned(), group_id.to_ascii_lowercase());
    context.azdo.set_capabilities(pool, id, &capabilities).await?;
    if !agent.enabled {
        reporter
            .event(&Event::Warning(format!("{} is disabled in the pool: it is given no job", agent.name)));
    }
    Ok(())
}
