//! Steps.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Fields;
use super::{job, variables};
use crate::fault::Found;
use crate::plan::{Shell, Step};
use crate::yaml::{Node, Value};

const SHELLS: [(&str, Shell); 4] = [
    ("script", Shell::Script),
    ("bash", Shell::Bash),
    ("pwsh", Shell::Pwsh),
    ("powershell", Shell::PowerShell),
];

const KEYS: &[&str] = &[
    "script",
    "bash",
    "pwsh",
    "powershell",
    "checkout",
    "displayName",
    "name",
    "env",
    "workingDirectory",
    "condition",
    "continueOnError",
    "timeoutInMinutes",
    "enabled",
];

/// Longest limit of a step, in minutes; that of a job.
const LONGEST: u32 = 35790;

/// The steps of a job: what is under `steps`, as in a pipeline file.
pub fn steps(owner: &Fields<'_>, found: &mut Found) -> Vec<Step> {
    let path = owner.path("steps");
    let Some(entry) = owner.get("steps") else {
        found.add(owner.at, &path, "is missing: the job has nothing to do");
        return Vec::new();
    };
    let before = found.count();
    let nodes = owner.list(entry, found).unwrap_or_default();
    let mut steps = Vec::new();
    let mut names = BTreeSet::new();
    for (index, node) in nodes.iter().enumerate() {
        if found.leaves_out(node.at) {
            continue;
        }
        let path = format!("{path}[{index}]");
        let Some(step) = read(node, &path, found) else { continue };
        if let Some(name) = &step.name
            && !names.insert(name.to_ascii_lowercase())
        {
            let message = format!("is `{name}`, the name of an earlier step of this job");
            found.add(node.at, &format!("{path}.name"), message);
        }
        steps.push(step);
    }
    if steps.is_empty() && found.count() == before && found.is_whole() {
        found.add(entry.at, &path, "has no step that runs anything: there is nothing to do");
    }
    steps
}

/// One step; `None` for `checkout: none` and for what cannot be run.
fn read(node: &Node, path: &str, found: &mut Found) -> Option<Step> {
    let fields = Fields::of(node, path, found)?;
    fields.only(KEYS, found);
    if fields.get("checkout").is_some() {
        checkout(&fields, found);
        return None;
    }
    let kinds: Vec<_> = SHELLS.iter().filter(|(key, _)| fields.get(key).is_some()).collect();
    let (key, shell) = match kinds.as_slice() {
        [one] => **one,
        [] => {
            // A step of another kind has been refused by its key.
            if fields.entries().iter().all(|entry| KEYS.contains(&entry.key.as_str())) {
                found.add(node.at, path, "runs nothing; it needs `script`, `bash`, `pwsh` or `powershell`");
            }
            return None;
        }
        [first, second, ..] => {
            let message = format!("has both `{}` and `{}`; a step runs one script", first.0, second.0);
            found.add(node.at, path, message);
            return None;
        }
    };
    let name = fields.optional("name", found);
    if let Some(name) = &name
        && !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        fields.refuse(
            "name",
            &format!("is `{name}`; a step's name has only letters, digits, `-` and `_`"),
            found,
        );
    }
    Some(Step {
        shell,
        script: fields.text(key, found).unwrap_or_default(),
        name,
        display_name: fields.optional("displayName", found),
        env: env(&fields, found),
        working_directory: fields.optional("workingDirectory", found),
        condition: job::condition(&fields, false, found),
        continue_on_error: fields.flag("continueOnError", false, found),
        timeout_in_minutes: fields.number("timeoutInMinutes", 0..=LONGEST, 0, found),
        enabled: fields.flag("enabled", true, found),
    })
}

/// `checkout: none` is what happens here anyway.
fn checkout(fields: &Fields<'_>, found: &mut Found) {
    match fields.text("checkout", found).as_deref() {
        Some("none") | None => {}
        Some("self") => fields.refuse(
            "checkout",
            "is `self`, but there is no repository to check out; leave it out or write `checkout: none`, and fetch what \
             the job needs in a script",
            found,
        ),
        Some(other) => {
            fields.refuse("checkout", &format!("is `{other}`; there are no repositories, it can only be `none`"), found);
        }
    }
    for entry in
        fields.entries().iter().filter(|entry| entry.key != "checkout" && KEYS.contains(&entry.key.as_str()))
    {
        found.add(entry.at, &fields.path(&entry.key), "has no meaning beside `checkout: none`");
    }
}

fn env(step: &Fields<'_>, found: &mut Found) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let Some(entry) = step.get("env") else { return env };
    if matches!(entry.value.value, Value::Null) {
        return env;
    }
    let Some(fields) = Fields::of(&entry.value, &step.path("env"), found) else { return env };
    for entry in fields.entries() {
        let path = fields.path(&entry.key);
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
            found.add(entry.at, &path, "is no name of an environment variable");
        } else if let Some(text) = variables::text(&entry.value, &path, found) {
            env.insert(entry.key.clone(), text);
        }
    }
    env
}
