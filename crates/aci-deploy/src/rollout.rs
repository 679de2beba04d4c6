//! What `deploy` and `scale` share: look, plan, check, then do the plan step by step.
//!
//! Every step leaves a state from which the next run goes on: a drain leaves its mark, a deployment its name, an agent
//! without a group its owner's mark.

mod guards;
mod submit;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::arm::{Deployment, ResourceGroup};
use crate::azdo::PoolId;
use crate::context::Context;
use crate::deployment::{AgentSpec, Mode, OwnTemplate, RegistryLocation};
use crate::drain::{self, Drain, Drained, Patience};
use crate::error::{Cleanup, RolloutError, counted};
use crate::fleet::AgentName;
use crate::image_ref::ImageRef;
use crate::observe::{self, FLEET_TAG, ObservedFleet};
use crate::plan::{self, Desired, Plan};
use crate::readiness::{self, Awaited, NotListening};
use crate::report::{Event, Reporter};
use crate::settings::{OsType, Target};

/// CPU cores of an agent where nothing is said.
pub(crate) const DEFAULT_CPU: f64 = 1.0;
/// GB of memory of an agent where nothing is said.
pub(crate) const DEFAULT_MEMORY_GB: f64 = 2.0;

/// Which agents must be seen listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitFor {
    All,
    New,
}

/// The one request behind both commands.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) agents: u32,
    pub(crate) image: Option<ImageRef>,
    pub(crate) cpu: Option<f64>,
    pub(crate) memory_gb: Option<f64>,
    pub(crate) os_type: Option<OsType>,
    pub(crate) registry: Option<RegistryLocation>,
    pub(crate) mode: Mode,
    pub(crate) own: Option<OwnTemplate>,
    pub(crate) template_name: String,
    pub(crate) keep_failed: bool,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    pub(crate) drain_timeout: Duration,
    pub(crate) ready_timeout: Duration,
    pub(crate) wait_for: WaitFor,
    pub(crate) deployer: String,
}

/// What a run of `deploy` or `scale` did, or with `dry_run` would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutReport {
    /// Target.
    pub target: Target,
    /// Fleet.
    pub fleet: String,
    /// Pool.
    pub pool: String,
    /// Number of agents there are now, or will be.
    pub agents: u32,
    /// Image of new agents; absent where none was made.
    pub image: Option<ImageRef>,
    /// Nothing was changed.
    pub dry_run: bool,
    /// What was to be done.
    pub plan: Plan,
    /// Agents that are gone, replaced ones not counted.
    pub removed: Vec<AgentName>,
    /// Agents that were made, replacements counted.
    pub created: Vec<AgentName>,
    /// Registrations that Azure DevOps would not let go yet; the next run removes them.
    pub registrations_left: Vec<AgentName>,
}

/// Everything that is known before the first change.
pub(super) struct Rollout<'a> {
    context: &'a Context,
    request: &'a Request,
    reporter: &'a dyn Reporter,
    pool: PoolId,
    observed: ObservedFleet,
    plan: Plan,
    /// Absent where nothing is to be made.
    spec: Option<AgentSpec>,
    group_is_missing: bool,
}

pub(crate) async fn run(
    context: &Context,
    request: &Request,
    reporter: &dyn Reporter,
) -> Result<RolloutReport, RolloutError> {
    reporter.event(&Event::Target(context.target_line()));
    context.check_target()?;
    let rollout = prepare(context, request, reporter).await?;
    if !rollout.group_is_missing {
        rollout.validate().await?;
    }
    if request.dry_run {
        return Ok(rollout.report(Vec::new(), Drained::default()));
    }
    guards::consent(context, &rollout.plan, reporter)?;
    rollout.execute().await
}

/// Reads and checks. Nothing is changed here.
async fn prepare<'a>(
    context: &'a Context,
    request: &'a Request,
    reporter: &'a dyn Reporter,
) -> Result<Rollout<'a>, RolloutError> {
    let settings = &context.settings;
    context.azdo.check_connection().await?;
    let pool = context.azdo.pool(&settings.pool).await?.id;
    let group = context.arm.resource_group(&settings.resource_group).await?;
    let last = match &group {
        Some(_) => context.arm.deployment(&settings.resource_group, &settings.fleet.deployment()).await?,
        None => None,
    };
    guards::no_other_deployer(context, request, last.as_ref())?;
    let observed = observe::observe(context, pool).await?;
    let plan = plan::plan(&observed, &desired(request));
    let makes = plan.create.len() + plan.update.len();
    let spec = if makes == 0 {
        None
    } else {
        let known = Known { observed: &observed, last: last.as_ref(), group: group.as_ref() };
        let spec = spec(context, request, &known, reporter).await?;
        guards::quota(context, request.agents, &observed, &plan, &spec).await?;
        Some(spec)
    };
    if request.mode == Mode::Complete {
        guards::nothing_foreign(context).await?;
    }
    Ok(Rollout { context, request, reporter, pool, observed, plan, spec, group_is_missing: group.is_none() })
}

fn desired(request: &Request) -> Desired {
    Desired {
        agents: request.agents,
        image: request.image.as_ref().map(ToString::to_string),
        cpu: request.cpu,
        memory_gb: request.memory_gb,
        renew_all: request.mode == Mode::Complete,
    }
}

/// What was found before the plan.
struct Known<'a> {
    observed: &'a ObservedFleet,
    last: Option<&'a Deployment>,
    group: Option<&'a ResourceGroup>,
}

/// What new agents are made of: what is asked for, else what the fleet has, else the defaults.
async fn spec(
    context: &Context,
    request: &Request,
    known: &Known<'_>,
    reporter: &dyn Reporter,
) -> Result<AgentSpec, RolloutError> {
    let first = known.observed.groups.first();
    let former =
        known.last.and_then(|last| last.parameter("image")).or(first.map(|group| group.image.as_str()));
    let image = match (&request.image, former) {
        (Some(image), _) => image.clone(),
        (None, Some(former)) => former.parse()?,
        (None, None) => {
            return Err(RolloutError::NoImage { fleet: context.settings.fleet.to_string() });
        }
    };
    if image.digest().is_none() {
        reporter.event(&Event::Warning(format!(
            "`{image}` is a tag, which can be moved; with a digest every agent certainly runs the same image"
        )));
    }
    let (registry, beside) = guards::registry(context, request.registry.as_ref(), &image).await?;
    let group = &context.settings.resource_group;
    // A group that is yet to be made goes where its image is.
    let location = context.settings.location.clone();
    let location = location.or_else(|| known.group.map(|group| group.location.clone())).or(beside);
    Ok(AgentSpec {
        image,
        cpu: request.cpu.or(first.map(|group| group.cpu)).unwrap_or(DEFAULT_CPU),
        memory_gb: request.memory_gb.or(first.map(|group| group.memory_gb)).unwrap_or(DEFAULT_MEMORY_GB),
        os_type: request.os_type.or(first.map(|group| group.os_type)).unwrap_or_default(),
        location: location.ok_or_else(|| RolloutError::NoLocation { group: group.clone() })?,
        registry,
    })
}

impl Rollout<'_> {
    async fn execute(&self) -> Result<RolloutReport, RolloutError> {
        let (context, plan) = (self.context, &self.plan);
        if self.group_is_missing {
            self.create_group().await?;
            self.validate().await?;
        }
        drain::reenable(context, self.pool, &self.observed, &plan.reenable, self.reporter).await?;
        let mut drained = Drained::default();
        for name in &plan.delete {
            self.delete_registration(name, &mut drained).await?;
        }
        let mut gone = self.drain().all(&self.observed, &plan.drain).await?;
        drained.gone.append(&mut gone.gone);
        drained.registrations_left.append(&mut gone.registrations_left);
        let created = if self.request.mode == Mode::Complete {
            self.renew_all(&mut drained).await?
        } else {
            self.make(&plan.create).await?;
            let mut created = plan.create.clone();
            created.extend(self.update_each(&mut drained).await?);
            created
        };
        if self.request.wait_for == WaitFor::All {
            self.wait_for_kept().await?;
        }
        Ok(self.report(created, drained))
    }

    /// Nothing needs the group before the first agent.
    async fn create_group(&self) -> Result<(), RolloutError> {
        let Some(spec) = &self.spec else { return Ok(()) };
        let name = &self.context.settings.resource_group;
        self.tell(Event::Doing(format!("creating resource group {name} in {}", spec.location)));
        let tags = serde_json::json!({FLEET_TAG: self.context.settings.fleet});
        self.context.arm.create_resource_group(name, &spec.location, &tags).await?;
        Ok(())
    }

    /// One at a time, idle ones first: an image that does not work costs one agent, not the fleet.
    async fn update_each(&self, drained: &mut Drained) -> Result<Vec<AgentName>, RolloutError> {
        let mut updated = Vec::new();
        let mut left: Vec<_> = self.plan.update.iter().collect();
        while !left.is_empty() {
            // A job may have begun or ended since the plan was made.
            let now = observe::observe(self.context, self.pool).await?;
            let busy = |name: &AgentName| now.agent(name).is_some_and(|agent| agent.job.is_some());
            let next = left.iter().position(|change| !busy(&change.agent)).unwrap_or(0);
            let change = left.remove(next);
            self.tell(Event::Doing(format!("replacing {}: {}", change.agent, change.reason)));
            let gone = self.drain().all(&now, std::slice::from_ref(change)).await?;
            drained.registrations_left.extend(gone.registrations_left);
            self.make(std::slice::from_ref(&change.agent)).await?;
            updated.push(change.agent.clone());
        }
        Ok(updated)
    }

    /// Complete mode: all agents are in the deployment, so all are drained and made anew.
    async fn renew_all(&self, drained: &mut Drained) -> Result<Vec<AgentName>, RolloutError> {
        let gone = self.drain().all(&self.observed, &self.plan.update).await?;
        drained.registrations_left.extend(gone.registrations_left);
        let mut names: Vec<AgentName> = self.plan.update.iter().map(|change| change.agent.clone()).collect();
        names.extend(self.plan.create.iter().cloned());
        guards::nothing_foreign(self.context).await?;
        self.make(&names).await?;
        Ok(names)
    }

    async fn delete_registration(&self, name: &AgentName, drained: &mut Drained) -> Result<(), RolloutError> {
        let Some(agent) = self.observed.agent(name) else { return Ok(()) };
        if self.drain().delete_registration(agent.id, Patience::KilledJob).await? {
            self.tell(Event::Done(format!("registration {name} is removed: its container group was gone")));
        } else {
            self.tell(Event::Warning(format!("the registration of {name} still counts a killed job")));
            drained.registrations_left.push(name.clone());
        }
        Ok(())
    }

    async fn wait_for_kept(&self) -> Result<(), RolloutError> {
        let awaited = self.plan.keep.iter().map(|name| Awaited {
            name: name.clone(),
            group_id: self.context.group_id(name.as_str()),
            stale: None,
            kept: true,
        });
        let timeout = self.request.ready_timeout;
        match readiness::wait(self.context, self.pool, awaited.collect(), timeout, self.reporter).await {
            Ok(()) => Ok(()),
            Err(NotListening::Ask(error)) => Err(error),
            // They were there before this run, so this run does not remove them.
            Err(NotListening::Agents(failures)) => {
                let left = failures.iter().map(|failure| failure.agent.to_string()).collect();
                Err(RolloutError::Agents { failures, cleanup: Cleanup { removed: Vec::new(), left } })
            }
        }
    }

    fn drain(&self) -> Drain<'_> {
        Drain {
            context: self.context,
            pool: self.pool,
            timeout: self.request.drain_timeout,
            force: self.request.force,
            reporter: self.reporter,
        }
    }

    fn tell(&self, event: Event) {
        self.reporter.event(&event);
    }

    fn report(&self, created: Vec<AgentName>, drained: Drained) -> RolloutReport {
        RolloutReport {
            target: self.context.settings.target,
            fleet: self.context.settings.fleet.to_string(),
            pool: self.context.settings.pool.clone(),
            agents: self.request.agents,
            image: self.spec.as_ref().map(|spec| spec.image.clone()),
            dry_run: self.request.dry_run,
            plan: self.plan.clone(),
            removed: drained.gone,
            created,
            registrations_left: drained.registrations_left,
        }
    }
}

impl fmt::Display for RolloutReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            return write!(formatter, "{}", self.plan);
        }
        let names = |names: &[AgentName]| names.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ");
        let agents = counted(self.agents as usize);
        writeln!(formatter, "fleet {} has {agents} in pool {}", self.fleet, self.pool)?;
        for (verb, agents) in [
            ("created", &self.created),
            ("removed", &self.removed),
            ("enabled again", &self.plan.reenable),
            ("registrations left", &self.registrations_left),
        ] {
            if !agents.is_empty() {
                writeln!(formatter, "{verb}: {}", names(agents))?;
            }
        }
        Ok(())
    }
}
