//! Deployments into a resource group, and their history.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::engine::operation::{AZURE_ASYNC_OPERATION, RETRY_AFTER, accepted};
use crate::engine::{execute, operation, plan, what_if};
use crate::error::ArmError;
use crate::filter::Filter;
use crate::records::operations::{self, Subject};
use crate::records::{deployments, groups};
use crate::request::{ApiVersion, CorrelationId, Query};
use crate::routes::resource_groups::list_page;

type DeploymentPath = Path<(String, String, String)>;

pub(crate) fn routes() -> Router<Arm> {
    let all =
        "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.resources/deployments";
    let one = format!("{all}/{{name}}");
    Router::new()
        .route(all, get(list))
        .route(&one, get(show).head(exists).put(put).delete(delete))
        .route(&format!("{one}/validate"), post(validate))
        .route(&format!("{one}/whatif"), post(what_if))
        .route(&format!("{one}/cancel"), post(cancel))
        .route(&format!("{one}/exporttemplate"), post(export))
        .route(&format!("{one}/operations"), get(steps))
        .route(&format!("{one}/operations/{{operation}}"), get(step))
        .route(&format!("{one}/operationstatuses/{{operation}}"), get(status))
}

async fn list(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let group = groups::get(&arm, &group)?.name;
    let filter = Filter::parse(query.get("$filter"), &["provisioningState"])?;
    let wanted = filter.wanted("provisioningState");
    let views = deployments::list(&arm, &group)?
        .iter()
        .filter(|found| wanted.is_none_or(|state| state.eq_ignore_ascii_case(found.state.word())))
        .map(|found| found.view(&arm))
        .collect();
    let path = format!("{}/providers/Microsoft.Resources/deployments", groups::id(&arm, &group));
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn show(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
) -> Result<Json<Value>, ArmError> {
    groups::get(&arm, &group)?;
    Ok(Json(deployments::get(&arm, &group, &name)?.view(&arm)))
}

async fn exists(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
) -> Result<StatusCode, ArmError> {
    let found = deployments::find(&arm, &group, &name)?.is_some();
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn put(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
    Extension(version): Extension<ApiVersion>,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let request = plan::read(body.text()?)?;
    let prepared = plan::prepare(&arm, &group, &name, request, correlation.0)?;
    let (deployment, created) = execute::start(&arm, prepared)?;
    let path = format!(
        "{}/operationStatuses/{}?api-version={}",
        deployment.id(&arm),
        deployment.operation_id,
        version.0
    );
    let headers = [(AZURE_ASYNC_OPERATION, arm.url(&path)), ("retry-after", RETRY_AFTER.to_owned())];
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, headers, Json(deployment.view(&arm))).into_response())
}

async fn validate(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let request = plan::read(body.text()?)?;
    let prepared = plan::prepare(&arm, &group, &name, request, correlation.0)?;
    Ok(Json(prepared.validated().view(&arm)))
}

/// Accepted like work that takes a while, and answered where `Location` leads.
async fn what_if(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
    Extension(version): Extension<ApiVersion>,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let (request, format) = plan::read_what_if(body.text()?)?;
    let prepared = plan::prepare(&arm, &group, &name, request, correlation.0)?;
    let answer = what_if::answer(&arm, &prepared, format)?;
    let id = operations::start(&arm, Subject::Answer(answer))?;
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    Ok(accepted(&arm, &path, &version).into_response())
}

/// Removes the history; the resources stay.
async fn delete(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    groups::get(&arm, &group)?;
    let Some(id) = operation::delete_deployment(&arm, &group, &name)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    Ok(accepted(&arm, &path, &version).into_response())
}

async fn cancel(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
) -> Result<StatusCode, ArmError> {
    groups::get(&arm, &group)?;
    execute::cancel(&arm, &group, &name)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn export(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
) -> Result<Json<Value>, ArmError> {
    groups::get(&arm, &group)?;
    Ok(Json(json!({ "template": deployments::template(&arm, &group, &name)? })))
}

async fn steps(
    State(arm): State<Arm>,
    Path((_, group, name)): DeploymentPath,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    groups::get(&arm, &group)?;
    let id = deployments::get(&arm, &group, &name)?.id(&arm);
    let views = deployments::steps(&arm, &group, &name)?.iter().map(|step| step.view(&id)).collect();
    list_page(&arm, views, &query, &version, &format!("{id}/operations")).map(Json)
}

async fn step(
    State(arm): State<Arm>,
    Path((_, group, name, operation)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, ArmError> {
    groups::get(&arm, &group)?;
    let id = deployments::get(&arm, &group, &name)?.id(&arm);
    let steps = deployments::steps(&arm, &group, &name)?;
    let found = steps.iter().find(|step| step.id.eq_ignore_ascii_case(&operation));
    found.map(|step| Json(step.view(&id))).ok_or_else(|| {
        ArmError::not_found(
            "DeploymentOperationNotFound",
            format!("Deployment operation '{operation}' could not be found."),
        )
    })
}

/// What `Azure-AsyncOperation` of a PUT leads to; an operation of an earlier run of the same name is gone.
async fn status(
    State(arm): State<Arm>,
    Path((_, group, name, operation)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, ArmError> {
    let deployment = deployments::get(&arm, &group, &name)?;
    if !deployment.operation_id.eq_ignore_ascii_case(&operation) {
        return Err(ArmError::not_found(
            "OperationNotFound",
            format!("The operation '{operation}' of the deployment '{name}' could not be found."),
        ));
    }
    let mut body = json!({ "status": deployment.state.word() });
    if let Some(error) = &deployment.error {
        body["error"] = json!(error);
    }
    Ok(Json(body))
}
