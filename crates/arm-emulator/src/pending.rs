//! Stands in for crates that are not there yet.
pub mod acr_registry;
