//! Errors for things of kinds that nobody can make here: whatever id is asked for, it is not there.
//!
//! Names: actions/runner: DTWebApi/Exceptions.cs. The texts are not published; they follow the one for pools.

use axum::http::StatusCode;

use super::{ApiError, COMMON, TASK};

const BUILD: &str = "Microsoft.TeamFoundation.Build.WebApi";
const CORE: &str = "Microsoft.TeamFoundation.Core.WebApi";

/// A kind of things that the service has and of which there are none here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    AgentCloud,
    BuildController,
    ConnectedService,
    DefinitionTemplate,
    DeploymentGroup,
    Environment,
    SecureFile,
    ServiceEndpoint,
    TaskGroup,
}

impl Absent {
    /// What the path calls its id.
    pub(crate) fn part(self) -> &'static str {
        match self {
            Self::AgentCloud => "cloud",
            Self::BuildController => "controller",
            Self::ConnectedService => "name",
            Self::DefinitionTemplate => "template",
            Self::DeploymentGroup => "group",
            Self::Environment => "environment",
            Self::SecureFile => "file",
            Self::ServiceEndpoint => "endpoint",
            Self::TaskGroup => "group",
        }
    }

    /// The error for whoever asks for one of them.
    pub(crate) fn error(self, id: &str) -> ApiError {
        let (namespace, type_key, what) = match self {
            Self::AgentCloud => (TASK, "TaskAgentCloudNotFoundException", "agent cloud"),
            Self::BuildController => (BUILD, "BuildControllerNotFoundException", "build controller"),
            Self::ConnectedService => (CORE, "ConnectedServiceNotFoundException", "connected service"),
            Self::DefinitionTemplate => {
                (BUILD, "DefinitionTemplateNotFoundException", "build definition template")
            }
            Self::DeploymentGroup => (TASK, "DeploymentGroupNotFoundException", "deployment group"),
            Self::Environment => (TASK, "EnvironmentNotFoundException", "environment"),
            Self::SecureFile => (TASK, "SecureFileNotFoundException", "secure file"),
            Self::ServiceEndpoint => (COMMON, "ServiceEndpointNotFoundException", "service endpoint"),
            Self::TaskGroup => (TASK, "MetaTaskDefinitionNotFoundException", "task group"),
        };
        let text = format!("No {what} found with identifier {id}.");
        ApiError::new(StatusCode::NOT_FOUND, namespace, type_key, text)
    }
}
