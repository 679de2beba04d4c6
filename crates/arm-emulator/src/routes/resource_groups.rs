//! Resource groups.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::Value;

use crate::app::Arm;
use crate::body::RawBody;
use crate::engine::operation::{self, accepted};
use crate::error::ArmError;
use crate::fields::Fields;
use crate::filter::{Filter, page};
use crate::providers;
use crate::records::groups;
use crate::request::{ApiVersion, Query};

const FILTER_FIELDS: &[&str] = &["tagName", "tagValue", "name", "location"];

pub(crate) fn routes() -> Router<Arm> {
    Router::new().route("/subscriptions/{subscription}/resourcegroups", get(list)).route(
        "/subscriptions/{subscription}/resourcegroups/{group}",
        get(show).head(exists).put(put).patch(patch).delete(delete),
    )
}

async fn list(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let filter = Filter::parse(query.get("$filter"), FILTER_FIELDS)?;
    let views = groups::list(&arm)?
        .iter()
        .map(|group| group.view(&arm))
        .filter(|view| filter.accepts(view))
        .collect();
    let path = format!("/subscriptions/{}/resourcegroups", arm.subscription());
    list_page(&arm, views, &query, &version, &path).map(Json)
}

/// A page of any list, by `$top` and `$skiptoken`; `$filter` is kept in the link to the next.
pub(crate) fn list_page(
    arm: &Arm,
    views: Vec<Value>,
    query: &Query,
    version: &ApiVersion,
    path: &str,
) -> Result<Value, ArmError> {
    let top = query.number("$top")?.filter(|top| *top > 0);
    let skip = query.number("$skiptoken")?.unwrap_or_default();
    Ok(page(views, top, skip, |next| {
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        address.append_pair("api-version", &version.0).append_pair("$skiptoken", &next.to_string());
        for name in ["$filter", "$expand", "$top"] {
            if let Some(value) = query.get(name) {
                address.append_pair(name, value);
            }
        }
        arm.url(&format!("{path}?{}", address.finish()))
    }))
}

async fn show(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    Ok(Json(groups::get(&arm, &group)?.view(&arm)))
}

async fn exists(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
) -> Result<StatusCode, ArmError> {
    let found = groups::find(&arm, &group)?.is_some();
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn put(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let put = providers::resource_groups::put(&arm, &group, &body.json()?)?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(put.body)).into_response())
}

async fn patch(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let body = body.json()?;
    let mut fields = Fields::of(&body, "")?;
    for echoed in ["id", "name", "type", "location", "properties", "managedBy"] {
        fields.value(echoed);
    }
    let tags = fields.tags()?;
    fields.finish()?;
    let group = match tags {
        Some(tags) => groups::retag(&arm, &group, tags)?,
        None => groups::writable(&arm, &group)?,
    };
    Ok(Json(group.view(&arm)))
}

async fn delete(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let id = operation::delete_resource_group(&arm, &group)?;
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    Ok(accepted(&arm, &path, &version).into_response())
}
