//! A job: its strategy, limits, conditions and steps.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::variables::{self, Variables};
use super::{MOST_JOBS, Places, pool, step};
use crate::condition::Condition;
use crate::fault::{Found, Position};
use crate::plan::{Copies, Job, ONLY_JOB, Phase, Pool, UNNAMED};
use crate::yaml::Value;

/// Keys of a job.
pub(super) const KEYS: &[&str] = &[
    "job",
    "displayName",
    "dependsOn",
    "condition",
    "continueOnError",
    "timeoutInMinutes",
    "cancelTimeoutInMinutes",
    "variables",
    "strategy",
    "pool",
    "steps",
    // For the template that the job is given to; it changes nothing here.
    "templateContext",
];

/// Defaults and limits (azure-devops-docs: phases.md, "Timeouts").
const TIMEOUT: u32 = 60;
const CANCEL_TIMEOUT: u32 = 5;
const LONGEST: u32 = 35790;
/// Longest name of a job or leg (the service's `PipelineConstants.MaxNodeNameLength`).
const LONGEST_NAME: usize = 100;

/// What the file says for all jobs.
pub(super) struct Defaults {
    pub(super) pool: Option<Pool>,
    pub(super) variables: Variables,
}

/// What a job is called, and where.
pub(super) struct Names {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) path: String,
}

/// The job that a mapping describes.
pub(super) fn read(
    fields: &Fields<'_>,
    Names { name, at, path }: Names,
    defaults: &Defaults,
    found: &mut Found,
) -> (Phase, Places) {
    // The single job of a file has no keys of its own for these; there they are the file's.
    let own = !path.is_empty();
    let display_name = if own { fields.optional("displayName", found) } else { None };
    let display_name = display_name.unwrap_or_else(|| name.clone());
    let pool = if own { pool(fields, found) } else { None }.or_else(|| defaults.pool.clone());
    let variables = if own { variables::read(fields, found) } else { Variables::default() };
    let variables = variables::over(&defaults.variables, &variables);
    let (depends_on, depends_at) = fields.places("dependsOn", found).into_iter().unzip();
    let (jobs, max_parallel) = strategy(fields, &display_name, &variables, found);
    let steps = step::steps(fields, found);
    let condition_at = fields.get("condition").map_or(at, |entry| entry.value.at);
    let phase = Phase {
        depends_on,
        condition: condition(fields, own, found),
        continue_on_error: fields.flag("continueOnError", false, found),
        timeout_in_minutes: fields.number("timeoutInMinutes", 0..=LONGEST, TIMEOUT, found),
        cancel_timeout_in_minutes: fields.number(
            "cancelTimeoutInMinutes",
            1..=LONGEST,
            CANCEL_TIMEOUT,
            found,
        ),
        max_parallel,
        pool: pool.unwrap_or_default(),
        steps,
        jobs,
        name,
        display_name,
    };
    (phase, Places { path, name: at, depends_on: depends_at, condition: condition_at })
}

/// The condition of a job or step.
pub(super) fn condition(fields: &Fields<'_>, names_allowed: bool, found: &mut Found) -> Condition {
    let text = fields.optional("condition", found).unwrap_or_default();
    Condition::parse(&text, names_allowed).unwrap_or_else(|why| {
        fields.refuse("condition", &why, found);
        Condition::default()
    })
}

/// Letters, digits and underscores, no digit first, at most 100 (azure-devops-yaml-schema: jobs-job.md).
pub(super) fn check_name(name: &str, at: Position, path: &str, found: &mut Found) {
    if let Some(why) = name_fault(name) {
        found.add(at, path, format!("is `{name}`; {why}"));
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    if name.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        Some("a name begins with a letter or `_`")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Some("a name has only letters (A-Z, a-z), digits and `_`; use `displayName` for people")
    } else if name.len() > LONGEST_NAME {
        Some("a name has at most 100 characters")
    } else {
        None
    }
}

/// The jobs that a strategy makes, and how many may run at once.
fn strategy(
    fields: &Fields<'_>,
    display_name: &str,
    variables: &Variables,
    found: &mut Found,
) -> (Vec<Job>, u32) {
    let only = || Job {
        name: ONLY_JOB.to_owned(),
        display_name: display_name.to_owned(),
        position: 1,
        total: 1,
        copies: None,
        variables: variables.named.clone(),
        groups: variables.groups.clone(),
    };
    let Some(entry) = fields.get("strategy") else { return (vec![only()], 0) };
    let Some(strategy) = Fields::of(&entry.value, &fields.path("strategy"), found) else {
        return (vec![only()], 0);
    };
    let keys = ["matrix", "parallel", "maxParallel"];
    strategy.only(&keys, found);
    let max_parallel = strategy.number("maxParallel", 0..=LONGEST, 0, found);
    let copy =
        |name: String, shown: &str, (position, total): (usize, usize), copies, variables: Variables| Job {
            name,
            display_name: format!("{display_name} {shown}"),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            total: u32::try_from(total).unwrap_or(u32::MAX),
            copies: Some(copies),
            variables: variables.named,
            groups: variables.groups,
        };
    let jobs = match (strategy.get("matrix"), strategy.get("parallel")) {
        (Some(_), Some(_)) => {
            found.add(
                strategy.at,
                &fields.path("strategy"),
                "has both `matrix` and `parallel`; it can have one",
            );
            Vec::new()
        }
        (None, None) => {
            // A key in another case has been named already.
            if !strategy.entries().iter().any(|entry| {
                keys.iter().any(|key| key.eq_ignore_ascii_case(&entry.key) && *key != "maxParallel")
            }) {
                found.add(strategy.at, &fields.path("strategy"), "needs `matrix` or `parallel`");
            }
            Vec::new()
        }
        (Some(_), None) => {
            let legs = matrix(&strategy, found);
            let total = legs.len();
            let leg = |(index, (name, own)): (usize, (String, Variables))| {
                let shown = name.clone();
                let all = variables::over(variables, &own);
                copy(name, &shown, (index + 1, total), Copies::MultiConfiguration, all)
            };
            legs.into_iter().enumerate().map(leg).collect()
        }
        (None, Some(_)) => {
            if strategy.get("maxParallel").is_some() {
                strategy.refuse("maxParallel", "goes with `matrix` only", found);
            }
            let most = u32::try_from(MOST_JOBS).unwrap_or(u32::MAX);
            let total = strategy.number("parallel", 1..=most, 1, found);
            // One slice is no slice; more are called Job1, Job2, … by the service.
            let slice = |number: u32| {
                let place = (number as usize, total as usize);
                let name = format!("{UNNAMED}{number}");
                copy(name, &number.to_string(), place, Copies::MultiMachine, variables.clone())
            };
            if total > 1 { (1..=total).map(slice).collect() } else { Vec::new() }
        }
    };
    (if jobs.is_empty() { vec![only()] } else { jobs }, max_parallel)
}

/// The legs of a matrix in the order of the file.
fn matrix(strategy: &Fields<'_>, found: &mut Found) -> Vec<(String, Variables)> {
    let Some(entry) = strategy.get("matrix") else { return Vec::new() };
    let path = strategy.path("matrix");
    if matches!(&entry.value.value, Value::Text(text) if text.trim_start().starts_with("$[")) {
        found.add(
            entry.value.at,
            &path,
            "is a runtime expression (`$[ ]`), which is not supported; write the legs out",
        );
        return Vec::new();
    }
    if matches!(entry.value.value, Value::Null) {
        found.add(entry.at, &path, "is empty; it needs at least one leg: `NAME: {variable: value}`");
        return Vec::new();
    }
    let Some(legs) = Fields::of(&entry.value, &path, found) else { return Vec::new() };
    if legs.entries().is_empty() {
        found.add(entry.at, &path, "is empty; it needs at least one leg: `NAME: {variable: value}`");
    }
    let mut seen = BTreeMap::new();
    let mut read = Vec::new();
    for leg in legs.entries() {
        let path = legs.path(&leg.key);
        if !leg.key.starts_with(|first: char| first.is_ascii_alphabetic()) || name_fault(&leg.key).is_some() {
            let why =
                "is no name of a leg; it begins with a letter and has at most 100 letters, digits and `_`";
            found.add(leg.at, &path, why);
        }
        if let Some(line) = seen.insert(leg.key.to_ascii_lowercase(), leg.at.line) {
            found.add(
                leg.at,
                &path,
                format!("is the name of the leg in line {line} too; case does not tell names apart"),
            );
        }
        let mut variables = Variables::default();
        if !matches!(leg.value.value, Value::Null)
            && let Some(fields) = Fields::of(&leg.value, &path, found)
        {
            variables::mapping(&fields, &mut variables, found);
        }
        read.push((leg.key.clone(), variables));
    }
    read
}
