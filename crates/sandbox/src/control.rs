//! The control API: how a test author and the `mayfly` commands reach into a sandbox. It listens on 127.0.0.1 on a
//! port of its own, never under an emulated path.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use container_groups::Groups;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use service_kit::{ControlError, ResetBody};
use tokio::sync::Notify;

use crate::whole::Whole;
use crate::{clock, seeding, snapshot};

/// What the control API can reach beside the emulators' own control routes.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) token: SecretString,
    pub(crate) port: u16,
    pub(crate) instance: String,
    pub(crate) groups: Groups,
    pub(crate) whole: Whole,
    pub(crate) stop: Arc<Notify>,
}

/// The control routes behind their guard.
pub(crate) fn router(control: Control, entra: Router) -> Router {
    let azdo = &control.whole.azdo;
    Router::new()
        .route("/health", get(health))
        .route("/stop", post(stop))
        .route("/groups", get(groups))
        .route("/reset", post(reset))
        .route("/seed", post(seeding::seed))
        .route("/snapshot", post(snapshot::take))
        .route("/restore", post(snapshot::restore))
        .with_state(control.clone())
        // One clock for all services: Azure DevOps', which knows what is to happen when it is moved.
        .nest("/clock", azdo.clock_router())
        .nest("/azdo", azdo.control_router())
        .nest("/arm", control.whole.arm.control_router())
        .nest("/entra", entra)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(control.clone(), keep_clock))
        .layer(middleware::from_fn_with_state(control, guard))
}

/// Lets only those in who read the token from the owner's file. `Host` is checked against DNS rebinding, `Origin`
/// refused because no page of a browser has business here.
async fn guard(State(control): State<Control>, request: Request, next: Next) -> Response {
    match refusal(&control, request.headers()) {
        Some((status, why)) => ControlError(status, why.to_string()).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(control: &Control, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let hosts = [format!("127.0.0.1:{}", control.port), format!("localhost:{}", control.port)];
    if !text(header::HOST).is_some_and(|host| hosts.iter().any(|known| known == host)) {
        return Some((
            StatusCode::MISDIRECTED_REQUEST,
            "the control API answers to 127.0.0.1 and localhost alone",
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        return Some((StatusCode::FORBIDDEN, "the control API takes no requests from web pages"));
    }
    let expected = format!("Bearer {}", control.token.expose_secret());
    let given = text(header::AUTHORIZATION).unwrap_or_default();
    if !same(expected.as_bytes(), given.as_bytes()) {
        return Some((
            StatusCode::UNAUTHORIZED,
            "send the control token from `sandbox.json` as bearer token",
        ));
    }
    None
}

/// Compares without telling by the time it takes how much was right.
fn same(expected: &[u8], given: &[u8]) -> bool {
    expected.len() == given.len() && expected.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// A clock that was moved is kept before that is answered, by whatever route it was.
async fn keep_clock(State(control): State<Control>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match clock::keep(&control.whole.clock, &control.whole.store) {
        Ok(()) => response,
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

async fn health(State(control): State<Control>) -> Response {
    Json(json!({ "instance": control.instance, "processId": std::process::id(), "status": "ready" }))
        .into_response()
}

async fn stop(State(control): State<Control>) -> Response {
    control.stop.notify_one();
    (StatusCode::ACCEPTED, Json(json!({ "status": "stopping" }))).into_response()
}

/// Everything goes back to how it began.
async fn reset(
    State(control): State<Control>,
    body: Result<Option<Json<ResetBody>>, JsonRejection>,
) -> Response {
    let seeds = match body.map(|body| body.unwrap_or_default().0.seeds) {
        Ok(seeds) => seeds,
        Err(error) => return ControlError::from(error).into_response(),
    };
    match control.whole.reset(seeds).await {
        Ok(groups) => Json(json!({ "containerGroups": groups })).into_response(),
        Err(error) => failed(StatusCode::CONFLICT, &error),
    }
}

fn failed(status: StatusCode, error: &dyn std::error::Error) -> Response {
    ControlError::failed(status, error).into_response()
}

/// Which container each group has now, so that a person can tell containers apart over restarts.
async fn groups(State(control): State<Control>) -> Response {
    let listed: Vec<_> = control
        .groups
        .list()
        .iter()
        .map(|group| {
            let containers: Vec<_> = group
                .containers
                .iter()
                .map(|one| {
                    json!({ "name": one.name, "image": one.image, "containerId": one.container_id,
                                   "restartCount": one.restart_count })
                })
                .collect();
            json!({ "id": group.id.to_string(), "name": group.name, "containers": containers })
        })
        .collect();
    Json(json!({ "groups": listed })).into_response()
}

async fn unknown(request: Request) -> Response {
    let why = format!(
        "`{} {}` is no route of the control API; there are GET /health, POST /stop, GET /groups, POST /seed, POST /reset, POST /snapshot, POST /restore, /clock, /azdo/…, /arm/… and /entra/…",
        request.method(),
        request.uri().path()
    );
    ControlError::missing(why).into_response()
}
