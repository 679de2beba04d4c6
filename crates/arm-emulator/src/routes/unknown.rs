//! What nobody serves, refused as ARM refuses it and with what is served.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::error::ArmError;

const SUPPORTED: &str = "/subscriptions, /tenants, /providers, /metadata/endpoints, \
     /subscriptions/{id}/(locations|providers|resources|resourcegroups|tagNames), \
     /subscriptions/{id}/resourcegroups/{name}/(resources|exportTemplate|moveResources|validateMoveResources), the \
     deployments of any scope (Microsoft.Resources/deployments), and below any scope \
     /providers/{namespace}/{type}[/{name}] for resources of every type";

/// No route has this path.
pub(crate) fn route(path: &str) -> ArmError {
    ArmError::not_found(
        "NotFound",
        format!("No route of this service has the path '{path}'. The supported paths are: {SUPPORTED}."),
    )
}

/// A route has this path and not this method.
pub(crate) async fn method(request: Request) -> Response {
    not_allowed(request.method(), request.uri().path()).into_response()
}

pub(crate) fn not_allowed(method: &Method, path: &str) -> ArmError {
    ArmError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "HttpMethodNotAllowed",
        format!("The HTTP method '{method}' is not supported at '{path}'."),
    )
}
