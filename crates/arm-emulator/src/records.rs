//! What is kept in the store, one table each. Only the modules below name the tables.

pub(crate) mod deployments;
pub(crate) mod groups;
pub(crate) mod identities;
pub(crate) mod operations;
pub(crate) mod registries;
pub(crate) mod registry_access;
pub(crate) mod resources;
pub(crate) mod roles;
pub(crate) mod seeds;
pub(crate) mod tag_names;
