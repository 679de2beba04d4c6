//! `whatIf`: what a deployment would do to every resource, without doing it (`azure-docs: deploy-what-if.md`).

pub(crate) mod diff;
pub(crate) mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use arm_template::{Placeholders, Plan};
use serde::Serialize;
use serde_json::{Value, json};

use self::diff::PropertyChange;
use crate::app::Arm;
use crate::engine::live::Live;
use crate::engine::plan::{self, Destination, Prepared, violation};
use crate::error::ArmError;
use crate::providers::stored::{self, computed};
use crate::providers::{self, Kind, any, versions};
use crate::records::deployments::{Mode, Scope};
use crate::resource_id::ResourceId;

/// How much is told of each resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultFormat {
    FullResourcePayloads,
    /// `Deploy` in place of `Modify` and `NoChange`, and no payloads.
    ResourceIdOnly,
}

/// One resource (`azure-rest-api-specs: WhatIfChange`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    resource_id: String,
    #[serde(rename = "changeType")]
    kind: ChangeType,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsupported_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delta: Vec<PropertyChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum ChangeType {
    Create,
    Delete,
    Deploy,
    Ignore,
    Modify,
    NoChange,
    Unsupported,
}

/// The final answer of the operation.
pub(crate) fn answer(arm: &Arm, prepared: &Prepared, format: ResultFormat) -> Result<Value, ArmError> {
    let mut foreseen = Foreseen { arm, format, changes: Vec::new(), kept: BTreeSet::new() };
    let scope = &prepared.deployment.scope;
    foreseen.plan(&prepared.plan, &prepared.destinations, scope, 1)?;
    if let Some(group) = scope.group() {
        foreseen.the_rest(group, prepared.deployment.mode)?;
    }
    foreseen.changes.sort_by_key(|change| change.resource_id.to_lowercase());
    Ok(json!({
        "status": "Succeeded",
        "properties": {
            "correlationId": prepared.deployment.correlation_id,
            "changes": foreseen.changes,
            "potentialChanges": [],
            "diagnostics": [],
        },
    }))
}

struct Foreseen<'a> {
    arm: &'a Arm,
    format: ResultFormat,
    changes: Vec<Change>,
    /// What the template names in the deployment's own resource group, in lower case.
    kept: BTreeSet<String>,
}

impl Foreseen<'_> {
    fn plan(
        &mut self,
        plan: &Plan,
        destinations: &[Destination],
        home: &Scope,
        depth: usize,
    ) -> Result<(), ArmError> {
        self.kept.extend(plan.named_resource_ids());
        self.kept.extend(destinations.iter().map(|one| one.id().key()));
        let first = self.changes.len();
        for (index, destination) in destinations.iter().enumerate() {
            match destination {
                Destination::Resource(kind, id) => {
                    let change = self.resource(plan, index, *kind, id)?;
                    self.changes.push(change);
                }
                Destination::Other(id) => {
                    let change = self.other(plan, index, id)?;
                    self.changes.push(change);
                }
                Destination::Deployment(id) => self.nested(plan, index, id, home, depth)?,
            }
        }
        // Secrets of this template, also where it handed them to one inside of it.
        for change in &mut self.changes[first..] {
            hide(plan, &mut change.after);
            for property in &mut change.delta {
                property.each_value(&mut |value| hide(plan, value));
            }
        }
        Ok(())
    }

    fn resource(&self, plan: &Plan, index: usize, kind: Kind, id: &ResourceId) -> Result<Change, ArmError> {
        let api_version = &plan.resources()[index].api_version;
        let before = providers::get(self.arm, kind, id)?.map(|view| versions::shown(kind, view, api_version));
        let named = (id.name().unwrap_or_default(), kind.full().to_owned());
        self.compared(plan, index, id, shapes::of(kind), before, named)
    }

    /// Of a type without behaviour.
    fn other(&self, plan: &Plan, index: usize, id: &ResourceId) -> Result<Change, ArmError> {
        let target = Destination::Other(id.clone()).target();
        let before = any::get(self.arm, id)?.map(|shown| computed::taken_out(id, shown));
        self.compared(
            plan,
            index,
            id,
            &shapes::STORED,
            before,
            (last(&target.resource_name), target.resource_type),
        )
    }

    fn compared(
        &self,
        plan: &Plan,
        index: usize,
        id: &ResourceId,
        shape: &shapes::Shape,
        before: Option<Value>,
        (name, resource_type): (String, String),
    ) -> Result<Change, ArmError> {
        let api_version = &plan.resources()[index].api_version;
        let before = before.map(|view| sorted(view, api_version));
        if self.format == ResultFormat::ResourceIdOnly {
            let change_type = if before.is_some() { ChangeType::Deploy } else { ChangeType::Create };
            return Ok(Change::of(id, change_type));
        }
        // What waits for resources that are still to come is shown as the expression that it is.
        let body = plan
            .body(index, &Live(self.arm))
            .or_else(|_| plan.body(index, &Placeholders))
            .map_err(|fault| violation(&[fault]))?;
        let mut after = shape.shown(body);
        stored::read::without_write_only(&mut after);
        for (name, value) in
            [("id", json!(id.to_string())), ("name", json!(name)), ("type", json!(resource_type))]
        {
            after[name] = value;
        }
        let after = sorted(after, api_version);
        let Some(before) = before else {
            return Ok(Change { after: Some(after), ..Change::of(id, ChangeType::Create) });
        };
        // A body that leaves `properties` out says nothing of those that the provider sets.
        let mut wanted = after.clone();
        if wanted.get("properties").is_none() {
            wanted["properties"] = json!({});
        }
        let delta = shape.changes(&before, &wanted);
        let change_type = if delta.iter().any(PropertyChange::has_effect) {
            ChangeType::Modify
        } else {
            ChangeType::NoChange
        };
        Ok(Change { before: Some(before), after: Some(after), delta, ..Change::of(id, change_type) })
    }

    /// A deployment inside of this one is no resource: what it holds is.
    fn nested(
        &mut self,
        plan: &Plan,
        index: usize,
        id: &ResourceId,
        home: &Scope,
        depth: usize,
    ) -> Result<(), ArmError> {
        let unsupported = |reason: String| Change {
            unsupported_reason: Some(reason),
            ..Change::of(id, ChangeType::Unsupported)
        };
        if depth == crate::engine::execute::MAX_DEPTH {
            self.changes.push(unsupported("The nested deployment is too deep inside of others.".to_owned()));
            return Ok(());
        }
        let target = Scope::of(id);
        // A resource group that the deployment itself creates is seen as far as its name goes.
        let scope = plan::template_scope(self.arm, &target, plan.resources()[index].location.as_deref()).ok();
        match plan.nested(index, &Live(self.arm), scope, &|| self.arm.new_id()) {
            Some(Ok(inside)) => {
                let destinations = plan::foreseen(self.arm, id, &inside)?;
                let here = target.key() == home.key();
                let kept = self.kept.clone();
                self.plan(&inside, &destinations, home, depth + 1)?;
                if !here {
                    self.kept = kept;
                }
            }
            Some(Err(faults)) => {
                let reason = faults.first().map_or_else(String::new, |fault| fault.detail.clone());
                self.changes.push(unsupported(format!(
                    "The nested deployment can't be evaluated before what it depends on is deployed: {reason}"
                )));
            }
            None => self.changes.push(unsupported("The nested deployment holds no template.".to_owned())),
        }
        Ok(())
    }

    /// What is in the resource group and not in the template: goes in Complete mode, stays otherwise.
    fn the_rest(&mut self, group: &str, mode: Mode) -> Result<(), ArmError> {
        let change_type = if mode == Mode::Complete { ChangeType::Delete } else { ChangeType::Ignore };
        for id in providers::ids_in_group(self.arm, group)? {
            if self.kept.contains(&id.key()) {
                continue;
            }
            let mut change = Change::of(&id, change_type);
            if self.format == ResultFormat::FullResourcePayloads {
                change.before = any::get(self.arm, &id)?;
            }
            self.changes.push(change);
        }
        Ok(())
    }
}

/// The last part of a name with its parents' names.
fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

impl Change {
    fn of(id: &ResourceId, kind: ChangeType) -> Self {
        Self {
            resource_id: id.to_string(),
            kind,
            unsupported_reason: None,
            before: None,
            after: None,
            delta: Vec::new(),
        }
    }
}

/// The members by name, as the service sends them and people read them.
fn sorted(resource: Value, api_version: &str) -> Value {
    let Value::Object(members) = resource else { return resource };
    let mut members: BTreeMap<String, Value> = members.into_iter().collect();
    members.insert("apiVersion".to_owned(), json!(api_version));
    members.into_iter().collect()
}

fn hide(plan: &Plan, value: &mut Option<Value>) {
    if let Some(shown) = value.take() {
        *value = Some(plan.without_secrets(shown));
    }
}
