//! An honest stand-in for Microsoft's Azure Pipelines agent.
//!
//! It has the vendor agent's package layout, command line, files on disk, exit codes, order of calls and
//! time-outs, taken from the public description of the protocol alone, and it shares no code with the
//! server it is tested against: two readings of one protocol cannot agree on the same mistake by accident.
//!
//! What it does not do: there is no Node here, so a task's `script` input is run directly with `bash`
//! (Linux) or `cmd` (Windows); it fetches no sources, starts no containers for jobs and installs no service.
//! It has no switches that make it try less often or in another order than the vendor's agent. For tests alone its waits
//! can be shortened, all by one factor: `MAYFLY_STUB_CLOCK`, see `clock`.

mod arguments;
mod capabilities;
mod clock;
mod configure;
mod connection;
mod console;
mod der;
mod diagnostics;
mod dispatcher;
mod environment;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hidden;
mod http;
mod keys;
mod layout;
mod listener;
mod masking;
mod messages;
mod noise;
mod oauth;
mod pack;
mod process;
mod reception;
mod renewal;
mod server;
mod session;
mod settings;
mod unconfigure;
mod update;
mod wire;
mod worker;

pub use listener::listener_main;
pub use pack::{PackRequest, Packed, TargetOs, pack};
pub use worker::worker_main;
