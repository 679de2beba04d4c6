//! Azure Resource Manager of the sandbox, over HTTP, for clients that nobody here wrote: az, Microsoft's SDKs, the
//! deployer of this workspace.
//!
//! [`Arm`] holds resource groups, deployments and their history, and the resource providers: container groups, container
//! registries, user-assigned identities, role assignments. [`Arm::identity_router`] is the endpoint where a container
//! with an identity gets its tokens. It is strict: an unknown route, api-version, type or property is answered with ARM's own
//! error, naming what is supported. Secrets that come in never go out again.
//!
//! What runs is the business of `container_groups`, what a template means that of `arm_template`, who may call that
//! of `entra_tokens`. Nothing here binds a port: [`Arm::router`] is served by whoever composes the sandbox.

mod app;
mod body;
mod control;
mod engine;
mod error;
mod etag;
mod fields;
mod filter;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity_endpoint;
mod location;
mod metadata;
mod outbound;
mod providers;
mod records;
mod request;
mod resource_id;
mod routes;
mod seed;

pub use app::{Arm, ArmSettings, StartError};
pub use control::{Service, Traffic};
pub use engine::exchange::OwnRegistry;
pub use engine::reset::ResetError;
pub use engine::seeding::{SeedError, Seeded, SeededApplication};
pub use engine::snapshot::{Held, Incoming, RestoreError, Restored, SNAPSHOT_HOLDS, SnapshotError};
pub use seed::{SEED_KEYS, check_seed};
