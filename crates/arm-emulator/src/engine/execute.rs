//! Runs a prepared deployment: every resource as soon as what it depends on is there, in parallel; then, in Complete
//! mode, the deletions; then the outputs.
//!
//! A failed resource stops those that depend on it and nothing else. Deletions come only after all of the template's
//! resources succeeded; Microsoft does not publish the order.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::app::{Arm, Running};
use crate::engine::live::Live;
use crate::engine::plan::{Prepared, target_view, violation};
use crate::error::{ArmError, ErrorBody};
use crate::providers::{self, Kind, Provisioning};
use crate::records::deployments::{self, Deployment, Mode, State, Step, Target};
use crate::resource_id::ResourceId;

/// Stores the deployment as accepted and starts it; tells whether its name is new.
pub(crate) fn start(arm: &Arm, prepared: Prepared) -> Result<(Deployment, bool), ArmError> {
    let deployment = prepared.deployment.clone();
    let created = deployments::begin(arm, &deployment, &prepared.template)?;
    let key = deployments::key(&deployment.group, &deployment.name);
    let cancel = CancellationToken::new();
    let running = Running { operation_id: deployment.operation_id.clone(), cancel: cancel.clone() };
    arm.running().insert(key.clone(), running);
    let run = Run { arm: arm.clone(), prepared, cancel, steps: AtomicUsize::new(0) };
    let span = tracing::info_span!("deployment", name = %deployment.name, group = %deployment.group);
    let (owner, operation_id) = (arm.clone(), deployment.operation_id.clone());
    arm.settings().shutdown.spawn(
        async move {
            run.run().await;
            // By now another run may have taken the name.
            let mut all = owner.running();
            if all.get(&key).is_some_and(|running| running.operation_id == operation_id) {
                all.remove(&key);
            }
        }
        .instrument(span),
    );
    Ok((deployment, created))
}

/// Asks a deployment that runs to end.
pub(crate) fn cancel(arm: &Arm, group: &str, name: &str) -> Result<(), ArmError> {
    let deployment = deployments::get(arm, group, name)?;
    if deployment.state.is_final() {
        return Err(ArmError::conflict(
            "DeploymentCannotBeCancelled",
            format!(
                "The deployment '{name}' cannot be cancelled, because it is in the terminal state '{}'.",
                deployment.state.word()
            ),
        ));
    }
    if let Some(running) = arm.running().get(&deployments::key(group, name)) {
        running.cancel.cancel();
    }
    Ok(())
}

struct Run {
    arm: Arm,
    prepared: Prepared,
    cancel: CancellationToken,
    /// How many steps were recorded.
    steps: AtomicUsize,
}

/// Why a deployment does not succeed.
enum Stop {
    Failed(Vec<ErrorBody>),
    Canceled,
}

/// Why a resource does not succeed.
enum Unfinished {
    Failed(ErrorBody),
    Canceled,
}

impl From<ArmError> for Stop {
    fn from(error: ArmError) -> Self {
        error.log();
        Self::Failed(vec![*error.body])
    }
}

impl Run {
    async fn run(self) {
        let mut deployment = self.prepared.deployment.clone();
        deployment.state = State::Running;
        deployment.changed = self.arm.now();
        let outcome = match deployments::advance(&self.arm, &deployment) {
            Ok(_) => self.work().await,
            Err(error) => Err(Stop::from(error)),
        };
        deployment.changed = self.arm.now();
        match outcome {
            Ok(outputs) => {
                deployment.state = State::Succeeded;
                deployment.outputs = Some(outputs);
            }
            Err(Stop::Failed(details)) => {
                deployment.state = State::Failed;
                deployment.error = Some(failed(details));
            }
            Err(Stop::Canceled) => {
                deployment.state = State::Canceled;
                let message = format!("The deployment '{}' was canceled by the user.", deployment.name);
                deployment.error = Some(ErrorBody::new("DeploymentCanceled", message));
            }
        }
        tracing::info!(state = deployment.state.word(), "deployment ended");
        if let Err(error) = deployments::advance(&self.arm, &deployment) {
            error.log();
        }
    }

    async fn work(&self) -> Result<Map<String, Value>, Stop> {
        self.deploy_all().await?;
        if self.prepared.deployment.mode == Mode::Complete {
            self.delete_the_rest().await?;
        }
        self.evaluate_outputs()
    }

    /// Walks the dependency graph; ends when nothing is under way any more.
    async fn deploy_all(&self) -> Result<(), Stop> {
        let resources = self.prepared.plan.resources();
        let mut waiting: Vec<usize> = resources.iter().map(|resource| resource.depends_on.len()).collect();
        let mut under_way = FuturesUnordered::new();
        for (index, _) in waiting.iter().enumerate().filter(|(_, missing)| **missing == 0) {
            under_way.push(self.deploy_numbered(index));
        }
        let mut failures = Vec::new();
        let mut canceled = false;
        while let Some((done, outcome)) = under_way.next().await {
            match outcome {
                Ok(()) => {}
                Err(Unfinished::Canceled) => {
                    canceled = true;
                    continue;
                }
                Err(Unfinished::Failed(error)) => {
                    failures.push(error);
                    continue;
                }
            }
            for (index, resource) in resources.iter().enumerate() {
                let edges = resource.depends_on.iter().filter(|on| **on == done).count();
                if edges > 0 {
                    waiting[index] -= edges;
                    if waiting[index] == 0 {
                        under_way.push(self.deploy_numbered(index));
                    }
                }
            }
        }
        if canceled || self.cancel.is_cancelled() {
            return Err(Stop::Canceled);
        }
        if failures.is_empty() { Ok(()) } else { Err(Stop::Failed(failures)) }
    }

    async fn deploy_numbered(&self, index: usize) -> (usize, Result<(), Unfinished>) {
        (index, self.deploy(index).await)
    }

    async fn deploy(&self, index: usize) -> Result<(), Unfinished> {
        if self.cancel.is_cancelled() {
            return Err(Unfinished::Canceled);
        }
        let (kind, id) = &self.prepared.targets[index];
        let step = self.begin("Create", Some(target_view(*kind, id)))?;
        let outcome = self.bring_up(index, *kind, id).await;
        self.end(step, outcome)
    }

    async fn bring_up(&self, index: usize, kind: Kind, id: &ResourceId) -> Result<StatusCode, StepError> {
        let body = self.prepared.plan.body(index, &Live(&self.arm)).map_err(|fault| violation(&[fault]))?;
        let put = providers::put(&self.arm, kind, id, &body).await?;
        let settled = tokio::select! {
            settled = providers::settled(&self.arm, kind, id) => settled?,
            () = self.cancel.cancelled() => return Err(StepError::Canceled),
        };
        match settled {
            Some(Provisioning::Succeeded) => {
                Ok(if put.created { StatusCode::CREATED } else { StatusCode::OK })
            }
            Some(Provisioning::Failed(cause)) => Err(StepError::from(terminal_failure(vec![cause]))),
            Some(Provisioning::Running) | None => {
                let gone = format!("The resource '{id}' was changed or deleted while it was deployed.");
                Err(StepError::from(terminal_failure(vec![ErrorBody::new("ResourceChanged", gone)])))
            }
        }
    }

    /// Deletes every top-level resource of the resource group that the template does not hold.
    async fn delete_the_rest(&self) -> Result<(), Stop> {
        let group = &self.prepared.deployment.group;
        let kept: Vec<String> = self.prepared.targets.iter().map(|(_, id)| id.key()).collect();
        let present = providers::ids_in_group(&self.arm, group)?;
        let excess = present.into_iter().filter(|id| !kept.contains(&id.key()));
        let outcomes = join_all(excess.map(|id| self.delete(id))).await;
        let mut failures = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(()) => {}
                Err(Unfinished::Canceled) => return Err(Stop::Canceled),
                Err(Unfinished::Failed(error)) => failures.push(error),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Stop::Failed(failures)) }
    }

    async fn delete(&self, id: ResourceId) -> Result<(), Unfinished> {
        if self.cancel.is_cancelled() {
            return Err(Unfinished::Canceled);
        }
        let resource_type = id.resource_type().unwrap_or_default();
        let resource_name = id.name().unwrap_or_default();
        let step = self.begin("Delete", Some(Target { id: id.to_string(), resource_type, resource_name }))?;
        let outcome =
            providers::delete(&self.arm, &id).await.map(|_| StatusCode::OK).map_err(StepError::from);
        self.end(step, outcome)
    }

    fn evaluate_outputs(&self) -> Result<Map<String, Value>, Stop> {
        let step = self.begin("EvaluateDeploymentOutput", None)?;
        let (outputs, ended) = match self.prepared.plan.outputs(&Live(&self.arm)) {
            Ok(outputs) => (outputs, Ok(StatusCode::OK)),
            Err(fault) => (Map::new(), Err(StepError::from(violation(&[fault])))),
        };
        self.end(step, ended)?;
        Ok(without_secrets(outputs))
    }

    fn begin(&self, operation: &str, target: Option<Target>) -> Result<(usize, Step), ArmError> {
        let order = self.steps.fetch_add(1, Ordering::Relaxed);
        let now = self.arm.now();
        let step = Step {
            id: format!("{:032X}", self.arm.new_id().as_u128()),
            provisioning_operation: operation.to_owned(),
            state: State::Running,
            started: now,
            changed: now,
            tracking_id: self.arm.new_id().to_string(),
            status_code: None,
            error: None,
            target,
        };
        self.save(order, &step)?;
        Ok((order, step))
    }

    /// Records how a step ended and turns it into what the walk needs to know.
    fn end(
        &self,
        (order, mut step): (usize, Step),
        outcome: Result<StatusCode, StepError>,
    ) -> Result<(), Unfinished> {
        step.changed = self.arm.now();
        let ended = match outcome {
            Ok(status) => {
                (step.state, step.status_code) = (State::Succeeded, Some(status_word(status)));
                Ok(())
            }
            Err(StepError::Canceled) => {
                step.state = State::Canceled;
                Err(Unfinished::Canceled)
            }
            Err(StepError::Failed(error)) => {
                error.log();
                let mut body = *error.body;
                body.target = step.target.as_ref().map(|target| target.id.clone()).or(body.target);
                step.state = State::Failed;
                step.status_code = Some(status_word(error.status));
                step.error = Some(body.clone());
                Err(Unfinished::Failed(body))
            }
        };
        self.save(order, &step)?;
        ended
    }

    fn save(&self, order: usize, step: &Step) -> Result<(), ArmError> {
        let deployment = &self.prepared.deployment;
        deployments::save_step(&self.arm, &deployment.group, &deployment.name, order, step)
    }
}

enum StepError {
    Failed(ArmError),
    Canceled,
}

impl From<ArmError> for StepError {
    fn from(error: ArmError) -> Self {
        Self::Failed(error)
    }
}

impl From<ArmError> for Unfinished {
    fn from(error: ArmError) -> Self {
        error.log();
        Self::Failed(*error.body)
    }
}

impl From<Unfinished> for Stop {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Failed(error) => Self::Failed(vec![error]),
            Unfinished::Canceled => Self::Canceled,
        }
    }
}

fn terminal_failure(details: Vec<ErrorBody>) -> ArmError {
    ArmError::conflict(
        "ResourceDeploymentFailure",
        "The resource write operation failed to complete successfully, because it reached terminal provisioning state \
         'Failed'.",
    )
    .with_details(details)
}

fn failed(details: Vec<ErrorBody>) -> ErrorBody {
    let mut error = ErrorBody::new(
        "DeploymentFailed",
        "At least one resource deployment operation failed. Please list deployment operations for details. Please see \
         https://aka.ms/arm-deployment-operations for usage details.",
    );
    error.details = details;
    error
}

/// The word that ARM uses for a status: `BadRequest`, `OK`.
fn status_word(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Unknown").replace(' ', "")
}

/// Outputs of a secure type have a type and no value.
fn without_secrets(mut outputs: Map<String, Value>) -> Map<String, Value> {
    for output in outputs.values_mut().filter_map(Value::as_object_mut) {
        let secure = output.get("type").and_then(Value::as_str).is_some_and(|kind| {
            ["securestring", "secureobject"].contains(&kind.to_ascii_lowercase().as_str())
        });
        if secure {
            output.remove("value");
        }
    }
    outputs
}
