//! Asynchronous operations in the shapes that clients poll (`azure-docs: async-operations.md`).

use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;

use crate::app::Arm;
use crate::error::{ArmError, ErrorBody};
use crate::providers::{self, Provisioning};
use crate::records::deployments::Scope;
use crate::records::operations::{self, Operation, Status, Subject};
use crate::records::{deployments, groups};
use crate::request::ApiVersion;

/// Seconds that a client should wait before it asks again: everything here is quick.
pub(crate) const RETRY_AFTER: &str = "1";

/// The name of the header that the SDKs prefer for polling.
pub(crate) const AZURE_ASYNC_OPERATION: &str = "azure-asyncoperation";

/// How often a deletion looks whether cancelled deployments have ended.
const DEPLOYMENT_POLL: Duration = Duration::from_millis(20);

/// What became of an operation.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) error: Option<ErrorBody>,
}

/// 202 with the address that tells more.
pub(crate) fn accepted(
    arm: &Arm,
    path: &str,
    version: &ApiVersion,
) -> (StatusCode, [(&'static str, String); 2]) {
    let location = arm.url(&format!("{path}?api-version={}", version.0));
    (StatusCode::ACCEPTED, [("location", location), ("retry-after", RETRY_AFTER.to_owned())])
}

/// An operation and its present state.
pub(crate) fn outcome(arm: &Arm, id: &str) -> Result<(Operation, Outcome), ArmError> {
    let operation = operations::get(arm, id)?;
    let outcome = match &operation.subject {
        Subject::Work { status, ended, error } => {
            Outcome { status: *status, ended: *ended, error: error.clone() }
        }
        Subject::Answer(_) => {
            Outcome { status: Status::Succeeded, ended: Some(operation.started), error: None }
        }
        Subject::Provisioning(resource) => match providers::provisioning(arm, resource)? {
            Some(Provisioning::Running) => Outcome { status: Status::InProgress, ended: None, error: None },
            Some(Provisioning::Succeeded) => {
                Outcome { status: Status::Succeeded, ended: Some(arm.now()), error: None }
            }
            Some(Provisioning::Failed(error)) => {
                Outcome { status: Status::Failed, ended: Some(arm.now()), error: Some(error) }
            }
            None => {
                let error = ErrorBody::new(
                    "ResourceNotFound",
                    format!("The resource '{resource}' was deleted while the operation ran."),
                );
                Outcome { status: Status::Canceled, ended: Some(arm.now()), error: Some(error) }
            }
        },
    };
    Ok((operation, outcome))
}

/// Marks a resource group as going away and starts to empty it; gives the operation's id. Asked again while it runs, it
/// gives the same operation: a second worker could otherwise empty a group that was created anew.
pub(crate) fn delete_resource_group(arm: &Arm, group: &str) -> Result<String, ArmError> {
    let id = operations::start_work(arm)?;
    let (group, under_way) = groups::begin_delete(arm, group, &id)?;
    if let Some(under_way) = under_way {
        operations::finish(arm, &id, Ok(()))?;
        return Ok(under_way);
    }
    run_deletion(arm, group, id.clone());
    Ok(id)
}

/// Removes a deployment that is over from the history; gives the operation's id, or nothing where there was none.
pub(crate) fn delete_deployment(arm: &Arm, scope: &Scope, name: &str) -> Result<Option<String>, ArmError> {
    let _guard = arm.lock();
    let Some(deployment) = deployments::find(arm, scope, name)? else { return Ok(None) };
    if !deployment.state.is_final() {
        return Err(ArmError::conflict(
            "DeploymentActive",
            format!(
                "The deployment with resource id '{}' cannot be deleted while it is active. Cancel it first.",
                deployment.id(arm)
            ),
        ));
    }
    deployments::remove(arm, scope, name)?;
    let id = operations::start_work(arm)?;
    operations::finish(arm, &id, Ok(()))?;
    Ok(Some(id))
}

/// Empties a marked resource group in the background, then removes it; one that cannot be emptied is usable again.
pub(crate) fn run_deletion(arm: &Arm, group: String, operation: String) {
    let (worker, mark) = (arm.clone(), arm.deleting());
    arm.settings().shutdown.spawn(async move {
        let outcome = empty(&worker, &group).await;
        tracing::info!(%group, failed = outcome.is_err(), "resource group deletion ended");
        let ended =
            if outcome.is_ok() { groups::remove(&worker, &group) } else { groups::keep(&worker, &group) };
        for outcome in [ended, operations::finish(&worker, &operation, outcome)] {
            if let Err(error) = outcome {
                error.log();
            }
        }
        drop(mark);
    });
}

async fn empty(arm: &Arm, group: &str) -> Result<(), ArmError> {
    end_deployments(arm, group).await;
    // A request that was let in before the group was marked may put one more while the others go.
    loop {
        let present = providers::ids_in_group(arm, group)?;
        if present.is_empty() {
            break;
        }
        for resource in present {
            providers::delete(arm, &resource).await?;
        }
    }
    let scope = Scope::Group(group.to_owned());
    for deployment in deployments::list(arm, &scope)? {
        deployments::remove(arm, &scope, &deployment.name)?;
    }
    Ok(())
}

/// Cancels what runs into a resource group and waits until none of it does.
async fn end_deployments(arm: &Arm, group: &str) {
    let prefix = deployments::key(&Scope::Group(group.to_owned()), "");
    let mut pause = tokio::time::interval(DEPLOYMENT_POLL);
    loop {
        pause.tick().await;
        let running = arm.running();
        let mut left = running.iter().filter(|(key, _)| key.starts_with(&prefix)).peekable();
        if left.peek().is_none() {
            break;
        }
        left.for_each(|(_, running)| running.cancel.cancel());
    }
}
