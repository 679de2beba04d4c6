//! What people set for the project as a whole.
//!
//! Source: azure-devops (PyPI): build/models.py (`PipelineGeneralSettings`, `ProjectRetentionSetting`); azure-devops-docs:
//! pipelines/security/inputs.md (variables that are set when queueing).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::build_refusal::BuildRefusal;
use super::definitions::Definition;
use super::runs::Order;
use super::{Document, State};

/// The setting that lets only those variables be set that the definition allows.
pub(crate) const ENFORCE_SETTABLE: &str = "enforceSettableVar";

/// General settings, and what they are until somebody changes them. [`ENFORCE_SETTABLE`] has an effect; the others are kept.
pub(crate) const GENERAL: &[(&str, bool)] = &[
    ("auditEnforceSettableVar", false),
    ("disableClassicPipelineCreation", true),
    ("enforceJobAuthScope", true),
    ("enforceJobAuthScopeForReleases", true),
    ("enforceReferencedRepoScopedToken", true),
    (ENFORCE_SETTABLE, false),
    ("publishPipelineMetadata", false),
    ("statusBadgesArePrivate", true),
];

/// A rule of retention. Kept and shown: nothing is ever removed here.
#[derive(Debug)]
pub(crate) struct RetentionRule {
    /// As it is shown.
    pub(crate) name: &'static str,
    /// What whoever changes it calls it.
    pub(crate) change: &'static str,
    pub(crate) min: i64,
    pub(crate) max: i64,
    usual: i64,
}

const fn rule(name: &'static str, change: &'static str, (min, max): (i64, i64), usual: i64) -> RetentionRule {
    RetentionRule { name, change, min, max, usual }
}

/// All rules: days, but for the last, which counts runs.
pub(crate) const RETENTION: &[RetentionRule] = &[
    rule("purgeArtifacts", "artifactsRetention", (1, 60), 30),
    rule("purgeRuns", "runRetention", (30, 731), 30),
    rule("purgePullRequestRuns", "pullRequestRunRetention", (1, 30), 10),
    rule("retainRunsPerProtectedBranch", "retainRunsPerProtectedBranch", (0, 50), 3),
];

/// What differs from the service's own values.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProjectSettings {
    /// Properties of the project that people added.
    pub(crate) properties: Map<String, Value>,
    general: BTreeMap<String, bool>,
    retention: BTreeMap<String, i64>,
}

impl ProjectSettings {
    /// A general setting.
    pub(crate) fn general(&self, name: &str) -> bool {
        let usual = || GENERAL.iter().any(|(known, usual)| *known == name && *usual);
        self.general.get(name).copied().unwrap_or_else(usual)
    }

    /// The value of a rule.
    pub(crate) fn retention(&self, rule: &RetentionRule) -> i64 {
        self.retention.get(rule.name).copied().unwrap_or(rule.usual)
    }
}

impl State {
    /// Changes the general settings that are named.
    pub(crate) fn change_general(&mut self, wanted: &Map<String, Value>) -> Result<(), BuildRefusal> {
        let mut general = self.project.settings.general.clone();
        for (name, value) in wanted.iter().filter(|(_, value)| !value.is_null()) {
            if !GENERAL.iter().any(|(known, _)| known == name) {
                let all = GENERAL.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
                let why = format!("The setting {name} is not supported. Supported: {all}.");
                return Err(BuildRefusal::InvalidBuild(why));
            }
            let value = value.as_bool().ok_or_else(|| {
                BuildRefusal::InvalidBuild(format!("The value {value} is not valid for {name}."))
            })?;
            general.insert(name.clone(), value);
        }
        self.project.settings.general = general;
        self.dirty.insert(Document::ProjectSettings);
        Ok(())
    }

    /// Changes the rules that are named, each `{"value": n}`.
    pub(crate) fn change_retention(&mut self, wanted: &Map<String, Value>) -> Result<(), BuildRefusal> {
        let mut retention = self.project.settings.retention.clone();
        for (name, setting) in wanted.iter().filter(|(_, setting)| !setting.is_null()) {
            let rule = RETENTION.iter().find(|rule| rule.change == name).ok_or_else(|| {
                let all = RETENTION.iter().map(|rule| rule.change).collect::<Vec<_>>().join(", ");
                BuildRefusal::InvalidBuild(format!("The rule {name} is not supported. Supported: {all}."))
            })?;
            let value = setting["value"].as_i64().filter(|value| (rule.min..=rule.max).contains(value));
            let value = value.ok_or_else(|| {
                let (value, min, max) = (&setting["value"], rule.min, rule.max);
                BuildRefusal::InvalidBuild(format!(
                    "The value {value} is not valid for {name}. Supported: {min} to {max}."
                ))
            })?;
            retention.insert(rule.name.to_owned(), value);
        }
        self.project.settings.retention = retention;
        self.dirty.insert(Document::ProjectSettings);
        Ok(())
    }

    /// Refuses variables that may not be set when queueing, where that is enforced.
    pub(super) fn check_settable(&self, definition: &Definition, order: &Order) -> Result<(), BuildRefusal> {
        if !self.project.settings.general(ENFORCE_SETTABLE) {
            return Ok(());
        }
        let settable = |name: &&String| {
            // The two that any run may set (azure-devops-docs: troubleshooting/review-logs.md).
            let always = ["system.debug", "agent.diagnostic"];
            always.iter().any(|own| own.eq_ignore_ascii_case(name))
                || definition
                    .content
                    .variables
                    .iter()
                    .any(|(own, variable)| own.eq_ignore_ascii_case(name) && variable.allow_override)
        };
        let odd: Vec<_> = order.variables.keys().filter(|name| !settable(name)).cloned().collect();
        if odd.is_empty() { Ok(()) } else { Err(BuildRefusal::NotSettable(odd)) }
    }
}
