//! Names: of a fleet, and of the agents in it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A name that Azure would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The fleet's name cannot be the start of container group names.
    #[error(
        "`{0}` is no fleet name: 1 to 50 lowercase letters, digits and `-`, starting with a letter and not ending in `-`, without `--`"
    )]
    Fleet(String),
    /// No container group can have this name.
    #[error("`{0}` is no agent name: 1 to 63 letters, digits and `-`")]
    Agent(String),
}

/// Name of a fleet: the value of the tag `mayfly-fleet`, and the start of each agent's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct FleetName(String);

impl FleetName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the agent with this index, which is also the name of its container group.
    pub fn agent(&self, index: u32) -> AgentName {
        AgentName(format!("{}-{index}", self.0))
    }

    /// The index in a name of the form `<fleet>-<index>`; `None` where the name is not of this fleet.
    pub fn index_of(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.0)?.strip_prefix('-')?;
        let canonical = digits == "0" || (!digits.starts_with('0') && !digits.is_empty());
        if canonical && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    }

    /// The one deployment name of this fleet. Azure Resource Manager refuses a second deployment under a name that is
    /// still active, which is what keeps two deployers apart.
    pub fn deployment(&self) -> String {
        format!("mayfly-{}", self.0)
    }
}

impl FromStr for FleetName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fine = (1..=50).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--");
        if fine { Ok(Self(text.to_owned())) } else { Err(NameError::Fleet(text.to_owned())) }
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of an agent, which is also the name of its container group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AgentName(String);

impl AgentName {
    /// A name as a service gave it.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the same name to Azure, which ignores case.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl FromStr for AgentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fine =
            (1..=63).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if fine { Ok(Self(text.to_owned())) } else { Err(NameError::Agent(text.to_owned())) }
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fleet_names_are_what_a_container_group_name_may_start_with() {
        for good in ["mayfly", "a", "build-2", &"x".repeat(50)] {
            assert!(good.parse::<FleetName>().is_ok(), "{good}");
        }
        for bad in ["", "Mayfly", "2x", "-a", "a-", "a--b", "a_b", "a b", &"x".repeat(51)] {
            assert!(bad.parse::<FleetName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_index_is_read_back_only_from_a_name_of_the_fleet() {
        let fleet: FleetName = "mayfly".parse().unwrap();
        assert_eq!(fleet.index_of(fleet.agent(17).as_str()), Some(17));
        assert_eq!(fleet.index_of("mayfly-0"), Some(0));
        for other in ["mayfly", "mayfly-", "mayfly-01", "mayfly-x", "mayfly-1-2", "other-1", "mayfly-+1"] {
            assert_eq!(fleet.index_of(other), None, "{other}");
        }
    }
}
