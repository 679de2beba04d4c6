//! The distribution specification 1.1 (opencontainers/distribution-spec, `spec.md`), requirement by requirement: each
//! MUST of a registry is a test that is named after it. What comes after them is what clients rely on beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod discovery;
mod management;
mod memory;
mod pull;
mod push;
mod scene;
