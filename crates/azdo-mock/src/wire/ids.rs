//! Identifiers, one type each, so that an agent's number is never taken for a pool's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = <$inner as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A pool of the organization.
    PoolId(i32)
);
id!(
    /// A variable group of the project.
    GroupId(i32)
);
id!(
    /// A registered agent; unique in the organization.
    AgentId(i32)
);
id!(
    /// A retention lease of the project.
    LeaseId(i32)
);
id!(
    /// A definition of a pool's maintenance.
    MaintenanceId(i32)
);
id!(
    /// Maintenance that was asked for.
    MaintenanceJobId(i32)
);
id!(
    /// An agent's right to listen.
    SessionId(Uuid)
);
id!(
    /// The server's record of one job.
    RequestId(i64)
);
id!(
    /// A run of a pipeline file. Runs and requests share their numbers: either is the number of a build.
    RunId(i64)
);
id!(
    /// A definition of the project; what the control API queues belongs to [`DefinitionId::CONTROL`].
    DefinitionId(i32)
);
id!(
    /// The project's door to a pool.
    QueueId(i32)
);
id!(
    /// A job; also the id of its timeline record.
    JobId(Uuid)
);
id!(
    /// A run.
    PlanId(Uuid)
);
id!(
    /// A tree of records.
    TimelineId(Uuid)
);
id!(
    /// One stage, job or step in a timeline.
    RecordId(Uuid)
);
id!(
    /// A log of a plan; 1 or more.
    LogId(i64)
);

impl DefinitionId {
    /// The definition of everything that the control API queues.
    pub(crate) const CONTROL: Self = Self(1);
}

impl Default for DefinitionId {
    fn default() -> Self {
        Self::CONTROL
    }
}
