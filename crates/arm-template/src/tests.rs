//! The crate as its users see it.

pub(crate) mod support;

mod conformance;
mod faults;
mod fixtures;
mod laws;
mod nested;
mod order;
mod scopes;
