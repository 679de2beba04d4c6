//! What tests of several crates share: waiting for a condition, the guard of docker tests, names that do not meet,
//! planted secrets that must turn up nowhere; for measurements figures and a look at another process.
//!
//! A dev-dependency only. It knows nothing of the services: no types of theirs, no routes.

mod docker;
pub mod figures;
mod names;
mod process;
mod secret;
mod wait;

pub use docker::{BASE_IMAGE_VARIABLE, base_image};
pub use names::{unique_instance, unique_name};
pub use process::Watched;
pub use secret::{assert_no_secret, assert_no_secret_in_tree, planted_secret};
pub use wait::{wait_until, wait_until_blocking};
