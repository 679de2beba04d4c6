//! The settings of what comes after the registration: as whom the agent runs, how it ends, who may ask how it is.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Reader;
use crate::health;
use crate::variables;

/// See the variables of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Life {
    /// The job is root in its container.
    pub(crate) as_root: bool,
    pub(crate) stop_limit: Duration,
    pub(crate) health: Option<SocketAddr>,
    /// The agent may replace itself.
    pub(crate) follow_updates: bool,
}

/// 15 s and the agent's own ways to end a step fit into the 30 s that Kubernetes grants by default.
const STOP_LIMIT: u64 = 15;

pub(super) fn read(reader: &mut Reader<'_>) -> Life {
    let as_root = reader.choice(&variables::RUN_AS, ["agent", "root"]) == 1;
    if as_root && cfg!(windows) {
        let text = "root is for Linux alone: a Windows container runs as the user that its image declares";
        reader.problem(variables::RUN_AS.name, text);
    }
    let stop_limit = reader.seconds(&variables::STOP_LIMIT, STOP_LIMIT, 0);
    let health = reader.optional(&variables::HEALTH).and_then(|given| {
        let address = health::parse(&given.value);
        if address.is_none() {
            reader.problem(given.name, "must be a port, or an address and a port such as 127.0.0.1:8080");
        }
        address
    });
    let follow_updates = reader.choice(&variables::AGENT_UPDATE, ["refuse", "follow"]) == 1;
    Life { as_root, stop_limit, health, follow_updates }
}

impl Reader<'_> {
    /// Which of two words is given; the first one is the default.
    fn choice(&mut self, variable: &variables::Variable, words: [&str; 2]) -> usize {
        let Some(given) = self.optional(variable) else { return 0 };
        words.iter().position(|word| *word == given.value).unwrap_or_else(|| {
            self.problem(given.name, format!("must be {} or {}", words[0], words[1]));
            0
        })
    }
}

#[cfg(test)]
mod tests;
