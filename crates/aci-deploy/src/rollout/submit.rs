//! One deployment of named agents, from the request to the moment they listen, or back to nothing.

use crate::arm::{ArmError, Deployment};
use crate::deployment::{AgentSpec, DEPLOYER_TAG, FleetDeployment, TemplateError};
use crate::drain::Patience;
use crate::error::{Cleanup, RolloutError};
use crate::fleet::AgentName;
use crate::observe::{self, FLEET_TAG};
use crate::readiness::{self, Awaited, NotListening};
use crate::report::Event;
use crate::rollout::{Rollout, guards};

impl Rollout<'_> {
    /// Has Azure check the deployment of all new agents before the first change: a template that cannot work must not cost
    /// a drained agent.
    pub(super) async fn validate(&self) -> Result<(), RolloutError> {
        let replaced = self.plan.update.iter().map(|change| &change.agent);
        let names: Vec<AgentName> = self.plan.create.iter().chain(replaced).cloned().collect();
        let Some(spec) = self.spec.as_ref().filter(|_| !names.is_empty()) else { return Ok(()) };
        let settings = &self.context.settings;
        let body = self.deployment(spec, &names).body();
        let (group, deployment) = (&settings.resource_group, settings.fleet.deployment());
        let made = self.context.arm.validate_deployment(group, &deployment, &body).await?;
        let makes = |name: &AgentName| {
            let id = self.context.group_id(name.as_str());
            made.iter().any(|made| made.eq_ignore_ascii_case(&id))
        };
        match names.iter().find(|name| !made.is_empty() && !makes(name)) {
            Some(name) => Err(self.not_a_fleet(name).into()),
            None => Ok(()),
        }
    }

    fn deployment<'a>(&'a self, spec: &'a AgentSpec, names: &'a [AgentName]) -> FleetDeployment<'a> {
        FleetDeployment {
            settings: &self.context.settings,
            spec,
            mode: self.request.mode,
            agents: names,
            own: self.request.own.as_ref(),
            deployer: &self.request.deployer,
        }
    }

    fn not_a_fleet(&self, agent: &AgentName) -> TemplateError {
        TemplateError::NotAFleet {
            name: self.request.template_name.clone(),
            agent: agent.clone(),
            fleet: self.context.settings.fleet.to_string(),
        }
    }

    /// Makes exactly these agents and waits until they listen. What goes wrong after Azure has accepted the deployment is
    /// taken back, unless the user wants to look at it.
    pub(super) async fn make(&self, names: &[AgentName]) -> Result<(), RolloutError> {
        let Some(spec) = self.spec.as_ref().filter(|_| !names.is_empty()) else {
            return Ok(());
        };
        let stale = self.clear_names(names).await?;
        let settings = &self.context.settings;
        let (group, deployment) = (&settings.resource_group, settings.fleet.deployment());
        let body = self.deployment(spec, names).body();
        self.tell(Event::Doing(format!("deploying {}: {}", list(names), spec.image)));
        let started = match self.context.arm.start_deployment(group, &deployment, &body).await {
            Ok(started) => Some(started),
            // The request was repeated after a lost answer, and the first one had been accepted: it is ours.
            Err(error) if error.is_deployment_active() => self.own_deployment(&deployment).await?,
            Err(error) => return Err(error.into()),
        };
        if let Err(source) = self.context.arm.finish_deployment(group, &deployment, started.as_ref()).await {
            return Err(self.deployment_failed(names, &stale, source).await);
        }
        let awaited: Vec<Awaited> = names
            .iter()
            .map(|name| Awaited {
                name: name.clone(),
                group_id: self.context.group_id(name.as_str()),
                stale: stale_id(&stale, name),
                kept: false,
            })
            .collect();
        if self.request.own.is_some() {
            self.check_made(names).await?;
        }
        let timeout = self.request.ready_timeout;
        match readiness::wait(self.context, self.pool, awaited, timeout, self.reporter).await {
            Ok(()) => Ok(()),
            // The agents may be fine; the next run sees.
            Err(NotListening::Ask(error)) => Err(error),
            Err(NotListening::Agents(failures)) => {
                let cleanup = self.clean_up(names, &stale).await;
                Err(RolloutError::Agents { failures, cleanup })
            }
        }
    }

    /// Makes sure that the names are still free, as what has one would be overwritten, and removes registrations left under
    /// them, so that one seen later is the new container's and the old keys are dead. Returns what was removed.
    async fn clear_names(&self, names: &[AgentName]) -> Result<Vec<Stale>, RolloutError> {
        let now = observe::observe(self.context, self.pool).await?;
        if let Some(taken) = names.iter().find(|name| !now.is_free(name)) {
            return Err(RolloutError::NameTaken { name: taken.clone() });
        }
        let mut stale = Vec::new();
        for (name, agent) in names.iter().filter_map(|name| now.agent(name).map(|agent| (name, agent))) {
            if !self.context.azdo.delete_agent(self.pool, agent.id).await? {
                // It was given a job since the plan was made: somebody's container lives behind it.
                return Err(RolloutError::NameTaken { name: name.clone() });
            }
            stale.push(Stale { name: name.clone(), id: agent.id });
        }
        Ok(stale)
    }

    async fn own_deployment(&self, name: &str) -> Result<Option<crate::http::Reply>, RolloutError> {
        let group = &self.context.settings.resource_group;
        let active: Option<Deployment> = self.context.arm.deployment(group, name).await?;
        let ours =
            active.as_ref().is_some_and(|active| active.tag(DEPLOYER_TAG) == Some(&self.request.deployer));
        if ours { Ok(None) } else { Err(guards::another_deployer(self.context, active.as_ref())) }
    }

    async fn deployment_failed(
        &self,
        names: &[AgentName],
        stale: &[Stale],
        source: ArmError,
    ) -> RolloutError {
        let still_runs = matches!(source, ArmError::OperationTimeout { .. });
        let lost = matches!(source, ArmError::Unreachable { .. } | ArmError::Malformed { .. });
        if lost {
            // Whether it works is not known, so nothing is taken back; the next run goes on from what it finds.
            return source.into();
        }
        if still_runs {
            let deployment = self.context.settings.fleet.deployment();
            let group = &self.context.settings.resource_group;
            if let Err(error) = self.context.arm.cancel_deployment(group, &deployment).await {
                self.tell(Event::Warning(format!("the deployment could not be cancelled: {error}")));
            }
        }
        let cleanup = self.clean_up(names, stale).await;
        RolloutError::Deployment { agents: names.len(), source: Box::new(source), cleanup }
    }

    /// A template of the user's own must have made what the fleet is known by.
    async fn check_made(&self, names: &[AgentName]) -> Result<(), RolloutError> {
        let fleet = self.context.settings.fleet.as_str();
        for name in names {
            let group = self.context.arm.container_group(&self.context.group_id(name.as_str())).await?;
            if group.is_none_or(|group| group.tag(FLEET_TAG) != Some(fleet)) {
                return Err(self.not_a_fleet(name).into());
            }
        }
        Ok(())
    }

    /// Removes the groups and registrations of this run. Never fails: what could not be removed is named.
    async fn clean_up(&self, names: &[AgentName], stale: &[Stale]) -> Cleanup {
        let mut cleanup = Cleanup::default();
        if self.request.keep_failed {
            cleanup.left = names.iter().map(ToString::to_string).collect();
            return cleanup;
        }
        self.tell(Event::Doing(format!("removing {} again", list(names))));
        for name in names {
            match self.take_back(name, stale).await {
                Ok(true) => cleanup.removed.push(name.clone()),
                Ok(false) => {}
                Err(error) => cleanup.left.push(format!("{name} ({error})")),
            }
        }
        cleanup
    }

    /// `false` where there was nothing to remove.
    async fn take_back(&self, name: &AgentName, stale: &[Stale]) -> Result<bool, RolloutError> {
        let id = self.context.group_id(name.as_str());
        let fleet = self.context.settings.fleet.as_str();
        let group = self.context.arm.container_group(&id).await?;
        let ours = group.is_some_and(|group| group.tag(FLEET_TAG) == Some(fleet));
        if ours {
            self.context.arm.delete_container_group(&id).await?;
        }
        let agents = self.context.azdo.agents(self.pool).await?;
        let known = stale_id(stale, name);
        for agent in agents.iter().filter(|agent| name.is(&agent.name) && known != Some(agent.id)) {
            self.drain().delete_registration(agent.id, Patience::EndedJob).await?;
        }
        Ok(ours)
    }
}

/// A registration from before under the name of a new agent.
pub(super) struct Stale {
    name: AgentName,
    id: crate::azdo::AgentId,
}

fn stale_id(stale: &[Stale], name: &AgentName) -> Option<crate::azdo::AgentId> {
    stale.iter().find(|stale| stale.name == *name).map(|stale| stale.id)
}

fn list(names: &[AgentName]) -> String {
    names.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")
}
