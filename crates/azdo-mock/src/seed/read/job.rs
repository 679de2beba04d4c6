//! Jobs.

use std::collections::BTreeMap;

use pipeline_yaml::{Condition, Fields, Found, Shell, Step, Value};

use super::super::SeedJob;
use super::required;
use crate::state::requests::Limits;
use crate::wire::demand::Demand;
use crate::wire::job::Variable;

/// Longest limit of a job, in minutes (azure-devops-yaml-schema: jobs-job.md).
const LONGEST: u32 = 35790;

/// A job of one script, or of steps.
pub(super) fn one(fields: &Fields<'_>, found: &mut Found) -> SeedJob {
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
