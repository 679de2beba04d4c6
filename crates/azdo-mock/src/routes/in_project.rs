//! What all routes below the project begin with: whether the path names it, and what the caller may do there.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;

use super::extract::Values;
use crate::addresses::Addresses;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::build_refusal::BuildRefusal;
use crate::state::project::Person;
use crate::state::secrets::Caller;
use crate::state::{Moment, State};
use crate::wire::job::PROJECT;

/// A request below the project. The rest of its path is for the handler to take.
#[derive(Debug)]
pub(crate) struct InProject {
    pub(crate) service: AzureDevOps,
    pub(crate) caller: Caller,
}

#[derive(Debug, Deserialize)]
struct ProjectPath {
    scope: String,
}

impl FromRequestParts<AzureDevOps> for InProject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &AzureDevOps) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, service).await?;
        let Values(ProjectPath { scope }) = Values::from_request_parts(parts, service).await?;
        check(service, &scope)?;
        if matches!(caller, Caller::Agent { .. }) {
            return Err(denied("An agent", "View builds").into());
        }
        Ok(Self { service: service.clone(), caller })
    }
}

/// Whether this is the project's name or id.
pub(crate) fn check(service: &AzureDevOps, scope: &str) -> Result<(), BuildRefusal> {
    let id = service.state().meta.project_id;
    let known =
        scope.eq_ignore_ascii_case(PROJECT) || scope.parse::<uuid::Uuid>().is_ok_and(|scope| scope == id);
    known.then_some(()).ok_or_else(|| BuildRefusal::NoProject(scope.to_owned()))
}

fn denied(caller: &'static str, permission: &'static str) -> BuildRefusal {
    BuildRefusal::Denied { caller, permission, project: PROJECT }
}

/// Refuses jobs and agents.
pub(crate) fn require_person(caller: Caller, permission: &'static str) -> Result<(), BuildRefusal> {
    match caller {
        Caller::User { .. } => Ok(()),
        Caller::Agent { .. } | Caller::Job { .. } => Err(denied("The build service", permission)),
    }
}

impl InProject {
    /// Looks at the project.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&State, &Addresses) -> Result<T, BuildRefusal>,
    ) -> Result<T, ApiError> {
        Ok(self.service.read(|state| read(state, self.service.addresses()))??)
    }

    /// Changes something of it.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State, Moment<'_>) -> Result<T, BuildRefusal>,
    ) -> Result<T, ApiError> {
        self.service.change(change)
    }

    /// The same for the pipelines area, which has errors of its own.
    pub(crate) fn change_pipeline<T>(
        &self,
        change: impl FnOnce(&mut State, Moment<'_>) -> Result<T, BuildRefusal>,
    ) -> Result<T, ApiError> {
        self.service.try_change(change)?.map_err(ApiError::in_pipelines)
    }

    /// As [`Self::read`], in the same way.
    pub(crate) fn read_pipeline<T>(
        &self,
        read: impl FnOnce(&State, &Addresses) -> Result<T, BuildRefusal>,
    ) -> Result<T, ApiError> {
        self.service.read(|state| read(state, self.service.addresses()))?.map_err(ApiError::in_pipelines)
    }

    /// Refuses jobs: what they may do to builds they may not do to definitions and queues.
    pub(crate) fn require_person(&self, permission: &'static str) -> Result<(), BuildRefusal> {
        require_person(self.caller, permission)
    }

    /// Who asks.
    pub(crate) fn person(&self) -> Person {
        self.service.state().person(self.caller)
    }
}
