//! The service: desired groups in, containers out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};

use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec};
use crate::runtime::Runtime;
use crate::view::GroupView;

/// What a put of an unchanged group does. Not published by Microsoft.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdenticalPut {
    /// All containers are restarted: the assumption that hurts.
    #[default]
    Restarts,
    /// Nothing happens.
    NoOp,
}

/// Whether restarts are delayed. Not published by Microsoft.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RestartBackoff {
    /// After every exit, 0 included: the first restart at once, then 10 s doubling to 5 min, forgotten after 10 min of
    /// running.
    #[default]
    On,
    /// Every restart at once.
    Off,
}

/// Behaviour that Azure does not document; the defaults are those that hurt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// What a put of an unchanged group does.
    pub identical_put: IdenticalPut,
    /// Whether restarts are delayed.
    pub restart_backoff: RestartBackoff,
    /// Time between SIGTERM and SIGKILL; zero: killed without SIGTERM.
    pub stop_grace: Duration,
    /// Whether groups of `osType` Windows run as Linux containers on a Linux engine instead of being refused.
    pub windows_as_linux: bool,
}

/// How much the subscription may use in its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Container groups.
    pub groups: u32,
    /// Processors, `StandardCores`.
    pub cores: u32,
}

impl Default for Quota {
    /// What a pay-as-you-go subscription has: 100 groups and 100 cores.
    fn default() -> Self {
        Self { groups: 100, cores: 100 }
    }
}

/// How much is used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Container groups.
    pub groups: u32,
    /// Requested processors of all groups.
    pub cores: f64,
}

/// What the service needs.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    /// The sandbox instance, which labels everything on the engine.
    pub instance: String,
    /// The engine's network that containers are attached to.
    pub network: String,
    /// Undocumented behaviour.
    pub switches: Switches,
    /// Limits of the subscription.
    pub quota: Quota,
    /// Where desired state is kept.
    pub store: Store,
    /// Where logs of ended containers are kept.
    pub logs_dir: PathBuf,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Owner of the workers. Ending it leaves the containers running.
    pub shutdown: Shutdown,
}

/// The answer to an accepted put.
#[derive(Debug, Clone)]
pub struct Put {
    /// Whether there was no such group before.
    pub created: bool,
    /// The group as it is now; provisioning goes on.
    pub view: GroupView,
}

/// All container groups of one sandbox. Clones share the same groups.
#[derive(Debug, Clone)]
pub struct Groups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: GroupSettings,
    runtime: Arc<dyn Runtime>,
}

impl Groups {
    /// A service without groups; [`Groups::adopt`] brings back those of the store.
    pub fn new(settings: GroupSettings, runtime: Arc<dyn Runtime>) -> Self {
        Self { inner: Arc::new(Inner { settings, runtime }) }
    }

    /// Creates or updates a group. Returns when the request is accepted; [`Groups::settled`] waits for the outcome.
    ///
    /// Errors: those of validation, quota and image access; `ContainerGroupTransitioning` while an operation runs.
    pub async fn put(&self, spec: GroupSpec) -> Result<Put, GroupError> {
        Err(unfinished(&spec.id))
    }

    /// Replaces the tags of a group without touching its containers.
    pub fn set_tags(&self, id: &GroupId, _tags: BTreeMap<String, String>) -> Result<GroupView, GroupError> {
        Err(unfinished(id))
    }

    /// One group.
    pub fn get(&self, _id: &GroupId) -> Option<GroupView> {
        None
    }

    /// All groups, by id.
    pub fn list(&self) -> Vec<GroupView> {
        Vec::new()
    }

    /// All groups of a resource group, whose full id is given (`/subscriptions/{s}/resourceGroups/{g}`), by id.
    pub fn list_in(&self, _resource_group_id: &str) -> Vec<GroupView> {
        Vec::new()
    }

    /// Removes a group with its containers and volumes; returns once they are gone. `None`: there was no such group.
    pub async fn delete(&self, id: &GroupId) -> Result<Option<GroupView>, GroupError> {
        Err(unfinished(id))
    }

    /// Starts a stopped or ended group: a new deployment of what is desired. Returns when accepted.
    pub async fn start(&self, id: &GroupId) -> Result<(), GroupError> {
        Err(unfinished(id))
    }

    /// Stops a group; returns once its containers are gone. An ended group is left alone.
    pub async fn stop(&self, id: &GroupId) -> Result<(), GroupError> {
        Err(unfinished(id))
    }

    /// Restarts all containers of a group. Returns when accepted.
    pub async fn restart(&self, id: &GroupId) -> Result<(), GroupError> {
        Err(unfinished(id))
    }

    /// Waits until no operation on the group is under way. `None`: there is no such group (any more).
    pub async fn settled(&self, _id: &GroupId) -> Option<GroupView> {
        None
    }

    /// The log of a container's present run, or of the last one when none runs; the last `tail` lines if given.
    pub async fn logs(
        &self,
        id: &GroupId,
        _container: &str,
        _tail: Option<usize>,
    ) -> Result<String, GroupError> {
        Err(unfinished(id))
    }

    /// The log of the run before the present one. Not part of Azure's API.
    pub async fn previous_logs(&self, id: &GroupId, _container: &str) -> Result<String, GroupError> {
        Err(unfinished(id))
    }

    /// How much of the quota is used.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.inner.settings.quota
    }

    /// Takes over what an earlier process left: brings back the groups of the store, keeps running containers, treats
    /// those that ended meanwhile by policy, clears half-made ones and those of unknown groups. Call it once, before
    /// anything else.
    pub async fn adopt(&self) -> Result<(), GroupError> {
        self.inner
            .runtime
            .ping()
            .await
            .map_err(|error| GroupError::new(503, "ServiceUnavailable", error.to_string()))
    }

    /// Changes undocumented behaviour from now on.
    pub fn set_switches(&self, _switches: Switches) {}

    /// The switches as they are.
    pub fn switches(&self) -> Switches {
        self.inner.settings.switches
    }
}

fn unfinished(id: &GroupId) -> GroupError {
    GroupError::new(501, "NotImplemented", format!("container groups are not built yet (`{id}`)"))
}
