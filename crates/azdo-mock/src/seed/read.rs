//! From the tree to the seed. Reads on after a fault, so that a file's faults are told at once.

mod job;
mod token;

use std::collections::BTreeMap;

use pipeline_yaml::{Fields, Found, Inputs, Node, Plan, Position, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{NewAgent, NewPipeline, ParallelJobs, Placed, Seed};
use crate::state::definitions::file_path;
use crate::wire::crypto::PublicKey;

/// The keys of a seed file that are Azure DevOps', at its top.
pub const KEYS: &[&str] =
    &["organization", "parallelJobs", "pools", "personalAccessTokens", "agents", "pipelines", "jobs"];
/// What agents of a seed are that do not say it.
const VERSION: &str = "4.270.0";
/// Most entries of one list: a faulty program's file must not fill the memory.
const MOST: usize = 10_000;

/// The keys of the file, in a sentence.
pub(super) fn listed() -> String {
    KEYS.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The file as a whole.
pub(super) fn seed(root: &Node, found: &mut Found) -> Option<Seed> {
    let file = Fields::of(root, "", found)?;
    if file.entries().is_empty() {
        found.add(root.at, "", format!("the file is empty; it needs one or more of {}", listed()));
    }
    file.only(KEYS, found);
    let organization = file.get("organization").and_then(|entry| {
        let name = file.text("organization", found)?;
        Some(Placed { at: entry.value.at, path: "organization".to_owned(), it: name })
    });
    Some(Seed {
        organization,
        parallel_jobs: parallel_jobs(&file, found),
        pools: pools(&file, found),
        tokens: token::all(&file, found),
        agents: items(&file, "agents", found, agent),
        pipelines: items(&file, "pipelines", found, pipeline),
        jobs: items(&file, "jobs", found, |fields, found| Some(job::one(fields, found))),
    })
}

fn parallel_jobs(file: &Fields<'_>, found: &mut Found) -> Option<ParallelJobs> {
    let entry = file.get("parallelJobs")?;
    let number = |text: &String| text.parse().ok().map(ParallelJobs::AtMost);
    let read = match &entry.value.value {
        Value::Text(text) if text == "unlimited" => Some(ParallelJobs::Unlimited),
        Value::Text(text) => number(text),
        _ => None,
    };
    if read.is_none() {
        file.refuse("parallelJobs", "is neither a whole number from 0 on nor `unlimited`", found);
    }
    read
}

/// The items of a list, each with its place.
fn items<T>(
    file: &Fields<'_>,
    key: &str,
    found: &mut Found,
    read: fn(&Fields<'_>, &mut Found) -> Option<T>,
) -> Vec<Placed<T>> {
    let mut all = Vec::new();
    for (index, node) in list(file, key, found).iter().enumerate() {
        let path = format!("{}[{index}]", file.path(key));
        let Some(fields) = Fields::of(node, &path, found) else { continue };
        all.extend(read(&fields, found).map(|it| Placed { at: node.at, path, it }));
    }
    all
}

fn list<'a>(file: &Fields<'a>, key: &str, found: &mut Found) -> &'a [Node] {
    let Some(entry) = file.get(key) else { return &[] };
    let nodes = file.list(entry, found).unwrap_or_default();
    if nodes.len() > MOST {
        file.refuse(key, &format!("has {} entries; the most is {MOST}", nodes.len()), found);
        return &[];
    }
    nodes
}

/// `pools: [Linux]` or `pools: [{name: Linux}]`.
fn pools(file: &Fields<'_>, found: &mut Found) -> Vec<Placed<String>> {
    let mut pools: Vec<Placed<String>> = Vec::new();
    for (index, node) in list(file, "pools", found).iter().enumerate() {
        let path = format!("pools[{index}]");
        let name = if let Value::Text(name) = &node.value {
            Some(name.clone())
        } else {
            Fields::of(node, &path, found).and_then(|fields| {
                fields.only(&["name"], found);
                required(&fields, "name", found)
            })
        };
        let Some(name) = name else { continue };
        if name.trim().is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            found.add(node.at, &path, "is no pool name: it has 1 to 128 characters, none of them a control");
        } else if pools.iter().any(|known| known.it.eq_ignore_ascii_case(&name)) {
            found.add(node.at, &path, format!("names the pool `{name}` a second time"));
        } else {
            pools.push(Placed { at: node.at, path, it: name });
        }
    }
    pools
}

fn required(fields: &Fields<'_>, key: &str, found: &mut Found) -> Option<String> {
    if fields.get(key).is_none() {
        found.add(fields.at, &fields.path(key), "is missing");
    }
    fields.text(key, found)
}

fn agent(fields: &Fields<'_>, found: &mut Found) -> Option<NewAgent> {
    const KEYS: &[&str] = &[
        "name",
        "pool",
        "enabled",
        "version",
        "osDescription",
        "maxParallelism",
        "systemCapabilities",
        "userCapabilities",
        "publicKey",
    ];
    fields.only(KEYS, found);
    let name = required(fields, "name", found)?;
    let version = fields.text("version", found).unwrap_or_else(|| VERSION.to_owned());
    let mut system_capabilities = texts(fields, "systemCapabilities", found);
    // What every agent says of itself (azure-pipelines-agent: CapabilitiesManager.cs).
    for (capability, value) in [("Agent.Name", &name), ("Agent.Version", &version)] {
        system_capabilities.entry(capability.to_owned()).or_insert_with(|| value.clone());
    }
    Some(NewAgent {
        pool: fields.text("pool", found),
        enabled: fields.flag("enabled", true, found),
        os_description: fields.text("osDescription", found).unwrap_or_default(),
        max_parallelism: i32::try_from(fields.number("maxParallelism", 1..=100, 1, found)).unwrap_or(1),
        user_capabilities: texts(fields, "userCapabilities", found),
        public_key: fields
            .get("publicKey")
            .and_then(|entry| public_key(&entry.value, &fields.path("publicKey"), found)),
        name,
        version,
        system_capabilities,
    })
}

/// A definition and the text of its file. What is wrong with that text is told here already: nobody wants to find it when a
/// run is queued.
fn pipeline(fields: &Fields<'_>, found: &mut Found) -> Option<NewPipeline> {
    fields.only(&["name", "yaml", "file", "templates"], found);
    if fields.get("file").is_some() {
        fields.refuse(
            "file",
            "is not supported: a seed is sent as one text; put the file's text under `yaml`",
            found,
        );
        return None;
    }
    let (name, yaml) = (required(fields, "name", found)?, required(fields, "yaml", found)?);
    let templates = texts(fields, "templates", found).into_iter();
    let templates: BTreeMap<_, _> = templates.map(|(path, text)| (file_path(&path), text)).collect();
    let inputs = Inputs {
        path: file_path(&format!("{name}.yml")),
        templates: Some(&|path| templates.get(path).cloned()),
        ..Inputs::default()
    };
    if let Err(faults) = Plan::read(&yaml, &inputs) {
        for fault in faults.0 {
            fields.refuse("yaml", &format!("holds a pipeline file that is wrong at {fault}"), found);
        }
    }
    Some(NewPipeline { name, yaml, templates })
}

fn public_key(node: &Node, path: &str, found: &mut Found) -> Option<PublicKey> {
    let fields = Fields::of(node, path, found)?;
    fields.only(&["modulus", "exponent"], found);
    let (modulus, exponent) = (required(&fields, "modulus", found)?, required(&fields, "exponent", found)?);
    let key = json!({"modulus": modulus, "exponent": exponent});
    reported(serde_json::from_value(key), node.at, path, found)
}

fn reported<T: DeserializeOwned>(
    read: Result<T, serde_json::Error>,
    at: Position,
    path: &str,
    found: &mut Found,
) -> Option<T> {
    read.map_err(|error| found.add(at, path, format!("is not usable: {error}"))).ok()
}

/// A mapping of texts; an empty value is an empty text.
fn texts(owner: &Fields<'_>, key: &str, found: &mut Found) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let Some(entry) = owner.get(key) else { return texts };
    let Some(fields) = Fields::of(&entry.value, &owner.path(key), found) else { return texts };
    for entry in fields.entries() {
        match &entry.value.value {
            Value::Text(text) => drop(texts.insert(entry.key.clone(), text.clone())),
            Value::Null => drop(texts.insert(entry.key.clone(), String::new())),
            other => fields.refuse(&entry.key, &format!("is {}; it needs text", other.kind()), found),
        }
    }
    texts
}
