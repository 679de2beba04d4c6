//! Taking an agent out without killing its job: mark, disable, wait, delete the group, delete the registration.
//!
//! The mark is written before the agent is disabled and removed after it is enabled again, so that whatever moment a run
//! ends at, the next one knows which disabled agents are ours to enable.

use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use crate::azdo::{Agent, AgentId, DRAIN_MARK, JobSummary, PoolId};
use crate::context::Context;
use crate::error::RolloutError;
use crate::fleet::AgentName;
use crate::observe::{DrainMark, ObservedFleet};
use crate::plan::Change;
use crate::report::{Event, Reporter};

/// An agent whose job outlasted the drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndrainedAgent {
    /// The agent.
    pub agent: AgentName,
    /// What it still runs.
    pub job: Option<JobSummary>,
}

impl fmt::Display for UndrainedAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.job {
            Some(job) => write!(formatter, "`{}` (runs job {job})", self.agent),
            None => write!(formatter, "`{}`", self.agent),
        }
    }
}

/// What a drain needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Drain<'a> {
    pub(crate) context: &'a Context,
    pub(crate) pool: PoolId,
    pub(crate) timeout: Duration,
    /// Kill the jobs instead of waiting.
    pub(crate) force: bool,
    pub(crate) reporter: &'a dyn Reporter,
}

/// What has become of one agent.
#[derive(Debug)]
enum Outcome {
    /// Gone; `registration_left` where the service still counts a killed job and keeps the registration.
    Gone {
        agent: AgentName,
        registration_left: bool,
    },
    Busy(UndrainedAgent),
}

/// What has become of all.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) gone: Vec<AgentName>,
    pub(crate) registrations_left: Vec<AgentName>,
}

/// How long a registration that still counts a job is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    EndedJob,
    KilledJob,
}

enum Idle {
    Yes,
    Unregistered,
    No(Option<JobSummary>),
}

impl Drain<'_> {
    /// Drains all at once. Every agent is brought to an end or given back before the first error is returned.
    pub(crate) async fn all(
        &self,
        observed: &ObservedFleet,
        changes: &[Change],
    ) -> Result<Drained, RolloutError> {
        let outcomes = join_all(changes.iter().map(|change| self.one(observed, &change.agent))).await;
        let mut drained = Drained::default();
        let mut busy = Vec::new();
        let mut failed = None;
        for outcome in outcomes {
            match outcome {
                Ok(Outcome::Gone { agent, registration_left }) => {
                    if registration_left {
                        drained.registrations_left.push(agent.clone());
                    }
                    drained.gone.push(agent);
                }
                Ok(Outcome::Busy(agent)) => busy.push(agent),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if busy.is_empty() => Ok(drained),
            None => Err(RolloutError::DrainTimeout { agents: busy, seconds: self.timeout.as_secs() }),
        }
    }

    async fn one(&self, observed: &ObservedFleet, name: &AgentName) -> Result<Outcome, RolloutError> {
        let group = observed.group(name.as_str());
        let group_id = group.map_or_else(|| observed.group_id(name.as_str()), |group| group.id.clone());
        let mut registration = observed.agent(name).map(|agent| agent.id);
        if registration.is_none() && !self.force && group.is_some_and(|group| !group.failed) {
            registration = self.await_registration(name).await?;
        }
        if let Some(id) = registration
            && let Some(mark) = self.disable(id, name, &group_id).await?
            && !self.force
        {
            match self.await_idle(id, name).await? {
                Idle::Yes | Idle::Unregistered => {}
                Idle::No(job) => {
                    give_back(self.context, self.pool, id, &mark).await?;
                    return Ok(Outcome::Busy(UndrainedAgent { agent: name.clone(), job }));
                }
            }
        }
        self.tell(Event::Doing(format!("deleting container group {name}")));
        self.context.arm.delete_container_group(&group_id).await?;
        let patience = if self.force { Patience::KilledJob } else { Patience::EndedJob };
        let registration_left = match registration {
            Some(id) => !self.delete_registration(id, patience).await?,
            None => false,
        };
        if registration_left {
            self.tell(Event::Warning(format!(
                "the registration of {name} stays until Azure DevOps gives up its killed job; the next run removes it"
            )));
        }
        self.tell(Event::Done(format!("{name} is gone")));
        Ok(Outcome::Gone { agent: name.clone(), registration_left })
    }

    /// A container that has just started may register, and be given a job, at any moment: it is first let do so. One that
    /// does not within the time has nothing to lose.
    async fn await_registration(&self, name: &AgentName) -> Result<Option<AgentId>, RolloutError> {
        let deadline = Instant::now() + self.context.settings.timing.registration.min(self.timeout);
        let mut told = false;
        loop {
            let agents = self.context.azdo.agents(self.pool).await?;
            if let Some(agent) = agents.iter().find(|agent| name.is(&agent.name)) {
                return Ok(Some(agent.id));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            if !told {
                self.tell(Event::Waiting(format!("{name} is not registered yet")));
                told = true;
            }
            tokio::time::sleep(self.context.settings.timing.poll).await;
        }
    }

    /// Marks, then disables. `None` where the registration is gone.
    async fn disable(
        &self,
        id: AgentId,
        name: &AgentName,
        group_id: &str,
    ) -> Result<Option<DrainMark>, RolloutError> {
        let azdo = &self.context.azdo;
        let Some(agent) = azdo.agent(self.pool, id).await? else { return Ok(None) };
        let earlier = agent.capability(DRAIN_MARK).and_then(DrainMark::parse);
        let mark = earlier
            .filter(|mark| mark.group.eq_ignore_ascii_case(group_id))
            .unwrap_or_else(|| DrainMark::new(group_id, agent.enabled));
        let mut capabilities = agent.user_capabilities.clone().unwrap_or_default();
        capabilities.insert(DRAIN_MARK.to_owned(), mark.text());
        azdo.set_capabilities(self.pool, id, &capabilities).await?;
        azdo.set_enabled(self.pool, id, false).await?;
        match (agent.job(), self.force) {
            (Some(job), true) => {
                self.tell(Event::Warning(format!("{name} is killed with its job {job}")));
            }
            (Some(job), false) => {
                self.tell(Event::Waiting(format!("{name} is disabled; its job {job} runs to its end")));
            }
            (None, _) => self.tell(Event::Doing(format!("{name} is disabled"))),
        }
        Ok(Some(mark))
    }

    /// Idle is: seen disabled, and in a read made after that without an assigned request.
    async fn await_idle(&self, id: AgentId, name: &AgentName) -> Result<Idle, RolloutError> {
        let deadline = Instant::now() + self.timeout;
        let poll = self.context.settings.timing.poll;
        let mut pause = poll;
        let mut seen_disabled = false;
        let mut told: Option<i64> = None;
        loop {
            let Some(agent) = self.context.azdo.agent(self.pool, id).await? else {
                return Ok(Idle::Unregistered);
            };
            if agent.enabled {
                // A registration made meanwhile by the container itself may have put the old value back.
                seen_disabled = false;
                self.context.azdo.set_enabled(self.pool, id, false).await?;
            } else if !seen_disabled {
                seen_disabled = true;
                continue;
            } else if agent.assigned_request.is_none() {
                return Ok(Idle::Yes);
            }
            if let Some(job) = agent.job().filter(|job| told != Some(job.request_id)) {
                told = Some(job.request_id);
                self.tell(Event::Waiting(format!("{name} runs job {job}")));
            }
            if Instant::now() >= deadline {
                return Ok(Idle::No(agent.job()));
            }
            tokio::time::sleep(pause).await;
            // Jobs are long and agents may be many: five times the interval is often enough.
            pause = (pause + poll / 2).min(poll * 5);
        }
    }

    /// `false` where the service does not let the registration go because of a job. A job that ended is given up soon, one
    /// that was killed not before its lock runs out, which nobody waits for.
    pub(crate) async fn delete_registration(
        &self,
        id: AgentId,
        patience: Patience,
    ) -> Result<bool, RolloutError> {
        let timing = &self.context.settings.timing;
        let wait = match patience {
            Patience::EndedJob => timing.registration / 2,
            Patience::KilledJob => timing.poll,
        };
        let deadline = Instant::now() + wait;
        while !self.context.azdo.delete_agent(self.pool, id).await? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(timing.poll).await;
        }
        Ok(true)
    }

    fn tell(&self, event: Event) {
        self.reporter.event(&event);
    }
}

/// Undoes a drain: the agent gets back what it had, then loses the mark.
async fn give_back(
    context: &Context,
    pool: PoolId,
    id: AgentId,
    mark: &DrainMark,
) -> Result<(), RolloutError> {
    context.azdo.set_enabled(pool, id, mark.was_enabled).await?;
    let Some(agent) = context.azdo.agent(pool, id).await? else { return Ok(()) };
    context.azdo.set_capabilities(pool, id, &without_mark(&agent)).await?;
    Ok(())
}

fn without_mark(agent: &Agent) -> std::collections::BTreeMap<String, String> {
    let mut capabilities = agent.user_capabilities.clone().unwrap_or_default();
    capabilities.retain(|name, _| !name.eq_ignore_ascii_case(DRAIN_MARK));
    capabilities
}

/// Enables again what an interrupted drain of ours left disabled.
pub(crate) async fn reenable(
    context: &Context,
    pool: PoolId,
    observed: &ObservedFleet,
    agents: &[AgentName],
    reporter: &dyn Reporter,
) -> Result<(), RolloutError> {
    for name in agents {
        let Some((id, mark)) =
            observed.agent(name).and_then(|agent| agent.drain.as_ref().map(|mark| (agent.id, mark)))
        else {
            continue;
        };
        give_back(context, pool, id, mark).await?;
        let state =
            if mark.was_enabled { "enabled again" } else { "freed of its mark; it was disabled before" };
        reporter.event(&Event::Done(format!("{name}: an interrupted drain had disabled it; {state}")));
    }
    Ok(())
}
