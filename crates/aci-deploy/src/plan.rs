//! PURE. From what there is and what there should be to what is to be done.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::azdo::JobSummary;
use crate::error::counted;
use crate::fleet::AgentName;
use crate::observe::{ObservedFleet, ObservedGroup};

/// What there should be. What is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// Number of agents.
    pub agents: u32,
    /// Image of every agent.
    pub image: Option<String>,
    /// CPU cores of every agent.
    pub cpu: Option<f64>,
    /// Memory of every agent, in GB.
    pub memory_gb: Option<f64>,
    /// Every agent is made anew, as in Complete mode, where all groups are in the deployment.
    pub renew_all: bool,
}

/// One agent that goes or is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The agent.
    pub agent: AgentName,
    /// Why.
    pub reason: String,
    /// The job it runs now, which is waited for.
    pub job: Option<JobSummary>,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Agents that an interrupted drain left disabled and that stay: enabled again.
    pub reenable: Vec<AgentName>,
    /// Registrations of ours whose container group is gone.
    pub delete: Vec<AgentName>,
    /// Agents that go: disabled, waited for, group deleted, registration deleted.
    pub drain: Vec<Change>,
    /// New agents, all in one deployment that names nothing else.
    pub create: Vec<AgentName>,
    /// Agents that are replaced one at a time: drained, deleted, created anew.
    pub update: Vec<Change>,
    /// Agents that are not touched, and in no deployment.
    pub keep: Vec<AgentName>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.reenable.is_empty()
            && self.delete.is_empty()
            && self.drain.is_empty()
            && self.create.is_empty()
            && self.update.is_empty()
    }

    /// Whether anything is deleted, which needs a yes against Azure.
    pub fn deletes(&self) -> bool {
        !self.drain.is_empty() || !self.update.is_empty() || !self.delete.is_empty()
    }
}

/// Decides. Idle agents go before busy ones, then those with the highest index; new names take the lowest free index.
pub fn plan(observed: &ObservedFleet, desired: &Desired) -> Plan {
    let mut leaving: Vec<&ObservedGroup> = observed.groups.iter().collect();
    leaving.sort_by_key(|group| departure(observed, group));
    let surplus = leaving.len().saturating_sub(desired.agents as usize);
    let mut staying = leaving.split_off(surplus);
    staying.sort_by_key(|group| (group.index.unwrap_or(u32::MAX), group.name.clone()));

    let mut plan = Plan {
        drain: leaving.iter().map(|group| change(observed, group, drain_reason(observed, group))).collect(),
        ..Plan::default()
    };
    for group in &staying {
        if let Some(reason) = update_reason(group, desired) {
            plan.update.push(change(observed, group, reason));
            continue;
        }
        if is_marked(observed, group) {
            plan.reenable.push(group.name.clone());
        }
        plan.keep.push(group.name.clone());
    }
    // Idle ones first, so that the roll-out does not stand behind a long job.
    plan.update.sort_by_key(|change| change.job.is_some());

    let missing = (desired.agents as usize).saturating_sub(staying.len());
    plan.create = free_names(observed).take(missing).collect();
    let own_leftover = observed.orphans().filter(|agent| agent.is_proven(&observed.group_id(&agent.name)));
    plan.delete = own_leftover
        .map(|agent| AgentName::new(agent.name.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    plan
}

/// Sorts what should go first to the front.
fn departure(
    observed: &ObservedFleet,
    group: &ObservedGroup,
) -> (bool, bool, bool, Reverse<u32>, Reverse<AgentName>) {
    let agent = observed.agent(&group.name);
    let busy = agent.is_some_and(|agent| agent.job.is_some());
    (
        busy,
        !group.failed,
        !is_marked(observed, group),
        Reverse(group.index.unwrap_or(u32::MAX)),
        Reverse(group.name.clone()),
    )
}

/// Whether an interrupted drain of this very group left its mark.
fn is_marked(observed: &ObservedFleet, group: &ObservedGroup) -> bool {
    let mark = observed.agent(&group.name).and_then(|agent| agent.drain.as_ref());
    mark.is_some_and(|mark| mark.group.eq_ignore_ascii_case(&group.id))
}

fn change(observed: &ObservedFleet, group: &ObservedGroup, reason: String) -> Change {
    let job = observed.agent(&group.name).and_then(|agent| agent.job.clone());
    Change { agent: group.name.clone(), reason, job }
}

fn drain_reason(observed: &ObservedFleet, group: &ObservedGroup) -> String {
    if is_marked(observed, group) { "an interrupted drain goes on" } else { "more agents than wanted" }
        .to_owned()
}

fn update_reason(group: &ObservedGroup, desired: &Desired) -> Option<String> {
    if group.failed {
        return Some("its container group failed".to_owned());
    }
    if desired.image.as_ref().is_some_and(|image| *image != group.image) {
        return Some(format!("runs `{}`", group.image));
    }
    let differs = |wanted: Option<f64>, is: f64| wanted.is_some_and(|wanted| (wanted - is).abs() > 1e-6);
    if differs(desired.cpu, group.cpu) || differs(desired.memory_gb, group.memory_gb) {
        return Some(format!("has {} CPU and {} GB", group.cpu, group.memory_gb));
    }
    desired.renew_all.then(|| "everything is deployed anew".to_owned())
}

fn free_names(observed: &ObservedFleet) -> impl Iterator<Item = AgentName> + '_ {
    (0..).map(|index| observed.fleet.agent(index)).filter(|name| observed.is_free(name))
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(formatter, "nothing to do: {} as wanted", counted(self.keep.len()));
        }
        for agent in &self.reenable {
            writeln!(formatter, "enable   {agent}: an interrupted drain left it disabled")?;
        }
        for agent in &self.delete {
            writeln!(formatter, "delete   registration {agent}: its container group is gone")?;
        }
        for (verb, changes) in [("drain   ", &self.drain), ("update  ", &self.update)] {
            for Change { agent, reason, job } in changes {
                write!(formatter, "{verb} {agent}: {reason}")?;
                if let Some(job) = job {
                    write!(formatter, "; waits for job {job}")?;
                }
                writeln!(formatter)?;
            }
            if verb == "drain   " {
                for agent in &self.create {
                    writeln!(formatter, "create   {agent}")?;
                }
            }
        }
        for agent in &self.keep {
            writeln!(formatter, "keep     {agent}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
