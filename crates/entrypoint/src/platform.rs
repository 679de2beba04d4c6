//! The thin layer over the operating system. Both twins offer the same functions, see `unix.rs` and `windows.rs`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A child to start: as the agent's user, without any privilege, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: PathBuf,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Set for this child on top of its environment.
    pub(crate) inputs: &'a [(&'a str, &'a str)],
    pub(crate) directory: PathBuf,
    #[cfg_attr(windows, expect(dead_code, reason = "on Windows the whole container runs as one user"))]
    pub(crate) uid: u32,
    #[cfg_attr(windows, expect(dead_code, reason = "on Windows the whole container runs as one user"))]
    pub(crate) gid: u32,
}

/// What is where a secret should be.
#[cfg_attr(windows, expect(dead_code, reason = "a Windows container has no file for a secret"))]
pub(crate) enum SecretFile {
    /// Its content, without the line break at the end.
    Text(String),
    /// A named pipe, which is not opened.
    Pipe,
}

/// What happened next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Output of the child.
    Output(Stream, Vec<u8>),
    /// The platform wants the container to stop.
    Stop,
    Exited(Ended),
    /// Nothing, for as long as was asked.
    Quiet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// How the child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no signals"))]
    Signal(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}
