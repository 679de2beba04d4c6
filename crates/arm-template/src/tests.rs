//! The crate as its users see it.

mod support;

mod conformance;
mod faults;
mod fixtures;
mod laws;
mod nested;
mod order;
