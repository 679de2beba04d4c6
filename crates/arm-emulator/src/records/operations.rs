//! Asynchronous operations: what `Location` and `Azure-AsyncOperation` addresses answer from.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_kit::Batch;

use crate::app::Arm;
use crate::error::{ArmError, ErrorBody};
use crate::resource_id::ResourceId;

const TABLE: &str = "arm.operations";
/// How long an operation is remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// An operation as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) subject: Subject,
    pub(crate) started: Timestamp,
}

/// Where the state of an operation is read from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A resource that is being provisioned: its own state counts.
    Provisioning(ResourceId),
    /// Nothing is left to do: what the operation found out.
    Answer(serde_json::Value),
    /// Work of the emulator.
    Work { status: Status, ended: Option<Timestamp>, error: Option<ErrorBody> },
}

/// The words of `azure-docs: async-operations.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    InProgress,
    Succeeded,
    Failed,
    Canceled,
}

/// Starts an operation on `subject` and gives its id.
pub(crate) fn start(arm: &Arm, subject: Subject) -> Result<String, ArmError> {
    let id = arm.new_id().to_string();
    let operation = Operation { id: id.clone(), subject, started: arm.now() };
    arm.store().put(TABLE, &id, &operation)?;
    Ok(id)
}

/// Starts work that ends by [`finish`].
pub(crate) fn start_work(arm: &Arm) -> Result<String, ArmError> {
    start(arm, Subject::Work { status: Status::InProgress, ended: None, error: None })
}

/// Ends work.
pub(crate) fn finish(arm: &Arm, id: &str, outcome: Result<(), ArmError>) -> Result<(), ArmError> {
    let Some(mut operation) = arm.store().get::<Operation>(TABLE, id)? else { return Ok(()) };
    let (status, error) = match outcome {
        Ok(()) => (Status::Succeeded, None),
        Err(error) => {
            error.log();
            (Status::Failed, Some(*error.body))
        }
    };
    operation.subject = Subject::Work { status, ended: Some(arm.now()), error };
    Ok(arm.store().put(TABLE, id, &operation)?)
}

pub(crate) fn get(arm: &Arm, id: &str) -> Result<Operation, ArmError> {
    arm.store().get(TABLE, &id.to_lowercase())?.ok_or_else(|| {
        ArmError::not_found("OperationNotFound", format!("The operation '{id}' could not be found."))
    })
}

/// Ends the work that a dead process left but for what is taken up again, forgets what is old.
pub(crate) fn sweep(arm: &Arm, taken_up: &[String]) -> Result<(), ArmError> {
    let now = arm.now();
    let mut batch = Batch::new();
    for (id, mut operation) in arm.store().list::<Operation>(TABLE)? {
        if taken_up.contains(&id) {
            continue;
        }
        if now.duration_since(operation.started) > KEPT {
            batch = batch.delete(TABLE, &id);
        } else if let Subject::Work { status: status @ Status::InProgress, ended, error } =
            &mut operation.subject
        {
            *status = Status::Failed;
            *ended = Some(now);
            *error = Some(ErrorBody::new(
                "OperationPreempted",
                "The service was stopped while the operation ran. Run it again.",
            ));
            batch = batch.put(TABLE, &id, &operation)?;
        }
    }
    Ok(arm.store().write(batch)?)
}
