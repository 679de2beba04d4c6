//! What nobody serves, refused as ARM refuses it and with what is served.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::error::ArmError;
use crate::providers::{Kind, unknown_type};

const SUPPORTED: &str = "/subscriptions, /tenants, /metadata/endpoints, \
     /subscriptions/{id}/(locations|providers|resources|resourcegroups), \
     /subscriptions/{id}/resourcegroups/{name}/resources and the resources of Microsoft.Resources/deployments, \
     Microsoft.ContainerInstance/containerGroups and Microsoft.ContainerRegistry/registries";

/// No route has this path.
pub(crate) async fn route(request: Request) -> ArmError {
    let path = request.uri().path();
    let mut segments = path.split('/').skip_while(|segment| *segment != "providers").skip(1);
    if let Some(namespace) = segments.next() {
        let kind = segments.next().unwrap_or_default();
        let resource_type = format!("{namespace}/{kind}");
        let known = Kind::find(&resource_type).is_ok()
            || resource_type == "microsoft.resources/deployments"
            || (kind == "locations"
                && Kind::ALL.iter().any(|known| known.namespace().eq_ignore_ascii_case(namespace)));
        if !known {
            return unknown_type(&resource_type);
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
