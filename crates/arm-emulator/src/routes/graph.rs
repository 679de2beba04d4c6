//! What az asks Microsoft Graph when it deals with roles (`azure-cli: role/_msgrpah/_graph_client.py`): service principals
//! by id and by name. It has the address of Resource Manager; everything else of Graph is refused.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::filter::Filter;
use crate::providers::directory::{self, Member};
use crate::request::Query;

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/v1.0/directoryobjects/getbyids", post(by_ids))
        .route("/v1.0/directoryobjects/{id}", get(show))
        .route("/v1.0/serviceprincipals", get(list))
        .route("/v1.0/serviceprincipals/{id}", get(show))
        .route("/v1.0/users", get(none))
        .route("/v1.0/groups", get(none))
        .route("/v1.0/{*rest}", any(other))
}

/// Those of the ids that there are.
async fn by_ids(State(arm): State<Arm>, body: RawBody) -> Result<Json<Value>, ArmError> {
    let body = body.json()?;
    let mut fields = Fields::of(&body, "")?;
    let ids = fields.strings("ids")?;
    let types = fields.strings("types")?;
    fields.finish()?;
    let wanted = types.is_empty()
        || types.iter().any(|one| ["servicePrincipal", "directoryObject"].contains(&one.as_str()));
    let named = |one: &Member| wanted && ids.iter().any(|id| id.eq_ignore_ascii_case(&one.id.to_string()));
    answer(&arm, named)
}

async fn list(State(arm): State<Arm>, query: Query) -> Result<Json<Value>, ArmError> {
    let text = query.get("$filter");
    // `servicePrincipalNames/any(c:c eq '…')` and the same with any other letter.
    let one_of_names = text.and_then(|text| {
        let (_, rest) = text.strip_prefix("servicePrincipalNames/any(")?.split_once(" eq '")?;
        rest.strip_suffix("')")
    });
    if let Some(name) = one_of_names {
        return answer(&arm, |one| one.app_id.to_string().eq_ignore_ascii_case(name));
    }
    let filter = Filter::parse(text, &["appId", "id", "displayName", "servicePrincipalType"])?;
    answer(&arm, |one| filter.accepts(&one.view()))
}

/// The tenant has no users and no groups.
async fn none() -> Json<Value> {
    Json(json!({ "value": [] }))
}

async fn show(State(arm): State<Arm>, Path(id): Path<String>) -> Result<Json<Value>, ArmError> {
    let all = directory::all(&arm)?;
    let found = all.iter().find(|one| one.id.to_string().eq_ignore_ascii_case(&id));
    found.map(|one| Json(one.view())).ok_or_else(|| {
        ArmError::not_found(
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    })
}

fn answer(arm: &Arm, wanted: impl Fn(&Member) -> bool) -> Result<Json<Value>, ArmError> {
    let all = directory::all(arm)?;
    Ok(Json(json!({ "value": all.iter().filter(|one| wanted(one)).map(Member::view).collect::<Vec<_>>() })))
}

async fn other(request: Request) -> Response {
    ArmError::bad_request(
        "Request_BadRequest",
        format!(
            "'{} {}' of Microsoft Graph is not supported: this tenant shows its service principals \
             (/v1.0/servicePrincipals, /v1.0/directoryObjects/getByIds) and has no users and groups. Applications are \
             added over the sandbox's control address.",
            request.method(),
            request.uri().path()
        ),
    )
    .into_response()
}
