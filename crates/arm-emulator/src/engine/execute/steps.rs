//! The steps of a run, as they are recorded for `operations`.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;

use super::Run;
use crate::control::events::EventKind;
use crate::error::{ArmError, ErrorBody};
use crate::records::deployments::{self, State, Step, Target};

impl Run {
    pub(super) fn begin(&self, operation: &str, target: Option<Target>) -> Result<(usize, Step), ArmError> {
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
    pub(super) fn end(
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
        if let Some(target) = step.target {
            self.arm.tell(EventKind::StepEnded {
                deployment: self.prepared.deployment.id(&self.arm),
                id: target.id,
                operation: step.provisioning_operation,
                state: step.state.word(),
                code: step.error.map(|error| error.code),
            });
        }
        ended
    }

    fn save(&self, order: usize, step: &Step) -> Result<(), ArmError> {
        let deployment = &self.prepared.deployment;
        deployments::save_step(&self.arm, &deployment.scope, &deployment.name, order, step)
    }
}

/// Why a resource does not succeed.
pub(super) enum Unfinished {
    Failed(ErrorBody),
    Canceled,
}

pub(super) enum StepError {
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

pub(super) fn terminal_failure(details: Vec<ErrorBody>) -> ArmError {
    ArmError::conflict(
        "ResourceDeploymentFailure",
        "The resource write operation failed to complete successfully, because it reached terminal provisioning state \
         'Failed'.",
    )
    .with_details(details)
}

/// The word that ARM uses for a status: `BadRequest`, `OK`.
fn status_word(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Unknown").replace(' ', "")
}
