//! The harness of the end-to-end stories: one sandbox of its own per test, driven through the binaries a user runs.
//!
//! [`Stack`] starts an instance with its own network and ports, runs `mayfly` with that instance's environment, and
//! [`Stack::finish`] takes it down and looks for what must not be left: containers, networks, the token in any output.

mod artifacts;
mod containers;
mod identities;
mod images;
pub mod leakscan;
mod naive;
mod probe;
mod python;
mod services;
mod stack;
mod theft;

pub use artifacts::Artifacts;
pub use containers::{Container, Engine};
pub use identities::{AZURE_DEVOPS, GroupOf, said};
pub use images::{everything_in, holds, random_word, texts_below};
pub use naive::{NAIVE_START, NaiveAgent, start_product, start_script};
pub use probe::{Findings, litter_script, search_script};
pub use python::Client;
pub use services::{redeploy_the_whole_fleet, stranger};
pub use stack::{Answer, Job, Stack, StackBuilder};
pub use theft::{STEAL, StolenKey, TokenAnswer};
