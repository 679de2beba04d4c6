//! What both rings share: settings, groups, waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use container_groups::{
    ContainerSpec, EnvValue, EnvVar, GroupId, GroupSettings, GroupSpec, GroupView, Groups, Quota,
    RestartBackoff, Runtime, StatusKind, Switches,
};
use service_kit::{SharedClock, Shutdown, Store, SystemEntropy};
use testkit::wait_until;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn id(name: &str) -> GroupId {
    GroupId::parse(&format!(
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Fleet/providers/Microsoft.ContainerInstance/containerGroups/{name}"
    ))
    .unwrap()
}

/// A group of one container.
pub(crate) fn group(name: &str, image: &str, command: &[&str]) -> GroupSpec {
    let mut spec = GroupSpec::new(id(name), "westeurope");
    let mut container = ContainerSpec::new("agent", image);
    container.command = command.iter().map(|word| (*word).to_owned()).collect();
    container.memory_gb = 1.0;
    spec.containers.push(container);
    spec
}

/// The same group with one more secure variable.
pub(crate) fn with_secure(mut spec: GroupSpec, name: &str, value: &str) -> GroupSpec {
    let value = EnvValue::Secure(value.to_owned().into());
    spec.containers[0].environment.push(EnvVar { name: name.to_owned(), value });
    spec
}

/// Everything that outlives a process of the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) instance: String,
    pub(crate) network: String,
    pub(crate) store: Store,
    pub(crate) logs: std::path::PathBuf,
    pub(crate) clock: SharedClock,
    pub(crate) quota: Quota,
}

impl Home {
    pub(crate) fn new(instance: &str, folder: &Path, clock: SharedClock) -> Self {
        Self {
            instance: instance.to_owned(),
            network: "none".to_owned(),
            store: Store::in_memory(),
            logs: folder.join("logs"),
            clock,
            quota: Quota::default(),
        }
    }

    /// One process of the sandbox. Ending the shutdown is what a dying process does to its workers.
    pub(crate) fn process(&self, runtime: Arc<dyn Runtime>, switches: Switches) -> (Groups, Shutdown) {
        let shutdown = Shutdown::new();
        let settings = GroupSettings {
            instance: self.instance.clone(),
            network: self.network.clone(),
            identity_endpoint: Some("http://identity.invalid/token".to_owned()),
            switches,
            quota: self.quota,
            store: self.store.clone(),
            logs_dir: self.logs.clone(),
            clock: self.clock.clone(),
            entropy: SystemEntropy::shared(),
            shutdown: shutdown.clone(),
        };
        (Groups::new(settings, runtime), shutdown)
    }
}

/// The switches of a demonstration: restarts at once.
pub(crate) fn at_once() -> Switches {
    Switches { restart_backoff: RestartBackoff::Off, ..Switches::default() }
}

/// Waits until the group's first container is as wanted; returns the view.
pub(crate) async fn until(
    groups: &Groups,
    id: &GroupId,
    what: &str,
    wanted: impl Fn(&GroupView) -> bool,
) -> GroupView {
    wait_until(DEADLINE, what, async || {
        let Some(view) = groups.get(id) else { return Err("there is no such group".to_owned()) };
        if wanted(&view) { Ok(view) } else { Err(format!("{view:?}")) }
    })
    .await
}

pub(crate) fn is_running(view: &GroupView, generation: u64) -> bool {
    let container = &view.containers[0];
    container.generation == generation
        && container.current_state.as_ref().is_some_and(|state| state.state == StatusKind::Running)
}

pub(crate) fn kind(view: &GroupView) -> Option<StatusKind> {
    view.containers[0].current_state.as_ref().map(|state| state.state)
}

pub(crate) fn container_id(view: &GroupView) -> String {
    view.containers[0].container_id.clone().unwrap()
}

pub(crate) fn event_names(view: &GroupView) -> Vec<(String, u32)> {
    view.containers[0].events.iter().map(|event| (event.name.clone(), event.count)).collect()
}
