//! The control API of faults.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Aim, Faults, NewFault};
use crate::control::ControlError;

/// `/faults` and `/faults/{id}`, to be merged into a service's control API.
pub fn fault_routes<A: Aim>(faults: Faults<A>) -> Router {
    Router::new()
        .route("/faults", get(list::<A>).post(add::<A>).delete(clear::<A>))
        .route("/faults/{fault}", delete(remove::<A>))
        .with_state(faults)
}

/// Each with its id, how often it hit, and how many are left.
async fn list<A: Aim>(State(faults): State<Faults<A>>) -> Json<Value> {
    let list = faults.lock();
    let shown = list.all.iter().map(|fault| {
        let mut shown = json!(fault.asked);
        shown["id"] = json!(fault.id);
        shown["hits"] = json!(fault.hits);
        shown["left"] = json!(fault.asked.count.map(|count| count - fault.hits));
        shown
    });
    Json(shown.collect())
}

async fn add<A: Aim>(
    State(faults): State<Faults<A>>,
    body: Result<Json<Vec<NewFault<A>>>, JsonRejection>,
) -> Result<StatusCode, ControlError> {
    let Json(new) = body?;
    faults.add(new).map_err(ControlError::bad)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear<A: Aim>(State(faults): State<Faults<A>>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove<A: Aim>(
    State(faults): State<Faults<A>>,
    Path(id): Path<u64>,
) -> Result<StatusCode, ControlError> {
    let mut list = faults.lock();
    let before = list.all.len();
    list.all.retain(|fault| fault.id != id);
    if list.all.len() < before {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ControlError::missing(format!("there is no fault {id}")))
    }
}
