//! What all routes below a plan begin with: which plan, and whether the caller may reach it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;

use super::extract::Values;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::plans::Plan;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::{Moment, State};
use crate::wire::ids::PlanId;
use crate::wire::job::PROJECT;

/// A request below a plan. The rest of its path is for the handler to take.
#[derive(Debug)]
pub(crate) struct InPlan {
    pub(crate) service: AzureDevOps,
    pub(crate) caller: Caller,
    path: PlanPath,
}

#[derive(Debug, Deserialize)]
struct PlanPath {
    scope: String,
    hub: String,
    plan: PlanId,
}

impl FromRequestParts<AzureDevOps> for InPlan {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &AzureDevOps) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, service).await?;
        let Values(path) = Values::from_request_parts(parts, service).await?;
        Ok(Self { service: service.clone(), caller, path })
    }
}

impl InPlan {
    /// The plan's id, as the path names it.
    pub(crate) fn id(&self) -> PlanId {
        self.path.plan
    }

    /// Looks at the plan, if the path's project and hub are its own and the caller may reach it.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&State, &Plan) -> Result<T, Refusal>,
    ) -> Result<T, ApiError> {
        Ok(self.service.read(|state| read(state, self.open(state)?))??)
    }

    /// Changes something of the plan, under the same conditions.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State, PlanId, Moment<'_>) -> Result<T, Refusal>,
    ) -> Result<T, ApiError> {
        self.service.change(|state, moment| {
            let plan = self.open(state)?.id;
            change(state, plan, moment)
        })
    }

    fn open<'a>(&self, state: &'a State) -> Result<&'a Plan, Refusal> {
        let PlanPath { scope, hub, plan: id } = &self.path;
        self.caller.check_plan(*id)?;
        let project = state.meta.project_id.to_string();
        let known = scope.eq_ignore_ascii_case(&project) || scope.eq_ignore_ascii_case(PROJECT);
        if !known || !hub.eq_ignore_ascii_case(state.hub(*id)) {
            return Err(Refusal::PlanNotFound(*id));
        }
        let plan = state.plan(*id)?;
        if let Caller::Agent { id: agent, .. } = self.caller
            && !state.requests.get(&plan.request_id).is_some_and(|request| request.is_of(agent))
        {
            return Err(Refusal::Denied(format!("The agent has no permission on plan {id}.")));
        }
        Ok(plan)
    }
}
