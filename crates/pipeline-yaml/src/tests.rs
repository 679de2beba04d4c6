//! Whole files: what they stand for, what is wrong with them, and how their runs go.

mod fixtures;
mod laws;
mod plans;
mod refused;
mod runs;
