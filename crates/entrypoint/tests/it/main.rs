//! The binary as a whole, against odd servers and small agents made of bash.
//!
//! Every test gets an image in a folder of its own (see `image`), and the binary really changes users and kills processes
//! there, so these tests need root on Linux. The Windows twin has its own gate.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod credential;
mod docker;
mod health;
mod image;
mod isolation;
mod layer;
mod lifecycle;
mod probe;
mod reach;
mod root;
mod server;
mod settings;
mod stop;
mod tls;
mod update;
