//! A mapping, read key by key.

use std::ops::RangeInclusive;

use crate::fault::{Found, Position};
use crate::yaml::{Entry, Node, Value};

/// A mapping and the way to it.
#[derive(Debug)]
pub struct Fields<'a> {
    entries: &'a [Entry],
    path: String,
    /// Where it begins.
    pub at: Position,
}

impl<'a> Fields<'a> {
    /// The mapping that a node must be.
    pub fn of(node: &'a Node, path: &str, found: &mut Found) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Self { entries, path: path.to_owned(), at: node.at }),
            other => {
                let kind = other.kind();
                let message = if path.is_empty() {
                    format!("the file is {kind}; it needs a mapping with `steps` or `jobs`")
                } else {
                    format!("is {kind}; it needs a mapping: `key: value`")
                };
                found.add(node.at, path, message);
                None
            }
        }
    }

    /// The way to a key.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// What is under a key.
    pub fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// All keys.
    pub fn entries(&self) -> &'a [Entry] {
        self.entries
    }

    /// Notes a fault with a key's value.
    pub fn refuse(&self, key: &str, why: &str, found: &mut Found) {
        // Where there is nothing, the library says where the next thing begins.
        let place =
            |entry: &Entry| if matches!(entry.value.value, Value::Null) { entry.at } else { entry.value.at };
        let at = self.get(key).map_or(self.at, place);
        found.add(at, &self.path(key), why);
    }

    /// Notes every key that is not supported here.
    pub fn only(&self, supported: &[&str], found: &mut Found) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if supported.contains(&key) {
                continue;
            }
            let message = match (supported.iter().find(|known| known.eq_ignore_ascii_case(key)), why(key)) {
                (Some(known), _) => format!("is not a key; it is written `{known}`"),
                (None, Some(why)) => format!("is not supported: {why}"),
                (None, None) => format!("is not supported here; supported: {}", supported.join(", ")),
            };
            found.add(entry.at, &self.path(key), message);
        }
    }

    /// Text that is not empty.
    pub fn text(&self, key: &str, found: &mut Found) -> Option<String> {
        let entry = self.get(key)?;
        match &entry.value.value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            Value::Text(_) | Value::Null => {
                self.refuse(key, "is empty", found);
                None
            }
            other => {
                self.refuse(key, &format!("is {}; it needs text", other.kind()), found);
                None
            }
        }
    }

    /// Text that may be empty, which is as if the key were not there: templates write `key: ${{ parameters.key }}`.
    pub fn optional(&self, key: &str, found: &mut Found) -> Option<String> {
        let entry = self.get(key)?;
        let empty = matches!(&entry.value.value, Value::Text(text) if text.is_empty());
        if empty { None } else { self.text(key, found) }
    }

    /// Text, or a list of texts, with their places.
    pub fn places(&self, key: &str, found: &mut Found) -> Vec<(String, Position)> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        let nodes = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let mut texts = Vec::new();
        for node in nodes {
            match &node.value {
                // As if it were not there: see `optional`.
                Value::Text(text) if text.is_empty() && nodes.len() == 1 => {}
                Value::Text(text) if !text.is_empty() => texts.push((text.clone(), node.at)),
                other => {
                    let message = format!("holds {}; it needs text or a list of texts", other.kind());
                    found.add(node.at, &self.path(key), message);
                }
            }
        }
        texts
    }

    /// A list under an entry.
    pub fn list(&self, entry: &'a Entry, found: &mut Found) -> Option<&'a [Node]> {
        if let Value::List(items) = &entry.value.value {
            return Some(items);
        }
        self.refuse(&entry.key, &format!("is {}; it needs a list", entry.value.value.kind()), found);
        None
    }

    /// A truth value in one of the words of Azure Pipelines (azure-devops-yaml-schema: boolean.md).
    pub fn flag(&self, key: &str, default: bool, found: &mut Found) -> bool {
        let Some(entry) = self.get(key) else { return default };
        let word = if let Value::Text(text) = &entry.value.value {
            text.to_ascii_lowercase()
        } else {
            String::new()
        };
        match word.as_str() {
            "true" | "y" | "yes" | "on" => true,
            "false" | "n" | "no" | "off" => false,
            _ => {
                self.refuse(key, "is neither true nor false; a variable cannot stand here", found);
                default
            }
        }
    }

    /// A whole number.
    pub fn number(&self, key: &str, range: RangeInclusive<u32>, default: u32, found: &mut Found) -> u32 {
        let Some(entry) = self.get(key) else { return default };
        let number = match &entry.value.value {
            Value::Text(text) => text.parse().ok().filter(|number| range.contains(number)),
            _ => None,
        };
        number.unwrap_or_else(|| {
            let (from, to) = range.into_inner();
            self.refuse(
                key,
                &format!("is no whole number from {from} to {to}; a variable cannot stand here"),
                found,
            );
            default
        })
    }
}

/// Why a key that Azure Pipelines has is not there, and what to do instead.
fn why(key: &str) -> Option<&'static str> {
    Some(match key {
        "template" => "a template is named in an item of `jobs`, `steps` or `variables`, or under `extends`",
        "extends" => "only the file as a whole can extend a template",
        "task" => "only scripts run here; call the tool from `script`, `bash`, `pwsh` or `powershell`",
        "inputs" => "it belongs to `task`",
        "stages" | "stage" => "there are no stages; put the jobs of one stage under `jobs`",
        "deployment" | "environment" => "there are no deployment jobs; write a `job`",
        "resources" | "uses" => "there are no repositories, containers or other pipelines to refer to",
        "schedules" => "runs are queued by hand, nothing else starts them",
        "vmImage" => "there are no Microsoft-hosted agents; name a pool instead: `name: Default`",
        "container" | "services" | "target" => {
            "a job runs in the agent's own container; build the image to suit"
        }
        "workspace" => "every job starts in a new container, there is nothing to clean",
        "download" | "downloadBuild" | "publish" | "getPackage" => "there are no artifacts",
        _ => return None,
    })
}
