//! Demands of a job, matched against an agent's capabilities.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One demand; on the wire always text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Demand {
    /// The capability is there.
    Exists(String),
    /// It has this value, in any case.
    Equals(String, String),
    /// It is at least this version.
    AtLeast(String, String),
}

/// Text that is no demand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a demand; supported: `name`, `name -equals value`, `name -gtVersion version`")]
pub(crate) struct NotADemand(String);

impl FromStr for Demand {
    type Err = NotADemand;

    fn from_str(text: &str) -> Result<Self, NotADemand> {
        let refuse = || NotADemand(text.to_owned());
        let text = text.trim();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if name.is_empty() || name.starts_with('-') {
            return Err(refuse());
        }
        let rest = rest.trim();
        if rest.is_empty() {
            return Ok(Self::Exists(name.to_owned()));
        }
        let (operator, value) = rest.split_once(char::is_whitespace).ok_or_else(refuse)?;
        let value = value.trim().to_owned();
        match operator {
            "-equals" => Ok(Self::Equals(name.to_owned(), value)),
            "-gtVersion" if version(&value).is_some() => Ok(Self::AtLeast(name.to_owned(), value)),
            _ => Err(refuse()),
        }
    }
}

impl TryFrom<String> for Demand {
    type Error = NotADemand;

    fn try_from(text: String) -> Result<Self, NotADemand> {
        text.parse()
    }
}

impl From<Demand> for String {
    fn from(demand: Demand) -> Self {
        demand.to_string()
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => f.write_str(name),
            Self::Equals(name, value) => write!(f, "{name} -equals {value}"),
            Self::AtLeast(name, value) => write!(f, "{name} -gtVersion {value}"),
        }
    }
}

impl Demand {
    /// Whether one of the capabilities, names and values, meets the demand. Names match in any case.
    pub(crate) fn met_by<'a>(&self, capabilities: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let (Self::Exists(name) | Self::Equals(name, _) | Self::AtLeast(name, _)) = self;
        let mut values =
            capabilities.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match self {
            Self::Exists(_) => values.next().is_some(),
            Self::Equals(_, wanted) => values.any(|value| value.eq_ignore_ascii_case(wanted)),
            Self::AtLeast(_, wanted) => values.any(|value| version(value) >= version(wanted)),
        }
    }
}

/// What every job demands beside its own: the service puts it there (kedacore/keda: azure_pipelines_scaler.go leaves it out of
/// its comparison for that).
pub(crate) fn minimum_agent() -> Demand {
    Demand::AtLeast(AGENT_VERSION.to_owned(), "2.163.1".to_owned())
}

/// The capability that holds an agent's version.
pub(crate) const AGENT_VERSION: &str = "Agent.Version";

/// The parts of a version; zeros at its end say nothing.
fn version(text: &str) -> Option<Vec<u64>> {
    let mut parts: Vec<_> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_matched_as_the_service_documents_them() {
        let held = [("Agent.Version", "4.270.0"), ("java", "/usr/bin/java"), ("Size", "Large")];
        let check = |text: &str| text.parse::<Demand>().unwrap().met_by(held.into_iter());
        assert!(check("java"));
        assert!(check("JAVA"));
        assert!(!check("dotnet"));
        assert!(check("size -equals large"));
        assert!(!check("size -equals small"));
        assert!(check("Agent.Version -gtVersion 2.182.1"));
        assert!(check("Agent.Version -gtVersion 4.270"), "the version itself is enough");
        assert!(!check("Agent.Version -gtVersion 5.0"));
        assert!(!check("java -gtVersion 0"), "a path is no version");
        assert!(minimum_agent().met_by(held.into_iter()));
        for bad in ["", "-equals x", "java -equals", "java -like x", "Agent.Version -gtVersion new"] {
            assert!(bad.parse::<Demand>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_a_demand_gives_it_back(name in "[a-z][a-z.]{0,8}", value in "[a-z0-9]{1,8}( [a-z]{1,3})?") {
            let versions = Demand::AtLeast(name.clone(), "4.270.0".to_owned());
            for demand in [Demand::Exists(name.clone()), Demand::Equals(name.clone(), value.clone()), versions] {
                proptest::prop_assert_eq!(&demand.to_string().parse::<Demand>().unwrap(), &demand);
            }
        }
    }
}
