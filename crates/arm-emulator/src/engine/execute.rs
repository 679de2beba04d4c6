//! Runs a prepared deployment: every resource as soon as what it depends on is there, in parallel; then, in Complete
//! mode, the deletions; then the outputs.
//!
//! A failed resource stops those that depend on it and nothing else. Deletions come only after all of the template's
//! resources succeeded; Microsoft does not publish the order.

mod rollback;
mod steps;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::steps::{StepError, Unfinished, terminal_failure};
use crate::app::{Arm, Running};
use crate::control::step_error;
use crate::engine::live::Live;
use crate::engine::plan::{self, Destination, Prepared, violation};
use crate::error::{ArmError, ErrorBody};
use crate::etag::Condition;
use crate::providers::acr::children;
use crate::providers::locks::{self, Change};
use crate::providers::stored::{self, Asked};
use crate::providers::{self, Kind, Provisioning, any, versions};
use crate::records::deployments::{self, Deployment, Mode, Scope, State, Target};
use crate::resource_id::ResourceId;

/// Deployments may be this deep inside of one another.
pub(crate) const MAX_DEPTH: usize = 5;

/// Stores the deployment as accepted and starts it; tells whether its name is new.
pub(crate) fn start(arm: &Arm, prepared: Prepared) -> Result<(Deployment, bool), ArmError> {
    let deployment = prepared.deployment.clone();
    let (run, created) = Run::accept(arm, prepared, CancellationToken::new(), 1)?;
    let span = tracing::info_span!("deployment", name = %deployment.name, scope = deployment.scope.key());
    arm.settings().shutdown.spawn(
        async move {
            run.run().await;
        }
        .instrument(span),
    );
    Ok((deployment, created))
}

/// Asks a deployment that runs to end.
pub(crate) fn cancel(arm: &Arm, scope: &Scope, name: &str) -> Result<(), ArmError> {
    let deployment = deployments::get(arm, scope, name)?;
    if deployment.state.is_final() {
        return Err(ArmError::conflict(
            "DeploymentCannotBeCancelled",
            format!(
                "The deployment '{name}' cannot be cancelled, because it is in the terminal state '{}'.",
                deployment.state.word()
            ),
        ));
    }
    if let Some(running) = arm.running().get(&deployments::key(scope, name)) {
        running.cancel.cancel();
    }
    Ok(())
}

struct Run {
    arm: Arm,
    prepared: Arc<Prepared>,
    cancel: CancellationToken,
    /// 1 for a deployment that a caller asked for, one more for each around it.
    depth: usize,
    /// How many steps were recorded.
    steps: AtomicUsize,
    /// What deployments inside of this one named, in lower case: Complete mode keeps it.
    named_inside: Mutex<BTreeSet<String>>,
}

/// Why a deployment does not succeed.
enum Stop {
    Failed(Vec<ErrorBody>),
    Canceled,
}

impl From<ArmError> for Stop {
    fn from(error: ArmError) -> Self {
        error.log();
        Self::Failed(vec![*error.body])
    }
}

impl Run {
    /// Stores the deployment and makes it known as running; tells whether its name is new.
    fn accept(
        arm: &Arm,
        prepared: Prepared,
        cancel: CancellationToken,
        depth: usize,
    ) -> Result<(Self, bool), ArmError> {
        // Held over both, so that whoever finds the deployment stored also finds what cancels it.
        let mut all = arm.running();
        let (deployment, inputs) = (&prepared.deployment, prepared.inputs.as_ref());
        let created = deployments::begin(arm, deployment, &prepared.template, inputs)?;
        let running = Running { operation_id: deployment.operation_id.clone(), cancel: cancel.clone() };
        all.insert(deployments::key(&deployment.scope, &deployment.name), running);
        drop(all);
        let (steps, named_inside) = (AtomicUsize::new(0), Mutex::default());
        let prepared = Arc::new(prepared);
        Ok((Self { arm: arm.clone(), prepared, cancel, depth, steps, named_inside }, created))
    }

    /// Runs to the end, whatever it is; gives the deployment as it ended.
    async fn run(self) -> Deployment {
        let mut deployment = self.prepared.deployment.clone();
        deployment.state = State::Running;
        deployment.changed = self.arm.now();
        let outcome = match deployments::advance(&self.arm, &deployment) {
            Ok(_) => self.work().await,
            Err(error) => Err(Stop::from(error)),
        };
        if let (Err(Stop::Failed(_)), Some(on_error)) = (&outcome, &mut deployment.on_error) {
            on_error.state = self.roll_back(&on_error.name).await;
        }
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
        self.leave();
        deployment
    }

    /// A deployment holds deployments, so the future that runs one is boxed.
    fn boxed(self) -> Pin<Box<dyn Future<Output = Deployment> + Send>> {
        Box::pin(self.run())
    }

    /// No longer running; by now another run may have taken the name.
    fn leave(&self) {
        let deployment = &self.prepared.deployment;
        let key = deployments::key(&deployment.scope, &deployment.name);
        let mut all = self.arm.running();
        if all.get(&key).is_some_and(|running| running.operation_id == deployment.operation_id) {
            all.remove(&key);
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
        let destination = &self.prepared.destinations[index];
        let step = self.begin("Create", Some(destination.target()))?;
        if let Err(error) = locks::check(&self.arm, destination.id(), Change::Write) {
            return self.end(step, Err(StepError::from(error)));
        }
        if let Err(error) = self.meet_fault(destination.id()).await {
            return self.end(step, Err(error));
        }
        let outcome = match destination {
            Destination::Resource(kind, id) => self.bring_up(index, *kind, id).await,
            Destination::Deployment(id) => self.nest(index, id).await,
            Destination::Other(id) => self.keep(index, id),
        };
        self.end(step, outcome)
    }

    /// Lets a fault happen that a test asked for.
    async fn meet_fault(&self, id: &ResourceId) -> Result<(), StepError> {
        let Some(hit) = self.arm.traffic().step(id) else { return Ok(()) };
        tokio::select! {
            () = hit.hold(&self.arm.settings().clock) => {}
            () = self.cancel.cancelled() => return Err(StepError::Canceled),
        }
        step_error(&hit).map_or(Ok(()), |error| Err(StepError::from(error)))
    }

    async fn bring_up(&self, index: usize, kind: Kind, id: &ResourceId) -> Result<StatusCode, StepError> {
        let body = self.prepared.plan.body(index, &Live(&self.arm)).map_err(|fault| violation(&[fault]))?;
        versions::check(kind, id, &body, &self.prepared.plan.resources()[index].api_version)?;
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

    /// Keeps a resource of a type without behaviour. Secure values go to its provider and are not shown by it, so they are
    /// not kept.
    fn keep(&self, index: usize, id: &ResourceId) -> Result<StatusCode, StepError> {
        let plan = &self.prepared.plan;
        let mut body = plan.body(index, &Live(&self.arm)).map_err(|fault| violation(&[fault]))?;
        if !children::hides_secrets(id) {
            let scrubbed = plan.without_secrets(body.clone());
            stored::read::without_secret(&mut body, &scrubbed);
        }
        let api_version = plan.resources()[index].api_version.clone();
        let asked = Asked { api_version, by: self.arm.owner(), condition: Condition::default() };
        let put = any::put(&self.arm, id, &body, &asked)?;
        Ok(if put.created { StatusCode::CREATED } else { StatusCode::OK })
    }

    /// Runs a deployment inside of this one; it has a history of its own.
    async fn nest(&self, index: usize, id: &ResourceId) -> Result<StatusCode, StepError> {
        if self.depth == MAX_DEPTH {
            return Err(StepError::from(ArmError::bad_request(
                "NestedDeploymentDepthExceeded",
                format!("Deployments may be at most {MAX_DEPTH} deep inside of one another."),
            )));
        }
        let (prepared, kept) = self.plan_inside(index, id).await?;
        self.named_inside.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
        let (run, created) = Self::accept(&self.arm, prepared, self.cancel.child_token(), self.depth + 1)?;
        let ended = run.boxed().await;
        match (ended.state, ended.error) {
            (State::Succeeded, _) => Ok(if created { StatusCode::CREATED } else { StatusCode::OK }),
            (State::Canceled, _) => Err(StepError::Canceled),
            (_, error) => Err(StepError::from(terminal_failure(error.into_iter().collect()))),
        }
    }

    /// Its links may have to be fetched, so it is planned where that may block.
    async fn plan_inside(
        &self,
        index: usize,
        id: &ResourceId,
    ) -> Result<(Prepared, BTreeSet<String>), ArmError> {
        let (arm, outer, id) = (self.arm.clone(), Arc::clone(&self.prepared), id.clone());
        plan::blocking(move || {
            let live = Live(&arm);
            let body = outer.plan.body(index, &live).map_err(|fault| violation(&[fault]))?;
            let location = body["location"].as_str().map(str::to_owned);
            let scope = plan::template_scope(&arm, &Scope::of(&id), location.as_deref())?;
            let planned = outer.plan.nested(index, &live, Some(scope), &|| arm.new_id());
            let inside = planned
                .ok_or_else(|| {
                    ArmError::internal(format!("`{id}` is planned as a deployment and holds no template"))
                })?
                .map_err(|faults| violation(&faults))?;
            let mut kept = if Scope::of(&id).key() == outer.deployment.scope.key() {
                inside.named_resource_ids()
            } else {
                BTreeSet::new()
            };
            let (template, correlation_id) =
                (body["properties"]["template"].clone(), outer.deployment.correlation_id.clone());
            let prepared = plan::prepare_nested(&arm, &id, location, inside, template, correlation_id)?;
            if !kept.is_empty() {
                kept.extend(prepared.destinations.iter().map(|one| one.id().key()));
            }
            Ok((prepared, kept))
        })
        .await
    }

    /// Deletes every top-level resource of the resource group that the template does not hold.
    async fn delete_the_rest(&self) -> Result<(), Stop> {
        let Some(group) = self.prepared.deployment.scope.group() else { return Ok(()) };
        let mut kept = self.prepared.plan.named_resource_ids();
        // Children that have a location of their own are looked at too.
        kept.extend(self.prepared.destinations.iter().map(|one| one.id().key()));
        kept.extend(self.named_inside.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let present = providers::ids_in_group(&self.arm, group)?;
        let free = |id: &ResourceId| locks::check(&self.arm, id, Change::Delete).is_ok();
        // What a lock protects stays, and the deployment succeeds (`azure-docs: deployment-modes.md`).
        let mut excess: Vec<ResourceId> =
            present.into_iter().filter(|id| !kept.contains(&id.key()) && free(id)).collect();
        let mut failures = Vec::new();
        // Children before their parents: those of one depth together.
        while let Some(depth) = excess.first().map(ResourceId::depth) {
            let above = excess.iter().position(|id| id.depth() < depth).unwrap_or(excess.len());
            let outcomes = join_all(excess.drain(..above).map(|id| self.delete(id))).await;
            for outcome in outcomes {
                match outcome {
                    Ok(()) => {}
                    Err(Unfinished::Canceled) => return Err(Stop::Canceled),
                    Err(Unfinished::Failed(error)) => failures.push(error),
                }
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
}

impl From<Unfinished> for Stop {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Failed(error) => Self::Failed(vec![error]),
            Unfinished::Canceled => Self::Canceled,
        }
    }
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
