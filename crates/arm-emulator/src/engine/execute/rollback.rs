//! After a failure: the earlier deployment that `onErrorDeployment` names is run again, under its own name and in Complete
//! mode, and the one that failed ends when that has ended.

use super::Run;
use crate::engine::plan::{self, on_error};
use crate::error::ArmError;
use crate::records::deployments::{self, State};

impl Run {
    /// Runs an earlier deployment of the same resource group again; tells how that ended.
    pub(super) async fn roll_back(&self, name: &str) -> State {
        match self.earlier(name).await {
            Ok(run) => run.boxed().await.state,
            Err(error) => {
                error.log();
                tracing::warn!(deployment = name, %error, "the earlier deployment cannot be run again");
                State::Failed
            }
        }
    }

    async fn earlier(&self, name: &str) -> Result<Self, ArmError> {
        let failed = &self.prepared.deployment;
        let scope = &failed.scope;
        let template = deployments::template(&self.arm, scope, name)?;
        let inputs = deployments::inputs(&self.arm, scope, name)?.ok_or_else(|| {
            ArmError::not_found("DeploymentNotFound", format!("Deployment '{name}' could not be found."))
        })?;
        let request = on_error::again(&template, inputs)?;
        let prepared = plan::prepare(&self.arm, scope, name, request, failed.correlation_id.clone()).await?;
        Ok(Self::accept(&self.arm, prepared, self.cancel.child_token(), 1)?.0)
    }
}
