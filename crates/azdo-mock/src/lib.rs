//! A mock Azure DevOps organization on the real wire: what agents, scalers and scripts need of it.
//!
//! [`AzureDevOps`] is the service: [`AzureDevOps::router`] is the emulated wire, [`AzureDevOps::control_router`]
//! queues jobs, shows the journal and makes faults. State survives `kill -9` through the [`service_kit::Store`] in the
//! settings; text of logs is in plain files.
//!
//! It is strict: what it does not know gets the real service's error. It binds no socket (but [`testing`], through
//! service-kit), reads no environment, and takes time and randomness from its settings. It runs nothing: agents do.

mod addresses;
mod app;
mod auth;
mod bells;
mod check;
mod control;
mod error;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod log_text;
mod packages;
mod persist;
mod routes;
mod seed;
mod settings;
mod state;
pub mod testing;
mod view;
mod watch;
mod wire;

pub use app::AzureDevOps;
pub use app::lifecycle::{ResetError, SEED_KEYS, SeedError, Seeded, check_seed};
pub use app::snapshot::{Held, Incoming, RestoreError, Restored, SNAPSHOT_HOLDS, SnapshotError};
pub use error::StartError;
pub use settings::{BadCredential, OldToken, SessionAfterReplace, Settings, Switches};
pub use state::members::{Member, PoolRights};
