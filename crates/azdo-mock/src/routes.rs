//! The emulated wire: one file per resource, small handlers.

mod absent;
mod agents;
mod build_attachments;
mod build_filter;
mod build_logs;
mod build_parts;
mod builds;
mod connection;
mod definition_parts;
mod definitions;
pub(crate) mod extract;
mod folders;
mod in_plan;
mod in_project;
mod job_requests;
mod logs;
mod maintenance;
mod messages;
mod metrics;
mod packages;
mod pipelines;
mod plans;
mod pools;
mod project_parts;
mod projects;
mod properties;
mod queues;
mod resources;
mod retention;
mod sessions;
mod sources;
mod table;
mod tasks;
mod telemetry;
#[cfg(test)]
mod tests;
mod token;
mod variable_groups;

use axum::Router;
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::{Method, Uri, uri::PathAndQuery};
use axum::middleware;
use axum::routing::{options, post};
use tower::Layer;
use tower::util::MapRequestLayer;

use self::table::table;
use crate::app::AzureDevOps;
use crate::auth;
use crate::check::Check;
use crate::error::ApiError;
use crate::watch;
use crate::wire::paths;

/// Everything under the organization's address; what is not there gets the service's own error.
pub(crate) fn router(service: &AzureDevOps) -> Router {
    let prefix = service.addresses().prefix().to_owned();
    let routes = table(&prefix).router;
    let watching = service.clone();
    let token = service.addresses().token_path();
    let routes = if token.starts_with(&prefix) { routes } else { routes.route(&token, post(token::issue)) };
    let routes = match service.addresses().above() {
        Some(above) => routes.route(&above, options(connection::above)),
        None => routes,
    };
    let routes = routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(service.clone(), auth::gate))
        .layer(Check(move |request: &Request| {
            watch::access_tokens(&watching, request);
            Ok(())
        }))
        .with_state(service.clone());
    // Paths are brought to one form before they are routed.
    let canonical = MapRequestLayer::new(move |request: Request| canonical(request, &prefix));
    Router::new().fallback_service(canonical.layer(routes))
}

fn canonical(mut request: Request, prefix: &str) -> Request {
    let path = paths::canonical(request.uri().path(), prefix);
    let joined = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(path) = PathAndQuery::try_from(joined) {
        *request.uri_mut() = Uri::from(path);
    }
    request
}

async fn unknown_route(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::unknown_route(uri.path())
}

async fn wrong_method(
    State(service): State<AzureDevOps>,
    method: Method,
    matched: Option<MatchedPath>,
    OriginalUri(uri): OriginalUri,
) -> ApiError {
    let matched = matched.as_ref().and_then(|path| path.as_str().strip_prefix(service.addresses().prefix()));
    let why = matched.and_then(|path| absent::why(&method, path));
    ApiError::wrong_method(method.as_str(), uri.path(), why)
}
