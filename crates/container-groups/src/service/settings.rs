//! What the service is told: behaviour that Azure leaves open, limits, and where things are kept.

use std::path::PathBuf;
use std::time::Duration;

use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};

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
    /// Groups that may be created in an hour, and as many deleted.
    pub hourly: usize,
    /// Groups that may be created in five minutes, and as many deleted.
    pub five_minutely: usize,
}

impl Quota {
    /// So many groups and cores; as many groups can be made within five minutes, and three times as many in an hour, as is
    /// the relation of the usual quota.
    pub fn of(count: u32) -> Self {
        let usual = Self::default();
        let many = usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            groups: count,
            cores: count,
            hourly: many.saturating_mul(3).max(usual.hourly),
            five_minutely: many.max(usual.five_minutely),
        }
    }
}

impl Default for Quota {
    /// What a pay-as-you-go subscription has: 100 groups and 100 cores, 300 creations an hour and 100 in five minutes.
    fn default() -> Self {
        Self { groups: 100, cores: 100, hourly: 300, five_minutely: 100 }
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
    /// Where containers of groups with an identity ask for tokens; `None`: nowhere.
    pub identity_endpoint: Option<String>,
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
