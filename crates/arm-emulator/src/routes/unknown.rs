//! What nobody serves, refused as ARM refuses it and with what is served.

use axum::Extension;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::engine::plan::is_deployment;
use crate::error::ArmError;
use crate::providers::{Kind, unknown_type};
use crate::records::roles;
use crate::request::GivenPath;

const SUPPORTED: &str = "/subscriptions, /tenants, /metadata/endpoints, \
     /subscriptions/{id}/(locations|providers|resources|resourcegroups), \
     /subscriptions/{id}/resourcegroups/{name}/resources and the resources of Microsoft.Resources/deployments, \
     Microsoft.ContainerInstance/containerGroups, Microsoft.ContainerRegistry/registries, \
     Microsoft.ManagedIdentity/userAssignedIdentities and Microsoft.Authorization/roleAssignments";

/// No route has this path.
pub(crate) async fn route(Extension(GivenPath(path)): Extension<GivenPath>) -> ArmError {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if segments.any(|segment| segment.eq_ignore_ascii_case("providers"))
        && let Some(namespace) = segments.next()
    {
        let short = segments.next().unwrap_or_default();
        let known = Kind::find(&format!("{namespace}/{short}")).is_ok()
            || is_deployment(&format!("{namespace}/{short}"))
            || format!("{namespace}/{short}").eq_ignore_ascii_case(roles::TYPE)
            || (short.eq_ignore_ascii_case("locations")
                && Kind::ALL.iter().any(|kind| kind.namespace().eq_ignore_ascii_case(namespace)));
        if !known {
            return unknown_type(&format!("{namespace}/{short}"));
        }
    }
    ArmError::not_found(
        "NotFound",
        format!("No route of this service has the path '{path}'. The supported paths are: {SUPPORTED}."),
    )
}

/// A route has this path and not this method.
pub(crate) async fn method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    ArmError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "HttpMethodNotAllowed",
        format!("The HTTP method '{method}' is not supported at '{path}'; the 'Allow' header names those that are."),
    )
    .into_response()
}
