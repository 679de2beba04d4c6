//! After a crash: nothing may be left that says it runs when nobody runs it.

use crate::app::Arm;
use crate::engine::operation;
use crate::error::{ArmError, ErrorBody};
use crate::records::deployments::{self, State};
use crate::records::groups;
use crate::records::operations;

/// Ends the deployments of a dead process as failed, goes on with deletions.
///
/// A deployment is not resumed: its secure parameters were never written down. What it had put stays and goes on; the
/// next PUT of the same name is accepted and finishes the work.
pub(crate) fn restore(arm: &Arm) -> Result<(), ArmError> {
    let all = groups::list(arm)?;
    let deletions: Vec<String> = all.iter().filter_map(|group| group.deletion.clone()).collect();
    operations::sweep(arm, &deletions)?;
    for group in all {
        for deployment in deployments::list(arm, &group.name)? {
            if !deployment.state.is_final() {
                interrupt(arm, deployment)?;
            }
        }
        if let Some(operation) = group.deletion {
            operation::run_deletion(arm, group.name, operation);
        }
    }
    Ok(())
}

fn interrupt(arm: &Arm, mut deployment: deployments::Deployment) -> Result<(), ArmError> {
    let error = ErrorBody::new(
        "OperationPreempted",
        "The service was stopped while the deployment ran. What was deployed stays; run the deployment again.",
    );
    for (order, mut step) in
        deployments::steps(arm, &deployment.group, &deployment.name)?.into_iter().enumerate()
    {
        if !step.state.is_final() {
            (step.state, step.changed, step.error) = (State::Failed, arm.now(), Some(error.clone()));
            deployments::save_step(arm, &deployment.group, &deployment.name, order, &step)?;
        }
    }
    tracing::warn!(deployment = %deployment.name, group = %deployment.group, "interrupted deployment ended as failed");
    deployment.state = State::Failed;
    deployment.changed = arm.now();
    deployment.error = Some(error);
    deployments::advance(arm, &deployment)?;
    Ok(())
}
