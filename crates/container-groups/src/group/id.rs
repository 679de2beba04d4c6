//! The id of a container group.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::GroupError;

/// The full resource id of a container group. Compared case-insensitively; keeps the casing it was given.
#[derive(Clone)]
pub struct GroupId {
    text: String,
    key: String,
}

impl GroupId {
    /// Parses `/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ContainerInstance/containerGroups/{name}`.
    pub fn parse(text: &str) -> Result<Self, GroupError> {
        let parts: Vec<&str> = text.split('/').collect();
        let fixed =
            |index: usize, word: &str| parts.get(index).is_some_and(|part| part.eq_ignore_ascii_case(word));
        let filled = |index: usize| parts.get(index).is_some_and(|part| !part.is_empty());
        let whole = parts.len() == 9
            && fixed(0, "")
            && fixed(1, "subscriptions")
            && filled(2)
            && fixed(3, "resourceGroups")
            && filled(4)
            && fixed(5, "providers")
            && fixed(6, "Microsoft.ContainerInstance")
            && fixed(7, "containerGroups")
            && filled(8);
        if !whole {
            return Err(GroupError::new(
                400,
                "InvalidResourceId",
                format!("The resource id '{text}' is not the id of a container group."),
            ));
        }
        Ok(Self { text: text.to_owned(), key: text.to_ascii_lowercase() })
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id in lower case: what two equal ids have in common.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name of the group, the id's last segment.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The name of the resource group.
    pub fn resource_group(&self) -> &str {
        self.text.split('/').nth(4).unwrap_or_default()
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for GroupId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for GroupId {}

impl PartialOrd for GroupId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for GroupId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}
