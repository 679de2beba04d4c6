//! Deployments, their operations and their templates. Parameters are stored in the form of the history: a secure one
//! has a type and no value.

mod rerun;
mod scope;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use service_kit::Batch;

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::{ArmError, ErrorBody};
use crate::fields::Tags;
use crate::providers::locks::{self, Change};
use crate::records::groups;
use crate::resource_id::ResourceId;

pub(crate) use self::rerun::{Inputs, OnError, inputs};
pub(crate) use self::scope::Scope;

const TABLE: &str = "arm.deployments";
const OPERATIONS: &str = "arm.deployment-operations";
const TEMPLATES: &str = "arm.deployment-templates";
/// Deployments that a scope remembers; ARM deletes the oldest beyond it.
const HISTORY: usize = 800;

/// A deployment as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    /// Called after what it was when there were resource groups alone.
    #[serde(rename = "group")]
    pub(crate) scope: Scope,
    /// Where the record lies, above resource groups.
    #[serde(default)]
    pub(crate) location: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) mode: Mode,
    /// `templateLink` and `parametersLink`, where the template or the parameters came by their address.
    #[serde(default)]
    pub(crate) links: Map<String, Value>,
    pub(crate) state: State,
    pub(crate) started: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) correlation_id: String,
    pub(crate) operation_id: String,
    pub(crate) template_hash: String,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) providers: Value,
    pub(crate) dependencies: Value,
    pub(crate) outputs: Option<Map<String, Value>>,
    pub(crate) output_resources: Vec<String>,
    pub(crate) validated_resources: Option<Vec<String>>,
    /// The earlier deployment that is run again if this one fails.
    #[serde(default)]
    pub(crate) on_error: Option<OnError>,
    pub(crate) error: Option<ErrorBody>,
}

/// Whether what is in the resource group and not in the template is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    Incremental,
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Accepted,
    Running,
    Succeeded,
    Failed,
    Canceled,
}

impl State {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// What an operation status shows.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }
}

/// One step of a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) id: String,
    /// `Create`, `Delete` or `EvaluateDeploymentOutput`.
    pub(crate) provisioning_operation: String,
    pub(crate) state: State,
    pub(crate) started: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) tracking_id: String,
    pub(crate) status_code: Option<String>,
    pub(crate) error: Option<ErrorBody>,
    pub(crate) target: Option<Target>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) resource_type: String,
    pub(crate) resource_name: String,
}

impl Deployment {
    pub(crate) fn id(&self, arm: &Arm) -> String {
        format!("{}/providers/Microsoft.Resources/deployments/{}", self.scope.id(arm), self.name)
    }

    /// The shape that ARM shows.
    pub(crate) fn view(&self, arm: &Arm) -> Value {
        let references = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>();
        let mut properties = json!({
            "templateHash": self.template_hash,
            "parameters": self.parameters,
            "mode": self.mode,
            "provisioningState": self.state.word(),
            "timestamp": self.changed.to_string(),
            "duration": duration(self.changed.duration_since(self.started)),
            "correlationId": self.correlation_id,
            "providers": self.providers,
            "dependencies": self.dependencies,
        });
        for (name, link) in &self.links {
            properties[name] = link.clone();
        }
        if let Some(outputs) = &self.outputs {
            properties["outputs"] = json!(outputs);
        }
        if self.state == State::Succeeded && self.validated_resources.is_none() {
            properties["outputResources"] = json!(references(&self.output_resources));
        }
        if let Some(validated) = &self.validated_resources {
            properties["validatedResources"] = json!(references(validated));
        }
        if let Some(on_error) = &self.on_error {
            properties["onErrorDeployment"] = on_error.view();
        }
        if let Some(error) = &self.error {
            properties["error"] = json!(error);
        }
        let mut view = json!({
            "id": self.id(arm),
            "name": self.name,
            "type": "Microsoft.Resources/deployments",
            "tags": self.tags,
            "properties": properties,
        });
        if let Some(location) = &self.location {
            view["location"] = json!(location);
        }
        view
    }
}

impl Step {
    /// The shape that ARM shows.
    pub(crate) fn view(&self, deployment: &str) -> Value {
        let mut properties = json!({
            "provisioningOperation": self.provisioning_operation,
            "provisioningState": self.state.word(),
            "timestamp": self.changed.to_string(),
            "duration": duration(self.changed.duration_since(self.started)),
            "trackingId": self.tracking_id,
            "serviceRequestId": self.tracking_id,
        });
        if let Some(code) = &self.status_code {
            properties["statusCode"] = json!(code);
        }
        if let Some(error) = &self.error {
            properties["statusMessage"] = json!({ "status": self.state.word(), "error": error });
        }
        if let Some(target) = &self.target {
            properties["targetResource"] = json!(target);
        }
        json!({
            "id": format!("{deployment}/operations/{}", self.id),
            "operationId": self.id,
            "properties": properties,
        })
    }
}

/// An ISO 8601 duration such as `PT12.345S`.
pub(crate) fn duration(span: SignedDuration) -> String {
    let millis = span.as_millis().max(0);
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let hours = if hours > 0 { format!("{hours}H") } else { String::new() };
    let minutes = if minutes > 0 { format!("{minutes}M") } else { String::new() };
    format!("PT{hours}{minutes}{seconds}.{rest:03}S")
}

/// The key of a deployment that runs.
pub(crate) fn key(scope: &Scope, name: &str) -> String {
    format!("{}/{name}", scope.key()).to_lowercase()
}

pub(crate) fn find(arm: &Arm, scope: &Scope, name: &str) -> Result<Option<Deployment>, ArmError> {
    Ok(arm.store().get(&table(scope), &name.to_lowercase())?)
}

pub(crate) fn get(arm: &Arm, scope: &Scope, name: &str) -> Result<Deployment, ArmError> {
    find(arm, scope, name)?.ok_or_else(|| {
        ArmError::not_found("DeploymentNotFound", format!("Deployment '{name}' could not be found."))
    })
}

/// The newest first.
pub(crate) fn list(arm: &Arm, scope: &Scope) -> Result<Vec<Deployment>, ArmError> {
    let mut all: Vec<Deployment> =
        arm.store().list(&table(scope))?.into_iter().map(|(_, found)| found).collect();
    all.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.name.cmp(&b.name)));
    Ok(all)
}

/// Stores a new run unless one of the same name is active; forgets the steps of the last run and, beyond the limit,
/// the oldest deployments. Tells whether the name is new.
pub(crate) fn begin(
    arm: &Arm,
    deployment: &Deployment,
    template: &Value,
    inputs: Option<&Inputs>,
) -> Result<bool, ArmError> {
    let _guard = arm.lock();
    if let Some(group) = deployment.scope.group() {
        groups::writable(arm, group)?;
    }
    let before = find(arm, &deployment.scope, &deployment.name)?;
    if before.as_ref().is_some_and(|before| !before.state.is_final()) {
        return Err(ArmError::conflict(
            "DeploymentActive",
            format!(
                "The deployment with resource id '{}' cannot be saved, because this would overwrite an existing \
                 deployment which is still active. Please see https://aka.ms/arm-deploy for usage details.",
                deployment.id(arm)
            ),
        ));
    }
    let mut batch = Batch::new();
    if before.is_some() {
        batch = forget(arm, batch, &deployment.scope, &deployment.name)?;
    } else {
        let all = list(arm, &deployment.scope)?;
        let excess = (all.len() + 1).saturating_sub(HISTORY);
        let over = |old: &&Deployment| {
            let id = old.id(arm).parse();
            old.state.is_final() && id.is_ok_and(|id| locks::check(arm, &id, Change::Delete).is_ok())
        };
        let old: Vec<_> =
            if excess == 0 { Vec::new() } else { all.iter().rev().filter(over).take(excess).collect() };
        if old.len() < excess {
            return Err(quota_exceeded(&deployment.name, all.len()));
        }
        for old in old {
            batch = forget(arm, batch, &old.scope, &old.name)?;
        }
    }
    let name = deployment.name.to_lowercase();
    batch = batch.put(&table(&deployment.scope), &name, deployment)?;
    let key = key(&deployment.scope, &deployment.name);
    batch = batch.put(TEMPLATES, &key, template)?;
    if let Some(inputs) = inputs {
        batch = batch.put(rerun::INPUTS, &key, inputs)?;
    }
    arm.store().write(batch)?;
    arm.tell(EventKind::DeploymentStarted { id: deployment.id(arm) });
    Ok(before.is_none())
}

/// The history is full, and a lock or what still runs keeps it so (`azure-docs: deployment-quota-exceeded.md`).
fn quota_exceeded(name: &str, count: usize) -> ArmError {
    ArmError::conflict(
        "DeploymentQuotaExceeded",
        format!(
            "Creating the deployment '{name}' would exceed the quota of '{HISTORY}'. The current deployment count is \
             '{count}', please delete some deployments before creating a new one. Please see https://aka.ms/arm-deploy for \
             usage details."
        ),
    )
}

/// Writes a state of a run, unless the run is over already or was replaced. Tells whether it was written.
pub(crate) fn advance(arm: &Arm, deployment: &Deployment) -> Result<bool, ArmError> {
    let _guard = arm.lock();
    let Some(stored) = find(arm, &deployment.scope, &deployment.name)? else { return Ok(false) };
    if stored.state.is_final() || stored.operation_id != deployment.operation_id {
        return Ok(false);
    }
    arm.store().put(&table(&deployment.scope), &deployment.name.to_lowercase(), deployment)?;
    if deployment.state.is_final() {
        let code = deployment.error.as_ref().map(|error| error.code.clone());
        arm.tell(EventKind::DeploymentEnded { id: deployment.id(arm), state: deployment.state.word(), code });
    }
    Ok(true)
}

pub(crate) fn template(arm: &Arm, scope: &Scope, name: &str) -> Result<Value, ArmError> {
    get(arm, scope, name)?;
    Ok(arm.store().get(TEMPLATES, &key(scope, name))?.unwrap_or(Value::Null))
}

pub(crate) fn save_step(
    arm: &Arm,
    scope: &Scope,
    name: &str,
    order: usize,
    step: &Step,
) -> Result<(), ArmError> {
    Ok(arm.store().put(&steps_table(scope, name), &format!("{order:05}"), step)?)
}

/// In the order in which they began.
pub(crate) fn steps(arm: &Arm, scope: &Scope, name: &str) -> Result<Vec<Step>, ArmError> {
    Ok(arm.store().list(&steps_table(scope, name))?.into_iter().map(|(_, step)| step).collect())
}

/// Removes a deployment from the history; its resources stay.
pub(crate) fn remove(arm: &Arm, scope: &Scope, name: &str) -> Result<(), ArmError> {
    let batch = forget(arm, Batch::new(), scope, name)?;
    Ok(arm.store().write(batch)?)
}

fn forget(arm: &Arm, mut batch: Batch, scope: &Scope, name: &str) -> Result<Batch, ArmError> {
    let steps = steps_table(scope, name);
    for (order, _) in arm.store().list::<Value>(&steps)? {
        batch = batch.delete(&steps, &order);
    }
    let key = key(scope, name);
    Ok(batch.delete(&table(scope), &name.to_lowercase()).delete(TEMPLATES, &key).delete(rerun::INPUTS, &key))
}

/// Replaces the tags.
pub(crate) fn retag(arm: &Arm, id: &ResourceId, tags: Tags) -> Result<(), ArmError> {
    let _guard = arm.lock();
    let scope = Scope::of(id);
    let deployment = Deployment { tags, ..get(arm, &scope, id.last_name())? };
    Ok(arm.store().put(&table(&scope), &deployment.name.to_lowercase(), &deployment)?)
}

/// Tables by scope: names hold no slash, so two scopes never meet.
fn table(scope: &Scope) -> String {
    format!("{TABLE}/{}", scope.key())
}

fn steps_table(scope: &Scope, name: &str) -> String {
    format!("{OPERATIONS}/{}", key(scope, name))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::duration;

    #[test]
    fn durations_are_iso_8601() {
        for (millis, text) in [
            (0, "PT0.000S"),
            (12_345, "PT12.345S"),
            (61_002, "PT1M1.002S"),
            (3_600_000, "PT1H0.000S"),
            (-5, "PT0.000S"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(millis)), text);
        }
    }
}
