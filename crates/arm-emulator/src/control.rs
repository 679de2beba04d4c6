//! What a test author sees of Azure and does to it, beside what Azure itself offers. Never under an emulated path.

mod aim;
pub(crate) mod events;
mod refusal;
mod snapshot;
mod state;
mod traffic;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use service_kit::{ControlError, JournalFilter, fault_routes};

use crate::app::Arm;

pub use aim::Service;
pub use traffic::Traffic;
pub(crate) use traffic::{Asker, pass_arm, step_error};

impl Arm {
    /// The control API of Azure: Resource Manager, Entra ID and the registries. It checks nobody's right to use it:
    /// whoever mounts it does.
    pub fn control_router(&self) -> Router {
        Router::new()
            .route("/events", get(events))
            .route("/journal", get(journal))
            .route("/seed", post(state::seed))
            .route("/reset", post(state::reset))
            .route("/snapshot", post(snapshot::take))
            .route("/restore", post(snapshot::restore))
            .with_state(self.clone())
            .merge(fault_routes(self.traffic().faults().clone()))
    }
}

/// `GET events`: what happened, oldest first.
async fn events(State(arm): State<Arm>) -> Json<Value> {
    Json(json!(arm.events().all()))
}

/// `GET journal`: what was asked, oldest first.
async fn journal(
    State(arm): State<Arm>,
    filter: Result<Query<JournalFilter>, QueryRejection>,
) -> Result<Json<Value>, ControlError> {
    let entries = arm.traffic().journal().filtered(&filter?.0).map_err(ControlError::bad)?;
    Ok(Json(json!(entries)))
}
