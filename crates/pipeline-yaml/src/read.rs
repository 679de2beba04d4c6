//! From the tree to the plan. Reads on after a fault, so that a file's faults are told at once.

mod fields;
mod job;
mod step;
mod variables;

use crate::fault::{Found, Position};
use crate::plan::{Phase, Plan, Pool, UNNAMED};
use crate::yaml::{Node, Value};
pub use fields::Fields;
use job::Defaults;
pub use step::steps;

/// Most jobs of a run. The service expands no phase to more either.
const MOST_JOBS: usize = 256;

/// Where a phase's names are, for what is checked over all phases.
#[derive(Debug)]
pub(crate) struct Places {
    /// `jobs[0]`.
    pub(crate) path: String,
    pub(crate) name: Position,
    /// As in the phase's `depends_on`.
    pub(crate) depends_on: Vec<Position>,
    pub(crate) condition: Position,
}

/// The file as a whole.
pub(crate) fn pipeline(root: &Node, found: &mut Found) -> Option<(Plan, Vec<Places>)> {
    let file = Fields::of(root, "", found)?;
    let single = file.get("steps").is_some();
    let both = ["name", "trigger", "pr", "pool", "variables"];
    let own: &[&str] = if single { &["steps", "strategy", "continueOnError"] } else { &["jobs"] };
    file.only(&[own, &both].concat(), found);
    not_triggered(&file, "trigger", found);
    not_triggered(&file, "pr", found);
    let name = file.text("name", found);
    if name.as_deref().is_some_and(|name| name.contains("$(")) {
        file.refuse("name", "is a build number format, which is not supported; write a plain name", found);
    }
    let defaults = Defaults { pool: pool(&file, found), variables: variables::read(&file, found) };
    let (phases, places) = if single {
        let names = job::Names { name: UNNAMED.to_owned(), at: file.at, path: String::new() };
        let (phase, places) = job::read(&file, names, &defaults, found);
        (vec![phase], vec![places])
    } else {
        jobs(&file, &defaults, found)?
    };
    let total: usize = phases.iter().map(|phase: &Phase| phase.jobs.len()).sum();
    if total > MOST_JOBS {
        found.add(file.at, "", format!("the file stands for {total} jobs; the most is {MOST_JOBS}"));
        return None;
    }
    Some((Plan { name, phases }, places))
}

fn jobs(file: &Fields<'_>, defaults: &Defaults, found: &mut Found) -> Option<(Vec<Phase>, Vec<Places>)> {
    let Some(entry) = file.get("jobs") else {
        found.add(file.at, "", "the file has neither `steps` nor `jobs`: there is nothing to run");
        return None;
    };
    let list = file.list(entry, found)?;
    if list.is_empty() {
        found.add(entry.at, "jobs", "is empty: there is nothing to run");
    }
    let mut read = Vec::new();
    for (index, node) in list.iter().enumerate() {
        if found.leaves_out(node.at) {
            continue;
        }
        let path = format!("jobs[{index}]");
        let Some(fields) = Fields::of(node, &path, found) else { continue };
        fields.only(job::KEYS, found);
        let Some(name) = fields.text("job", found) else {
            found.add(fields.at, &path, "has no name; begin it with `- job: NAME`");
            continue;
        };
        let at = fields.get("job").map_or(fields.at, |entry| entry.value.at);
        job::check_name(&name, at, &fields.path("job"), found);
        read.push(job::read(&fields, job::Names { name, at, path }, defaults, found));
    }
    Some(read.into_iter().unzip())
}

/// `trigger` and `pr` say nothing about a run that is queued by hand, so only `none` can be kept.
fn not_triggered(file: &Fields<'_>, key: &str, found: &mut Found) {
    let Some(entry) = file.get(key) else { return };
    let is_none = |node: &Node| matches!(&node.value, Value::Text(text) if text == "none");
    let none = match &entry.value.value {
        Value::List(items) => items.len() == 1 && items.iter().all(is_none),
        _ => is_none(&entry.value),
    };
    if !none {
        file.refuse(key, "can only be `none`: runs are queued by hand, nothing else starts them", found);
    }
}

/// `pool: name` or `pool: {name, demands}`.
fn pool(owner: &Fields<'_>, found: &mut Found) -> Option<Pool> {
    let entry = owner.get("pool")?;
    let pool = if let Value::Text(name) = &entry.value.value {
        if name == "server" {
            let why = "is `server`: agentless jobs are not supported, a job needs an agent";
            owner.refuse("pool", why, found);
        }
        Pool { name: Some(name.clone()), demands: Vec::new() }
    } else {
        let fields = Fields::of(&entry.value, &owner.path("pool"), found)?;
        fields.only(&["name", "demands"], found);
        let demands = fields.places("demands", found);
        for (text, at) in demands.iter().filter(|(text, _)| !is_demand(text)) {
            let message = format!(
                "holds `{text}`; a demand is `name`, `name -equals value` or `name -gtVersion version`"
            );
            found.add(*at, &fields.path("demands"), message);
        }
        Pool {
            name: fields.text("name", found),
            demands: demands.into_iter().map(|(text, _)| text).collect(),
        }
    };
    for text in pool.name.iter().chain(&pool.demands).filter(|text| text.contains("$(")) {
        let why = format!("holds `{text}`; variables are not replaced here, write the value");
        owner.refuse("pool", &why, found);
    }
    Some(pool)
}

/// `name`, `name -equals value`, `name -gtVersion version` (azure-devops-docs: demands.md).
fn is_demand(text: &str) -> bool {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [name] => !name.starts_with('-'),
        [name, "-equals", _, ..] => !name.starts_with('-'),
        [name, "-gtVersion", version] => {
            !name.starts_with('-') && version.split('.').all(|part| part.parse::<u64>().is_ok())
        }
        _ => false,
    }
}
