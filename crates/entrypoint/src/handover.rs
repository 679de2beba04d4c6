//! What one image of the process leaves to the next.
//!
//! The process goes through three images of itself: *prepare* (settings, preflight), *configure* (registers the agent) and
//! *supervise* (runs it). Each begins with an empty memory and a clean environment block, so the token is gone from both for
//! certain, however many copies an HTTP client or the standard library made of it.

use std::io::{self, Read};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::layout::Layout;
use crate::settings::Life;
use crate::token::Token;

/// Everything that is decided once and holds until the end. Never a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) pool: String,
    pub(crate) agent: String,
    pub(crate) work: PathBuf,
    /// File of the authorities that the tools of a job are to trust.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) image: Option<String>,
    /// Host name of the container.
    pub(crate) container: String,
    pub(crate) started: Timestamp,
    /// Seconds.
    pub(crate) config_timeout: u64,
    pub(crate) life: Life,
    pub(crate) layout: Layout,
    /// The environment of the agent, complete.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Which image of the process comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Configure,
    Supervise { agent_id: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handover {
    pub(crate) stage: Stage,
    pub(crate) plan: Plan,
}

/// A handover is small; more than this is not one of ours.
const LONGEST: usize = 1024 * 1024;

impl Handover {
    /// Everything but the token, framed: length, JSON, length of the token that follows.
    pub(crate) fn frame(&self, token_length: usize) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let mut frame = Vec::with_capacity(body.len() + 8);
        frame.extend_from_slice(&length(body.len())?);
        frame.extend_from_slice(&body);
        frame.extend_from_slice(&length(token_length)?);
        Ok(frame)
    }

    /// Reads a frame and the token after it, which goes straight into locked memory.
    pub(crate) fn read(source: &mut impl Read) -> io::Result<(Self, Option<Token>)> {
        let mut body = vec![0; read_length(source)?];
        source.read_exact(&mut body)?;
        let handover = serde_json::from_slice(&body)?;
        let token = match read_length(source)? {
            0 => None,
            length => Some(Token::read(source, length)?),
        };
        Ok((handover, token))
    }
}

fn length(value: usize) -> io::Result<[u8; 4]> {
    if value > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "handover too long"));
    }
    Ok(u32::try_from(value).map_err(io::Error::other)?.to_le_bytes())
}

fn read_length(source: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 4];
    source.read_exact(&mut bytes)?;
    let value = u32::from_le_bytes(bytes) as usize;
    if value > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no handover"));
    }
    Ok(value)
}
