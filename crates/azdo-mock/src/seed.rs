//! Seed files: what an organization is to hold, as one YAML file. Pure: text in, a [`Seed`] or all its faults out.
//! `state/seeding.rs` makes the organization of it; `docs/seed-file.md` lists the keys.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use pipeline_yaml::{Faults, Found, Position, Step, Value};
use secrecy::SecretString;

use crate::state::requests::Limits;
use crate::wire::crypto::PublicKey;
use crate::wire::demand::Demand;
use crate::wire::job::Variable;
use crate::wire::scopes::Scopes;

pub use read::KEYS as SEED_KEYS;

/// What an organization is to hold.
#[derive(Debug, Default)]
pub(crate) struct Seed {
    /// Whose seed it is; `None`: any organization's.
    pub(crate) organization: Option<Placed<String>>,
    /// `None`: as it is.
    pub(crate) parallel_jobs: Option<ParallelJobs>,
    pub(crate) pools: Vec<Placed<String>>,
    pub(crate) tokens: Vec<Placed<NewToken>>,
    pub(crate) agents: Vec<Placed<NewAgent>>,
    pub(crate) pipelines: Vec<Placed<NewPipeline>>,
    pub(crate) jobs: Vec<Placed<SeedJob>>,
}

/// How many jobs run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParallelJobs {
    /// As many as there are agents.
    Unlimited,
    AtMost(u32),
}

/// Something of the file, and where it is.
#[derive(Debug)]
pub(crate) struct Placed<T> {
    pub(crate) at: Position,
    /// The way to it, such as `agents[2]`.
    pub(crate) path: String,
    pub(crate) it: T,
}

/// A personal access token.
pub(crate) struct NewToken {
    pub(crate) name: String,
    /// `None`: one is generated.
    pub(crate) token: Option<SecretString>,
    pub(crate) scopes: Scopes,
    pub(crate) expires: Expiry,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewToken({}, {:?}, {:?})", self.name, self.scopes, self.expires)
    }
}

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    At(Timestamp),
    /// So long after the seed is applied; in the past if negative.
    In(SignedDuration),
}

impl Expiry {
    pub(crate) fn moment(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::At(moment) => Some(moment),
            Self::In(life) => Some(now.saturating_add(life).unwrap_or(Timestamp::MAX)),
        }
    }
}

/// A registered agent that does not listen.
#[derive(Debug)]
pub(crate) struct NewAgent {
    pub(crate) name: String,
    /// `None`: `Default`.
    pub(crate) pool: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) version: String,
    pub(crate) os_description: String,
    pub(crate) max_parallelism: i32,
    pub(crate) system_capabilities: BTreeMap<String, String>,
    pub(crate) user_capabilities: BTreeMap<String, String>,
    /// Whoever has the private key can listen as this agent; `None`: nobody can until it registers anew.
    pub(crate) public_key: Option<PublicKey>,
}

/// A definition with the text of its file.
#[derive(Debug)]
pub(crate) struct NewPipeline {
    pub(crate) name: String,
    pub(crate) yaml: String,
    /// Texts of its templates by their paths from the root of the repository.
    pub(crate) templates: BTreeMap<String, String>,
}

/// A job that is queued.
#[derive(Debug)]
pub(crate) struct SeedJob {
    pub(crate) name: String,
    /// `None`: `Default`.
    pub(crate) pool: Option<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) demands: Vec<Demand>,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) limits: Limits,
}

impl Seed {
    /// Whether an agent of it has no key of its own.
    pub(crate) fn needs_a_key(&self) -> bool {
        self.agents.iter().any(|agent| agent.it.public_key.is_none())
    }

    /// Reads a seed file. The error is everything that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Faults> {
        let root = pipeline_yaml::tree(text)?;
        let mut found = Found::default();
        let seed = match &root.value {
            Value::Map(_) => read::seed(&root, &mut found),
            other => {
                let why = format!("the file is {}; it needs one or more of {}", other.kind(), read::listed());
                found.add(root.at, "", why);
                None
            }
        };
        found.or(seed)
    }
}
