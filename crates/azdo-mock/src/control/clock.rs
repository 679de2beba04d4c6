//! The clock: shown, and moved where it is one that can be.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::wire::time::stamp;

/// Longest single move, in seconds: ten years.
const FARTHEST: f64 = 10.0 * 366.0 * 86_400.0;

/// `GET /clock`.
pub(super) async fn show(State(service): State<AzureDevOps>) -> Json<Value> {
    Json(shown(&service))
}

fn shown(service: &AzureDevOps) -> Value {
    let hands = service.clock().hands();
    json!({
        "now": stamp(service.now()),
        "virtual": hands.is_some(),
        // How many seconds of it are in one of the machine's; 0 while it stands.
        "speed": hands.as_ref().map_or(1, service_kit::VirtualClock::speed),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvanceBody {
    seconds: f64,
}

/// `POST /clock/advance`: what waits for a moment that has come is woken at once, in the order of the moments.
pub(super) async fn advance(
    State(service): State<AzureDevOps>,
    body: Input<AdvanceBody>,
) -> Result<Json<Value>, ControlError> {
    let Json(AdvanceBody { seconds }) = body?;
    let hands = service.clock().hands().ok_or_else(|| {
        let why = "the clock is the machine's own and cannot be moved: the service has to be started with a virtual one";
        ControlError(StatusCode::CONFLICT, why.to_owned())
    })?;
    if !(seconds > 0.0 && seconds <= FARTHEST) {
        return Err(ControlError::bad(format!(
            "the clock cannot be advanced by {seconds} seconds; more than 0 and up to {FARTHEST} are supported"
        )));
    }
    hands.advance(SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO));
    service.change(|_, _| Ok::<_, crate::error::ApiError>(()))?;
    Ok(Json(shown(&service)))
}
