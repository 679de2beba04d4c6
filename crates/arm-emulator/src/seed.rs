//! Seed files: what a subscription is to hold, as one YAML file. Pure: text in, a [`Seed`] or all its faults out.
//! `engine/seeding.rs` makes resources of it; `docs/seed-file.md` lists the keys.

mod read;
#[cfg(test)]
mod tests;

use pipeline_yaml::{Faults, Found, Position, Value as Yaml};
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

pub use read::KEYS as SEED_KEYS;

/// What a subscription is to hold, in the order in which it is made.
#[derive(Debug, Default)]
pub(crate) struct Seed {
    pub(crate) entries: Vec<Entry>,
}

/// Something of the file, and where it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) at: Position,
    /// The way to it, such as `registries[2]`.
    pub(crate) path: String,
    pub(crate) it: Wanted,
}

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Wanted {
    Application(Application),
    /// One that is there already stays.
    ResourceGroup(Resource),
    Resource(Resource),
    RoleAssignment(RoleAssignment),
}

/// An application of the directory with its service principal.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) name: String,
    /// `None`: drawn.
    pub(crate) client_id: Option<Uuid>,
    /// `None`: drawn, and shown once.
    pub(crate) secret: Option<SecretString>,
}

/// A PUT of Resource Manager. Id and body may hold `{subscriptionId}` and `{tenantId}`.
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) api_version: String,
    pub(crate) body: Value,
}

impl std::fmt::Debug for Resource {
    /// A body may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resource({}, {})", self.id, self.api_version)
    }
}

/// A role that is given.
#[derive(Debug)]
pub(crate) struct RoleAssignment {
    pub(crate) principal: Principal,
    /// Its name, or its id.
    pub(crate) role: String,
    pub(crate) scope: String,
    /// `None`: made from the three others.
    pub(crate) name: Option<Uuid>,
}

/// Whom a role is given to.
#[derive(Debug)]
pub(crate) enum Principal {
    /// An object of the directory.
    Id(String),
    /// The application of this name in the file.
    Application(String),
    /// The user-assigned identity with this id, which the file holds.
    Identity(String),
}

impl Seed {
    /// Reads Azure's part of a seed file. The error is everything that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Faults> {
        let root = pipeline_yaml::tree(text)?;
        let mut found = Found::default();
        let seed = match &root.value {
            Yaml::Map(_) => read::seed(&root, &mut found),
            other => {
                let known = read::KEYS.join(", ");
                found.add(
                    root.at,
                    "",
                    format!("the file is {}; it needs one or more of {known}", other.kind()),
                );
                None
            }
        };
        found.or(seed)
    }
}

/// Whether Azure's part of a seed file is right in itself: all that can be said of it without a subscription.
///
/// # Errors
/// Everything that is wrong with it, each with line, column and key.
pub fn check_seed(text: &str) -> Result<(), Faults> {
    Seed::parse(text).map(|_| ())
}
