//! A container registry as Azure runs them: the OCI distribution API with an admin user and token challenges.
//!
//! [`Registries`] holds all registries of one sandbox. Each has an HTTPS listener of its own on 127.0.0.1 and is
//! known as `localhost:<port>`, which Docker engines on the same machine push to and pull from.
//!
//! It does not know resource groups, prices or templates: that is Resource Manager's side. It runs no
//! tasks or replications, tells of pushes and deletions and sends no webhook itself, and keeps nothing that was deleted.

mod access;
mod acr_path;
mod attributes;
mod catalogue;
mod content;
mod digest;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod manifest;
mod name;
mod path;
mod registries;
mod registry;
mod repository;
mod routes;
#[cfg(test)]
mod scene;
mod users;

pub use events::{ImageAction, ImageEvent};
pub use registries::{
    CreateRegistry, ExistingTags, Frozen, ImportError, ImportImage, ImportTarget, PublicAccess, Reader,
    Registries, RegistryError, RegistryInfo, RegistrySettings, RepositoryToken, SigningKeyError, Staged,
    signing_key,
};
