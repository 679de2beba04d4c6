//! `cargo xtask leakscan`: canaries, then a job that hunts for them by every known route, against four targets.
//!
//! Job 1 plants what a job could leave; job 2 runs `leak-hunter` in the next container of the same agent and tells per
//! route what it found. What only shows outside (records, logs, layers) is searched here. A route that looked at nothing,
//! or could not find its own canary, is an error and never a "not found". Two targets must be caught, else the scan is
//! worthless; see `verdict`.

mod argv;
mod catalogue;
mod key;
mod needles;
mod outside;
mod probe;
mod report;
mod scan;
mod target;
mod verdict;

pub use report::{as_json, as_table};
pub use scan::{Check, Row, Scanned, scan};
pub use target::Kind;
pub use verdict::{faults, summary};
