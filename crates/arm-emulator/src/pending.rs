//! Stands in for crates that are not there yet.
#![expect(dead_code, reason = "replaced by the real crates")]
pub(crate) mod acr_registry;
pub(crate) mod arm_template;
