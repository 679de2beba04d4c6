//! From the tree to the seed. Reads on after a fault, so that a file's faults are told at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use pipeline_yaml::{Condition, Fields, Found, Node, Plan, Position, Shell, Step, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Expiry, NewAgent, NewPipeline, NewToken, ParallelJobs, Placed, Seed, SeedJob};
use crate::state::requests::Limits;
use crate::wire::crypto::PublicKey;
use crate::wire::demand::Demand;
use crate::wire::job::Variable;
use crate::wire::scopes::Scopes;

/// The keys of the file.
const KEYS: &[&str] =
    &["organization", "parallelJobs", "pools", "personalAccessTokens", "agents", "pipelines", "jobs"];
/// What agents of a seed are that do not say it.
const VERSION: &str = "4.270.0";
/// Most entries of one list: a faulty program's file must not fill the memory.
const MOST: usize = 10_000;
/// Longest limit of a job, in minutes (azure-devops-yaml-schema: jobs-job.md).
const LONGEST: u32 = 35790;

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
        tokens: tokens(&file, found),
        agents: items(&file, "agents", found, agent),
        pipelines: items(&file, "pipelines", found, pipeline),
        jobs: items(&file, "jobs", found, |fields, found| Some(job(fields, found))),
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

fn tokens(file: &Fields<'_>, found: &mut Found) -> Vec<Placed<NewToken>> {
    let tokens = items(file, "personalAccessTokens", found, token);
    let (mut names, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for token in &tokens {
        if !names.insert(token.it.name.to_ascii_lowercase()) {
            let why = format!("has the name `{}` of an earlier token", token.it.name);
            found.add(token.at, &token.path, why);
        }
        let text = token.it.token.as_ref().map(|text| secrecy::ExposeSecret::expose_secret(text).to_owned());
        if text.is_some_and(|text| !texts.insert(text)) {
            found.add(token.at, &token.path, "has the text of an earlier token");
        }
    }
    tokens
}

fn token(fields: &Fields<'_>, found: &mut Found) -> Option<NewToken> {
    fields.only(&["name", "token", "scopes", "expires", "expiresIn"], found);
    let name = required(fields, "name", found)?;
    let places = fields.places("scopes", found);
    for (text, at) in &places {
        if let Err(error) = text.parse::<Scopes>() {
            found.add(*at, &fields.path("scopes"), format!("is refused: {error}"));
        }
    }
    let all = places.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
    let scopes = if places.is_empty() { Scopes::FULL } else { all.parse().unwrap_or(Scopes::NONE) };
    Some(NewToken {
        name,
        token: fields.text("token", found).map(Into::into),
        scopes,
        expires: expiry(fields, found),
    })
}

fn expiry(fields: &Fields<'_>, found: &mut Found) -> Expiry {
    let (at, after) = (fields.text("expires", found), fields.text("expiresIn", found));
    match (at, after) {
        (Some(_), Some(_)) => {
            fields.refuse("expiresIn", "is there beside `expires`; a token has one end", found);
            Expiry::Never
        }
        (Some(text), None) => text.parse::<Timestamp>().map_or_else(
            |_| {
                fields.refuse("expires", "is no time; write it like `2026-12-31T00:00:00Z`", found);
                Expiry::Never
            },
            Expiry::At,
        ),
        (None, Some(text)) => span(&text).map_or_else(
            || {
                fields.refuse(
                    "expiresIn",
                    "is no time span; write it like `90m`, `12h`, `30d` or `-1h`",
                    found,
                );
                Expiry::Never
            },
            Expiry::In,
        ),
        (None, None) => Expiry::Never,
    }
}

fn span(text: &str) -> Option<SignedDuration> {
    text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
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
    fields.only(&["name", "yaml", "file"], found);
    if fields.get("file").is_some() {
        fields.refuse(
            "file",
            "is not supported: a seed is sent as one text; put the file's text under `yaml`",
            found,
        );
        return None;
    }
    let (name, yaml) = (required(fields, "name", found)?, required(fields, "yaml", found)?);
    if let Err(faults) = Plan::parse(&yaml) {
        for fault in faults.0 {
            fields.refuse("yaml", &format!("holds a pipeline file that is wrong at {fault}"), found);
        }
    }
    Some(NewPipeline { name, yaml })
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

fn job(fields: &Fields<'_>, found: &mut Found) -> SeedJob {
    const KEYS: &[&str] = &[
        "name",
        "pool",
        "script",
        "steps",
        "demands",
        "variables",
        "timeoutInMinutes",
        "cancelTimeoutInMinutes",
    ];
    fields.only(KEYS, found);
    let steps = match (fields.get("script"), fields.get("steps")) {
        (Some(_), Some(_)) => {
            fields.refuse("script", "is there beside `steps`; put it among them", found);
            Vec::new()
        }
        (Some(_), None) => fields.text("script", found).map(script).into_iter().collect(),
        (None, Some(_)) => pipeline_yaml::steps(fields, found),
        (None, None) => {
            found.add(
                fields.at,
                &fields.path("steps"),
                "is missing, and so is `script`: the job has nothing to do",
            );
            Vec::new()
        }
    };
    let mut demands: Vec<Demand> = Vec::new();
    for (text, at) in fields.places("demands", found) {
        match text.parse() {
            Ok(demand) => demands.push(demand),
            Err::<_, crate::wire::demand::NotADemand>(error) => {
                found.add(at, &fields.path("demands"), format!("holds {error}"));
            }
        }
    }
    let limits = Limits {
        timeout: fields.number("timeoutInMinutes", 0..=LONGEST, 0, found),
        cancel_timeout: fields.number(
            "cancelTimeoutInMinutes",
            1..=LONGEST,
            Limits::default().cancel_timeout,
            found,
        ),
    };
    SeedJob {
        name: fields.text("name", found).unwrap_or_else(|| "Job".to_owned()),
        pool: fields.text("pool", found),
        steps,
        demands,
        variables: variables(fields, found),
        limits,
    }
}

fn script(script: String) -> Step {
    Step {
        shell: Shell::Script,
        script,
        name: None,
        display_name: None,
        env: BTreeMap::new(),
        working_directory: None,
        condition: Condition::default(),
        continue_on_error: false,
        timeout_in_minutes: 0,
        enabled: true,
    }
}

/// `variables: {name: value}`, or `{name: {value, isSecret}}`.
fn variables(owner: &Fields<'_>, found: &mut Found) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    let Some(entry) = owner.get("variables") else { return variables };
    let Some(fields) = Fields::of(&entry.value, &owner.path("variables"), found) else { return variables };
    for entry in fields.entries() {
        let variable = match &entry.value.value {
            Value::Text(text) => Some(Variable { value: text.clone(), is_secret: false }),
            Value::Null => Some(Variable { value: String::new(), is_secret: false }),
            _ => Fields::of(&entry.value, &fields.path(&entry.key), found).and_then(|inner| {
                inner.only(&["value", "isSecret"], found);
                let is_secret = inner.flag("isSecret", false, found);
                Some(Variable { value: required(&inner, "value", found)?, is_secret })
            }),
        };
        variables.extend(variable.map(|variable| (entry.key.clone(), variable)));
    }
    variables
}
