//! Every route, one module per resource. Paths arrive in the spelling of `resource_id::normalise_path`.

mod any;
mod container_groups;
mod container_locations;
mod container_sessions;
mod deployments;
mod graph;
mod group_actions;
mod identities;
mod metadata;
mod operations;
mod providers;
mod registries;
mod registry_access;
mod registry_children;
mod resource_groups;
mod resources;
mod subscription_checks;
mod subscriptions;
mod tag_names;
mod unknown;

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use tower::{Service, ServiceBuilder};

use crate::app::Arm;
use crate::control;
use crate::request;

pub(crate) fn router(arm: Arm) -> Router {
    let streams = container_sessions::streams()
        .route_layer(from_fn_with_state(arm.clone(), control::pass_arm))
        .with_state(arm.clone());
    let routes = admitted(&arm)
        .layer(from_fn_with_state(arm.clone(), request::let_in))
        .layer(from_fn_with_state(arm.clone(), control::pass_arm));
    streams.fallback_service(normalised(routes, arm))
}

/// The same for the sandbox itself: past faults and journal, and also while nobody else is let in.
pub(crate) fn without_traffic(arm: Arm) -> Router {
    let routes = admitted(&arm);
    Router::new().fallback_service(normalised(routes, arm))
}

fn admitted(arm: &Arm) -> Router<Arm> {
    Router::new()
        .merge(metadata::routes())
        .merge(subscriptions::routes())
        .merge(resource_groups::routes())
        .merge(resources::routes())
        .merge(providers::routes())
        .merge(deployments::routes())
        .merge(container_groups::routes())
        .merge(registries::routes())
        .merge(identities::routes())
        .merge(graph::routes())
        .merge(group_actions::routes())
        .merge(subscription_checks::routes())
        .merge(tag_names::routes())
        .merge(operations::routes())
        .fallback(any::route)
        .method_not_allowed_fallback(unknown::method)
        .layer(from_fn_with_state(arm.clone(), request::admit))
}

/// Layers of a router run after routing, so the path is rewritten in front of it.
fn normalised(
    routes: Router<Arm>,
    arm: Arm,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync {
    let routes = routes.layer(from_fn_with_state(arm.clone(), request::identify)).with_state(arm);
    ServiceBuilder::new().map_request(request::normalise as fn(Request) -> Request).service(routes)
}
