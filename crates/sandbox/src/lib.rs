//! All emulated services of one sandbox in one process, and the files by which other processes find it.
//!
//! [`up`] starts a sandbox and [`Running`] is one; [`Instance`] names it, [`Record`] is what `sandbox.json` says of it,
//! [`environment`] turns that into the variables that clients read, [`down`] removes all that an instance made.
//!
//! It emulates nothing itself: Azure DevOps, Entra ID, Resource Manager, the registry and Container Instances are
//! crates of their own. What is here is composition: addresses, ports, keys, readiness and shutdown.

mod azdo;
mod clock;
mod control;
mod directory;
mod down;
mod environment;
mod ephemeral;
mod hold;
mod identity;
mod instance;
mod key_file;
mod options;
mod place;
mod probe;
mod record;
mod registry;
mod running;
mod seeding;
mod serve;
mod snapshot;
mod trust;
mod up;
mod whole;

pub use azdo_mock::{OldToken, PoolRights, SessionAfterReplace, Switches as AzdoSwitches};
pub use clock::{ClockError, Time};
pub use container_groups::{IdenticalPut, Quota, RestartBackoff, Switches as GroupSwitches};
pub use down::{DownError, Removed, down};
pub use environment::environment;
pub use hold::{Holder, Keep};
pub use instance::{Instance, InstanceError};
pub use key_file::{KeyFileError, make_or_read_key, read_key};
pub use options::Options;
pub use place::PlaceError;
pub use record::{Record, RecordError};
pub use running::Running;
pub use seeding::check_seed;
pub use up::{UpError, up};
