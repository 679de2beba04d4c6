//! Errors as the service writes them: `typeKey` decides what a client does, so it has to be right.
//!
//! Source: actions/runner: WrappedException.cs (the envelope), Exceptions.cs (the names).

mod absent;
mod builds;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use service_kit::StoreError;
use uuid::Uuid;

pub(crate) use self::absent::Absent;
use crate::state::refusal::Refusal;
use crate::wire::locations;
use crate::wire::version::VersionRefusal;

const TASK: &str = "Microsoft.TeamFoundation.DistributedTask.WebApi";
const SERVICES: &str = "Microsoft.VisualStudio.Services.WebApi";
const FRAMEWORK: &str = "Microsoft.TeamFoundation.Framework.Server";
const COMMON: &str = "Microsoft.VisualStudio.Services.Common";

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read or written.
    #[error("restore the organization from the store")]
    Store(#[from] StoreError),
    /// A document's key is not one of ours.
    #[error("the store holds a document with the unexpected key `{0}`")]
    Key(String),
    /// The organization's name cannot be part of an address.
    #[error("`{0}` is not an organization name: letters, digits, `-`, `_` and `.` are supported")]
    Organization(String),
    /// The address does not name the organization.
    #[error(
        "the address `{base}` is not `scheme://host/{organization}`, `scheme://{organization}.host` or \
         `scheme://host/path/{organization}`"
    )]
    Base {
        /// The address.
        base: String,
        /// The name that should be in it.
        organization: String,
    },
    /// An agent package is not named as Microsoft names them.
    #[error("`{0}` is not named `vsts-agent-<platform>-<version>.tar.gz` or `.zip`")]
    Package(String),
    /// Sessions of before could not be ended.
    #[error("end the sessions of before: {0}")]
    Sessions(String),
    /// The folder for logs could not be made.
    #[error("make the folder for logs")]
    Logs(#[source] std::io::Error),
}

/// An error on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    namespace: &'static str,
    assembly: &'static str,
    type_key: &'static str,
    message: String,
    /// `customProperties`: what the error's type has beside its text.
    properties: Option<Box<Value>>,
}

impl ApiError {
    fn new(
        status: StatusCode,
        namespace: &'static str,
        type_key: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, namespace, assembly: namespace, type_key, message: message.into(), properties: None }
    }

    /// No route has this path.
    pub(crate) fn unknown_route(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "System.Web",
            "HttpException",
            format!(
                "The controller for path '{path}' was not found or does not implement IController. Supported: {}",
                locations::supported()
            ),
        )
    }

    /// The route has no such method. `why` is there where the service has it and it is not served here.
    pub(crate) fn wrong_method(method: &str, path: &str, why: Option<&str>) -> Self {
        let text = format!("The requested resource '{path}' does not support http method '{method}'.");
        let text = why.map_or_else(|| text.clone(), |why| format!("{text} {why}"));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "System.Web", "HttpException", text)
    }

    /// No usable credential.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            FRAMEWORK,
            "UnauthorizedRequestException",
            "TF400813: The user is not authorized to access this resource.",
        )
    }

    /// A good personal access token that was made for something else. Status and body are those of a recording
    /// (microsoft/azure-pipelines-tasks#11559); tokens with too few scopes are reported to get 401
    /// (microsoft/azure-pipelines-agent#519, rfennell/AzurePipelines#1547).
    pub(crate) fn out_of_scope() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            FRAMEWORK,
            "UnauthorizedRequestException",
            "TF400813: The user '' is not authorized to access this resource.",
        )
    }

    /// A personal access token whose time is over.
    pub(crate) fn expired_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Microsoft.VisualStudio.Services.Security",
            "AccessCheckException",
            "Access Denied: The Personal Access Token used has expired.",
        )
    }

    /// A principal of the directory that was never added to the organization.
    pub(crate) fn stranger(tenant: Uuid, object: Uuid) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            FRAMEWORK,
            "UnauthorizedRequestException",
            format!(
                "TF401444: Please sign-in at least once as {tenant}\\{tenant}\\{object} in a web browser to enable \
                 access to the service."
            ),
        )
    }

    /// A value of the path, the query or the body is not usable.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, COMMON, "VssPropertyValidationException", message)
    }

    /// The body is not what the resource takes.
    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "System", "ArgumentException", message)
    }

    /// The body has another media type than the resource takes.
    pub(crate) fn media_type(found: &str, supported: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "System.Net.Http.Formatting",
            "UnsupportedMediaTypeException",
            format!(
                "The request entity's media type '{found}' is not supported for this resource. Supported: {supported}"
            ),
        )
    }

    /// The body is longer than the resource takes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "System.Web",
            "HttpException",
            format!("Maximum request length exceeded: {limit} bytes."),
        )
    }

    /// What the address names is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, COMMON, "VssResourceNotFoundException", message)
    }

    /// The task is not served.
    pub(crate) fn task(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, TASK, "TaskDefinitionNotFoundException", message)
    }

    /// Something of ours failed; the cause goes to the log, not to the caller.
    pub(crate) fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "the request could not be carried out");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            FRAMEWORK,
            "TeamFoundationServiceException",
            "An internal error occurred.",
        )
    }

    /// An error that was asked for.
    pub(crate) fn fault(status: StatusCode) -> Self {
        Self::new(status, FRAMEWORK, "TeamFoundationServiceException", "This error was asked for.")
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The text.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, type_key) = match &refusal {
            Refusal::PoolNotFound(_) => (StatusCode::NOT_FOUND, "TaskAgentPoolNotFoundException"),
            Refusal::PoolExists(_) => (StatusCode::CONFLICT, "TaskAgentPoolExistsException"),
            Refusal::AgentNotFound { .. } => (StatusCode::NOT_FOUND, "TaskAgentNotFoundException"),
            Refusal::AgentExists { .. } => (StatusCode::CONFLICT, "TaskAgentExistsException"),
            Refusal::AgentBusy { .. } => (StatusCode::CONFLICT, "TaskAgentJobStillRunningException"),
            Refusal::SessionConflict { .. } => (StatusCode::CONFLICT, "TaskAgentSessionConflictException"),
            Refusal::SessionExpired => (StatusCode::FORBIDDEN, "TaskAgentSessionExpiredException"),
            // Asks for a new token, which the replaced key does not get.
            Refusal::KeyReplaced => return Self::unauthorized(),
            Refusal::JobNotFound(_) => (StatusCode::NOT_FOUND, "TaskAgentJobNotFoundException"),
            Refusal::JobTokenExpired { .. } => (StatusCode::CONFLICT, "TaskAgentJobTokenExpiredException"),
            Refusal::PlanNotFound(_) => (StatusCode::NOT_FOUND, "TaskOrchestrationPlanNotFoundException"),
            Refusal::TimelineNotFound { .. } => (StatusCode::NOT_FOUND, "TimelineNotFoundException"),
            Refusal::TimelineExists { .. } => (StatusCode::CONFLICT, "TimelineExistsException"),
            Refusal::RecordNotFound { .. } => (StatusCode::NOT_FOUND, "TimelineRecordNotFoundException"),
            Refusal::LogNotFound { .. } => {
                (StatusCode::NOT_FOUND, "TaskOrchestrationPlanLogNotFoundException")
            }
            Refusal::QueueNotFound(_) => (StatusCode::NOT_FOUND, "TaskAgentQueueNotFoundException"),
            Refusal::QueueExists(_) => (StatusCode::CONFLICT, "TaskAgentQueueExistsException"),
            Refusal::VariableGroupNotFound(_) => (StatusCode::NOT_FOUND, "VariableGroupNotFoundException"),
            Refusal::VariableGroupExists(_) => (StatusCode::CONFLICT, "VariableGroupExistsException"),
            Refusal::MaintenanceDefinitionNotFound(_) => {
                (StatusCode::NOT_FOUND, "TaskAgentPoolMaintenanceDefinitionNotFoundException")
            }
            Refusal::MaintenanceJobNotFound(_) => {
                (StatusCode::NOT_FOUND, "TaskAgentPoolMaintenanceJobNotFoundException")
            }
            Refusal::MaintenanceNotEnabled(_) => {
                (StatusCode::BAD_REQUEST, "TaskAgentPoolMaintenanceNotEnabledException")
            }
            Refusal::MaintenanceRuns(_) => (StatusCode::CONFLICT, "TaskAgentJobStillRunningException"),
            Refusal::Denied(_) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Refusal::Invalid(message) => return Self::invalid(message.clone()),
        };
        Self::new(status, TASK, type_key, refusal.to_string())
    }
}

impl From<VersionRefusal> for ApiError {
    fn from(refusal: VersionRefusal) -> Self {
        let (type_key, message) = match refusal {
            VersionRefusal::OutOfRange(version) => (
                "VssVersionOutOfRangeException",
                format!(
                    "The requested REST API version of {version} is out of range for this server. The latest REST \
                     API version this server supports is 7.2."
                ),
            ),
            VersionRefusal::NeedsPreview(version) => (
                "VssInvalidPreviewVersionException",
                format!(
                    "The requested version \"{version}\" of the resource is under preview. The -preview flag must be \
                     supplied in the api-version for such requests. For example: \"{version}-preview\""
                ),
            ),
            VersionRefusal::Malformed(text) => (
                "VssVersionNotSpecifiedException",
                format!(
                    "Invalid api version string: \"{text}\". Api version string must be in the format: \
                     {{Major}}.{{Minor}}[-preview[.{{ResourceVersion}}]]."
                ),
            ),
            VersionRefusal::Missing(method) => (
                "VssVersionNotSpecifiedException",
                format!(
                    "No api-version was supplied for the \"{method}\" request. The version must be supplied either \
                     as part of the Accept header (e.g. \"application/json; api-version=1.0\") or as a query \
                     parameter (e.g. \"?api-version=1.0\")."
                ),
            ),
        };
        Self::new(StatusCode::BAD_REQUEST, SERVICES, type_key, message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "$id": "1",
            "innerException": null,
            "message": &self.message,
            "typeName": format!("{}.{}, {}", self.namespace, self.type_key, self.assembly),
            "typeKey": self.type_key,
            "errorCode": 0,
            "eventId": 3000,
        });
        if let Some(properties) = self.properties {
            body["customProperties"] = *properties;
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            // Clients look for their own scheme among the challenges before they send a credential.
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            headers
                .append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"azure-devops\""));
        }
        // Clients take the text from here where the body is not theirs to read.
        let text: String = url::form_urlencoded::byte_serialize(self.message.as_bytes()).collect();
        if let Ok(text) = HeaderValue::from_str(&text) {
            response.headers_mut().insert("x-tfs-serviceerror", text);
        }
        response
    }
}
