//! The service over real HTTP, asked by a client of its own making: nothing of the crate's wire types is used here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod addresses;
mod bad_jobs;
mod build_client;
mod builds;
mod client;
mod control;
mod definitions;
#[cfg(unix)]
mod fault_seeds;
mod faults;
mod jobs;
mod journal;
mod keyless;
mod library;
mod lists;
mod maintenance;
mod members;
mod packages;
mod pipelines;
mod pipelines_rest;
mod pools;
mod project_parts;
mod properties;
mod registration;
mod restart;
mod retention;
mod retry;
mod scopes;
mod seed;
mod server;
mod session_conflict;
mod sessions;
mod snapshot;
mod strictness;
#[cfg(unix)]
mod stub;
#[cfg(unix)]
mod tasks;
mod theft;
mod tokens;
mod transport;
mod updates;
mod variable_groups;
mod wire_examples;
