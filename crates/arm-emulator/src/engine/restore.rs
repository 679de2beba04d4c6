//! After a crash: nothing may be left that says it runs when nobody runs it.

use crate::app::Arm;
use crate::engine::operation;
use crate::error::{ArmError, ErrorBody};
use crate::records::deployments::{self, Scope, State};
use crate::records::groups;
use crate::records::operations;
use crate::records::resources;

/// Ends the deployments of a dead process as failed, goes on with deletions.
///
/// A deployment is not resumed. What it had put stays and goes on; the
/// next PUT of the same name is accepted and finishes the work.
pub(crate) fn restore(arm: &Arm) -> Result<(), ArmError> {
    let all = groups::list(arm)?;
    let deletions: Vec<String> = all.iter().filter_map(|group| group.deletion.clone()).collect();
    operations::sweep(arm, &deletions)?;
    let groups = all.iter().map(|group| Scope::Group(group.name.clone()));
    let mut scopes: Vec<Scope> = groups.chain([Scope::Subscription, Scope::Tenant]).collect();
    scopes.extend(management_groups(arm)?);
    for scope in scopes {
        for deployment in deployments::list(arm, &scope)? {
            if !deployment.state.is_final() {
                interrupt(arm, deployment)?;
            }
        }
    }
    for group in all {
        if let Some(operation) = group.deletion {
            operation::run_deletion(arm, group.name, operation);
        }
    }
    Ok(())
}

fn management_groups(arm: &Arm) -> Result<Vec<Scope>, ArmError> {
    let is_one = |one: &resources::Stored| {
        let kind = one.id.resource_type();
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Microsoft.Management/managementGroups"))
    };
    let stored = resources::list(arm)?;
    let names = stored.iter().filter(|one| is_one(one)).map(|one| one.id.last_name().to_owned());
    Ok(names.chain([arm.settings().tenant_id.to_string()]).map(Scope::ManagementGroup).collect())
}

fn interrupt(arm: &Arm, mut deployment: deployments::Deployment) -> Result<(), ArmError> {
    let error = ErrorBody::new(
        "OperationPreempted",
        "The service was stopped while the deployment ran. What was deployed stays; run the deployment again.",
    );
    for (order, mut step) in
        deployments::steps(arm, &deployment.scope, &deployment.name)?.into_iter().enumerate()
    {
        if !step.state.is_final() {
            (step.state, step.changed, step.error) = (State::Failed, arm.now(), Some(error.clone()));
            deployments::save_step(arm, &deployment.scope, &deployment.name, order, &step)?;
        }
    }
    tracing::warn!(deployment = %deployment.name, scope = deployment.scope.key(), "interrupted deployment ended as failed");
    deployment.state = State::Failed;
    deployment.changed = arm.now();
    deployment.error = Some(error);
    deployments::advance(arm, &deployment)?;
    Ok(())
}
