//! The binary as a whole on Windows, with a small agent for Windows, against a server that runs elsewhere. `cargo xtask
//! windows` starts that server and says by variables where it and the agent are; on Linux the tests run under Wine.
#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod cases;
mod image;
mod isolation;
mod probe;
