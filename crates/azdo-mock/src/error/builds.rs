//! Errors of the project's areas: core, build, pipelines.
//!
//! Names: actions/runner: BuildExceptions.cs; public error reports (namespaces, statuses of those that are quoted there).

use axum::http::StatusCode;
use serde_json::json;

use super::ApiError;
use crate::state::build_refusal::BuildRefusal;

const CORE: (&str, &str) = ("Microsoft.TeamFoundation.Core.WebApi", "Microsoft.TeamFoundation.Core.WebApi");
const BUILD: (&str, &str) =
    ("Microsoft.TeamFoundation.Build.WebApi", "Microsoft.TeamFoundation.Build2.WebApi");
const PATCH: (&str, &str) =
    ("Microsoft.VisualStudio.Services.WebApi.Patch", "Microsoft.VisualStudio.Services.WebApi");
const GIT: (&str, &str) = ("Microsoft.TeamFoundation.Git.Server", "Microsoft.TeamFoundation.Git.Server");
const PIPELINES: (&str, &str) = ("Microsoft.Azure.Pipelines.WebApi", "Microsoft.Azure.Pipelines.WebApi");

impl From<BuildRefusal> for ApiError {
    fn from(refusal: BuildRefusal) -> Self {
        let message = refusal.to_string();
        let (status, origin, type_key) = match refusal {
            BuildRefusal::NoProject(name) if name.parse::<uuid::Uuid>().is_ok() => {
                (StatusCode::NOT_FOUND, CORE, "ProjectDoesNotExistException")
            }
            BuildRefusal::NoProject(_) => {
                (StatusCode::NOT_FOUND, CORE, "ProjectDoesNotExistWithNameException")
            }
            BuildRefusal::BuildNotFound(_) | BuildRefusal::NoCompletedBuild(_) => {
                (StatusCode::NOT_FOUND, BUILD, "BuildNotFoundException")
            }
            BuildRefusal::LogNotFound { .. } => (StatusCode::NOT_FOUND, BUILD, "BuildLogNotFoundException"),
            BuildRefusal::TimelineNotFound { .. } => {
                (StatusCode::NOT_FOUND, BUILD, "TimelineNotFoundException")
            }
            BuildRefusal::StageNotFound { .. } => (StatusCode::NOT_FOUND, BUILD, "StageNotFoundException"),
            BuildRefusal::AttachmentNotFound { .. } => {
                (StatusCode::NOT_FOUND, BUILD, "AttachmentNotFoundException")
            }
            BuildRefusal::ArtifactNotFound { .. } | BuildRefusal::ArtifactContent { .. } => {
                (StatusCode::NOT_FOUND, BUILD, "ArtifactNotFoundException")
            }
            BuildRefusal::StatusChange { .. } => {
                (StatusCode::BAD_REQUEST, BUILD, "BuildStatusInvalidChangeException")
            }
            BuildRefusal::BuildRetained(_) => {
                (StatusCode::CONFLICT, BUILD, "CannotDeleteRetainedBuildException")
            }
            BuildRefusal::BuildRuns(_) | BuildRefusal::InvalidBuild(_) => {
                (StatusCode::BAD_REQUEST, BUILD, "InvalidBuildException")
            }
            BuildRefusal::DefinitionNotFound(_) => {
                (StatusCode::NOT_FOUND, BUILD, "DefinitionNotFoundException")
            }
            BuildRefusal::DefinitionExists(_) => (StatusCode::CONFLICT, BUILD, "DefinitionExistsException"),
            BuildRefusal::DefinitionRevision { .. } => {
                (StatusCode::CONFLICT, BUILD, "InvalidDefinitionException")
            }
            BuildRefusal::DefinitionRetained(_) => {
                (StatusCode::CONFLICT, BUILD, "CannotDeleteDefinitionWithRetainedBuildsException")
            }
            BuildRefusal::DefinitionDisabled(_) => {
                (StatusCode::BAD_REQUEST, BUILD, "DefinitionDisabledException")
            }
            BuildRefusal::LeaseNotFound(_) => {
                (StatusCode::NOT_FOUND, BUILD, "RetentionLeaseNotFoundException")
            }
            BuildRefusal::FolderNotFound(_) => (StatusCode::NOT_FOUND, BUILD, "FolderNotFoundException"),
            BuildRefusal::FolderExists(_) => (StatusCode::CONFLICT, BUILD, "FolderExistsException"),
            BuildRefusal::InvalidFolder(_) => (StatusCode::BAD_REQUEST, BUILD, "InvalidFolderException"),
            BuildRefusal::Property(_) => (StatusCode::BAD_REQUEST, PATCH, "PatchOperationFailedException"),
            BuildRefusal::NoProvider(_) => (StatusCode::NOT_FOUND, BUILD, "SourceProviderNotFoundException"),
            BuildRefusal::NoRepository(_) => (StatusCode::NOT_FOUND, GIT, "GitRepositoryNotFoundException"),
            BuildRefusal::NoPullRequest => (StatusCode::NOT_FOUND, GIT, "GitPullRequestNotFoundException"),
            BuildRefusal::Repository(_) => (StatusCode::NOT_FOUND, GIT, "GitItemNotFoundException"),
            BuildRefusal::InvalidDefinition(_) => {
                (StatusCode::BAD_REQUEST, BUILD, "InvalidDefinitionException")
            }
            BuildRefusal::NotSettable(_) => {
                (StatusCode::BAD_REQUEST, PIPELINES, "PipelineValidationException")
            }
            BuildRefusal::Validation(faults) => return invalid_request(&faults),
            BuildRefusal::PipelineNotFound(_) => {
                (StatusCode::NOT_FOUND, PIPELINES, "PipelineNotFoundException")
            }
            BuildRefusal::RunNotFound { .. } => (StatusCode::NOT_FOUND, PIPELINES, "RunNotFoundException"),
            BuildRefusal::Denied { .. } => (StatusCode::FORBIDDEN, BUILD, "AccessDeniedException"),
            BuildRefusal::Other(refusal) => return refusal.into(),
        };
        made(status, origin, type_key, message)
    }
}

fn made(
    status: StatusCode,
    (namespace, assembly): (&'static str, &'static str),
    type_key: &'static str,
    message: String,
) -> ApiError {
    ApiError { assembly, ..ApiError::new(status, namespace, type_key, message) }
}

/// The text tells nothing of what is wrong; the list beside it does (Azure/azure-devops-cli-extension#1032).
fn invalid_request(faults: &[String]) -> ApiError {
    let results: Vec<_> =
        faults.iter().map(|message| json!({"result": "error", "message": message})).collect();
    let text = "Could not queue the build because there were validation errors or warnings.";
    let error =
        made(StatusCode::BAD_REQUEST, BUILD, "BuildRequestValidationFailedException", text.to_owned());
    ApiError { properties: Some(Box::new(json!({"ValidationResults": results}))), ..error }
}

impl ApiError {
    /// The same as the pipelines area says it, whose text has all there is to tell.
    pub(crate) fn in_pipelines(refusal: BuildRefusal) -> Self {
        let message = refusal.to_string();
        let (status, type_key) = match refusal {
            BuildRefusal::DefinitionNotFound(id) => return BuildRefusal::PipelineNotFound(id).into(),
            BuildRefusal::Validation(_) => (StatusCode::BAD_REQUEST, "PipelineValidationException"),
            BuildRefusal::DefinitionExists(_) => (StatusCode::CONFLICT, "PipelineExistsException"),
            BuildRefusal::InvalidDefinition(_) | BuildRefusal::InvalidBuild(_) => {
                (StatusCode::BAD_REQUEST, "InvalidPipelineException")
            }
            other => return other.into(),
        };
        made(status, PIPELINES, type_key, message)
    }
}
