//! Why something of the project was refused. Only `error` knows what each is on the wire.

use super::Refusal;
use crate::wire::ids::{DefinitionId, LeaseId, RunId};

/// Why. The texts are those of the real service where they are public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildRefusal {
    #[error(
        "TF200016: The following project does not exist: {0}. Verify that the name of the project is correct and that \
         the project exists on the specified Azure DevOps Server."
    )]
    NoProject(String),
    #[error("The requested build {0} could not be found.")]
    BuildNotFound(RunId),
    #[error("No completed builds were found for pipeline {0}.")]
    NoCompletedBuild(DefinitionId),
    #[error("The log {log} was not found in build {build}.")]
    LogNotFound { log: i64, build: RunId },
    #[error("The timeline {timeline} was not found in build {build}.")]
    TimelineNotFound { timeline: uuid::Uuid, build: RunId },
    #[error("The artifact {name} was not found for build {build}.")]
    ArtifactNotFound { name: String, build: RunId },
    #[error("The attachment {name} was not found in build {build}.")]
    AttachmentNotFound { name: String, build: RunId },
    #[error(
        "The content of artifact {name} of build {build} is not kept here, only that it was published. Supported: what is \
         known of it, as application/json."
    )]
    ArtifactContent { name: String, build: RunId },
    #[error("The status of build {build} cannot be changed from {from} to {to}.")]
    StatusChange { build: RunId, from: &'static str, to: &'static str },
    #[error("Stage {stage} was not found in build {build}.")]
    StageNotFound { stage: String, build: RunId },
    #[error("Build {0} is retained and cannot be deleted.")]
    BuildRetained(RunId),
    #[error("Build {0} has not ended and cannot be deleted. Cancel it first.")]
    BuildRuns(RunId),
    #[error(
        "TF215016: The build definition {0} does not exist. Specify a valid build definition and try again."
    )]
    DefinitionNotFound(DefinitionId),
    #[error("The build definition {0} already exists in this folder.")]
    DefinitionExists(String),
    #[error(
        "The build definition {definition} was changed by somebody else: its revision is {revision} by now."
    )]
    DefinitionRevision { definition: DefinitionId, revision: i32 },
    #[error("The build definition {0} has builds that are retained and cannot be deleted.")]
    DefinitionRetained(DefinitionId),
    #[error("The build definition {0} is disabled. Enable it to queue a build.")]
    DefinitionDisabled(DefinitionId),
    #[error("No retention lease found with identifier {0}.")]
    LeaseNotFound(LeaseId),
    #[error("The folder {0} does not exist.")]
    FolderNotFound(String),
    #[error("The folder {0} already exists.")]
    FolderExists(String),
    #[error("{0}")]
    InvalidFolder(String),
    #[error("{0}")]
    Property(String),
    #[error("{0}")]
    Repository(String),
    #[error("The source provider {0} was not found. Supported: TfsGit.")]
    NoProvider(String),
    #[error(
        "TF401019: The Git repository with name or identifier {0} does not exist or you do not have permissions for the \
         operation you are attempting."
    )]
    NoRepository(String),
    #[error("TF401180: The requested pull request was not found.")]
    NoPullRequest,
    #[error("{0}")]
    InvalidDefinition(String),
    #[error("{0}")]
    InvalidBuild(String),
    #[error(
        "You can't set the following variables ({}). If you want to be able to set these variables, then edit the pipeline \
         and select Settable at queue time on the variables tab of the pipeline editor.", .0.join(", ")
    )]
    NotSettable(Vec<String>),
    /// Each is one thing that is wrong.
    #[error("{}", .0.join("\n"))]
    Validation(Vec<String>),
    #[error("Pipeline {0} was not found.")]
    PipelineNotFound(DefinitionId),
    #[error("Run {run} was not found in pipeline {pipeline}.")]
    RunNotFound { run: RunId, pipeline: DefinitionId },
    #[error(
        "TF215106: Access denied. {caller} needs {permission} permissions in team project {project} to perform the action. \
         For more information, contact the Azure DevOps administrator."
    )]
    Denied { caller: &'static str, permission: &'static str, project: &'static str },
    #[error(transparent)]
    Other(#[from] Refusal),
}
