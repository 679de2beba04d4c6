//! The stub agent against a server made for these tests from the protocol's description. The scripts and signals are those of Linux.

#![cfg(unix)]

mod agent;
mod config;
mod job;
mod package;
mod run;
mod sequences;
mod server;
mod tls;
mod update;
