//! The wire as plain data and plain functions: no sockets, no clock, no randomness of its own.

pub(crate) mod assertion;
pub(crate) mod bodies;
pub(crate) mod capabilities;
pub(crate) mod crypto;
pub(crate) mod demand;
pub(crate) mod ids;
pub(crate) mod job;
pub(crate) mod locations;
pub(crate) mod maintenance_bodies;
pub(crate) mod paths;
pub(crate) mod project_bodies;
pub(crate) mod record_id;
pub(crate) mod result;
pub(crate) mod scopes;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod version;
pub(crate) mod words;
