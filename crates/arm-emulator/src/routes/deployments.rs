//! Deployments into any scope, and their history.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
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
use crate::records::deployments::{self, Scope};
use crate::records::groups;
use crate::records::operations::{self, Subject};
use crate::request::{ApiVersion, CorrelationId, Query};
use crate::routes::resource_groups::list_page;

const SCOPES: [&str; 4] = [
    "/subscriptions/{subscription}/resourcegroups/{group}",
    "/subscriptions/{subscription}",
    "/providers/microsoft.management/managementgroups/{management_group}",
    "",
];

pub(crate) fn routes() -> Router<Arm> {
    let hash =
        Router::new().route("/providers/microsoft.resources/calculatetemplatehash", post(template_hash));
    SCOPES.iter().fold(hash, |router, scope| {
        let all = format!("{scope}/providers/microsoft.resources/deployments");
        let one = format!("{all}/{{name}}");
        router
            .route(&all, get(list))
            .route(&one, get(show).head(exists).put(put).delete(delete))
            .route(&format!("{one}/validate"), post(validate))
            .route(&format!("{one}/whatif"), post(what_if))
            .route(&format!("{one}/cancel"), post(cancel))
            .route(&format!("{one}/exporttemplate"), post(export))
            .route(&format!("{one}/operations"), get(steps))
            .route(&format!("{one}/operations/{{operation}}"), get(step))
            .route(&format!("{one}/operationstatuses/{{operation}}"), get(status))
    })
}

/// What the path names. A resource group is spelt as it was created, and has to be there.
struct At {
    scope: Scope,
    name: String,
    operation: String,
}

impl FromRequestParts<Arm> for At {
    type Rejection = ArmError;

    async fn from_request_parts(parts: &mut Parts, arm: &Arm) -> Result<Self, Self::Rejection> {
        let words = Path::<HashMap<String, String>>::from_request_parts(parts, arm).await;
        let Path(mut words) =
            words.map_err(|error| ArmError::bad_request("InvalidRequestUri", error.body_text()))?;
        let mut word = |name: &str| words.remove(name);
        let scope = match (word("group"), word("management_group"), word("subscription")) {
            (Some(group), ..) => Scope::Group(groups::get(arm, &group)?.name),
            (None, Some(name), _) => Scope::ManagementGroup(name),
            (None, None, Some(_)) => Scope::Subscription,
            (None, None, None) => Scope::Tenant,
        };
        let (name, operation) = (word("name").unwrap_or_default(), word("operation").unwrap_or_default());
        Ok(Self { scope, name, operation })
    }
}

async fn list(
    State(arm): State<Arm>,
    at: At,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let filter = Filter::parse(query.get("$filter"), &["provisioningState"])?;
    let wanted = filter.wanted("provisioningState");
    let views = deployments::list(&arm, &at.scope)?
        .iter()
        .filter(|found| wanted.is_none_or(|state| state.eq_ignore_ascii_case(found.state.word())))
        .map(|found| found.view(&arm))
        .collect();
    let path = format!("{}/providers/Microsoft.Resources/deployments", at.scope.id(&arm));
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn show(State(arm): State<Arm>, at: At) -> Result<Json<Value>, ArmError> {
    Ok(Json(deployments::get(&arm, &at.scope, &at.name)?.view(&arm)))
}

async fn exists(State(arm): State<Arm>, at: At) -> Result<StatusCode, ArmError> {
    let found = deployments::find(&arm, &at.scope, &at.name)?.is_some();
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn put(
    State(arm): State<Arm>,
    at: At,
    Extension(version): Extension<ApiVersion>,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let request = plan::read(body.text()?)?;
    let prepared = plan::prepare(&arm, &at.scope, &at.name, request, correlation.0).await?;
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
    at: At,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let request = plan::read(body.text()?)?;
    let prepared = plan::prepare(&arm, &at.scope, &at.name, request, correlation.0).await?;
    Ok(Json(prepared.validated().view(&arm)))
}

/// The hash is the one that a deployment of the template shows.
async fn template_hash(body: RawBody) -> Result<Json<Value>, ArmError> {
    let (minified, hash) = plan::minified(body.text()?)?;
    Ok(Json(json!({ "minifiedTemplate": minified, "templateHash": hash })))
}

/// Accepted like work that takes a while, and answered where `Location` leads.
async fn what_if(
    State(arm): State<Arm>,
    at: At,
    Extension(version): Extension<ApiVersion>,
    Extension(correlation): Extension<CorrelationId>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let (request, format) = plan::read_what_if(body.text()?)?;
    let prepared = plan::prepare(&arm, &at.scope, &at.name, request, correlation.0).await?;
    let worker = arm.clone();
    let answer = plan::blocking(move || what_if::answer(&worker, &prepared, format)).await?;
    let id = operations::start(&arm, Subject::Answer(answer))?;
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    Ok(accepted(&arm, &path, &version).into_response())
}

/// Removes the history; the resources stay.
async fn delete(
    State(arm): State<Arm>,
    at: At,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let Some(id) = operation::delete_deployment(&arm, &at.scope, &at.name)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    Ok(accepted(&arm, &path, &version).into_response())
}

async fn cancel(State(arm): State<Arm>, at: At) -> Result<StatusCode, ArmError> {
    execute::cancel(&arm, &at.scope, &at.name)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn export(State(arm): State<Arm>, at: At) -> Result<Json<Value>, ArmError> {
    Ok(Json(json!({ "template": deployments::template(&arm, &at.scope, &at.name)? })))
}

async fn steps(
    State(arm): State<Arm>,
    at: At,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let id = deployments::get(&arm, &at.scope, &at.name)?.id(&arm);
    let views = deployments::steps(&arm, &at.scope, &at.name)?.iter().map(|step| step.view(&id)).collect();
    list_page(&arm, views, &query, &version, &format!("{id}/operations")).map(Json)
}

async fn step(State(arm): State<Arm>, at: At) -> Result<Json<Value>, ArmError> {
    let id = deployments::get(&arm, &at.scope, &at.name)?.id(&arm);
    let steps = deployments::steps(&arm, &at.scope, &at.name)?;
    let found = steps.iter().find(|step| step.id.eq_ignore_ascii_case(&at.operation));
    found.map(|step| Json(step.view(&id))).ok_or_else(|| {
        ArmError::not_found(
            "DeploymentOperationNotFound",
            format!("Deployment operation '{}' could not be found.", at.operation),
        )
    })
}

/// What `Azure-AsyncOperation` of a PUT leads to; an operation of an earlier run of the same name is gone.
async fn status(State(arm): State<Arm>, at: At) -> Result<Json<Value>, ArmError> {
    let deployment = deployments::get(&arm, &at.scope, &at.name)?;
    if !deployment.operation_id.eq_ignore_ascii_case(&at.operation) {
        return Err(ArmError::not_found(
            "OperationNotFound",
            format!("The operation '{}' of the deployment '{}' could not be found.", at.operation, at.name),
        ));
    }
    let mut body = json!({ "status": deployment.state.word() });
    if let Some(error) = &deployment.error {
        body["error"] = json!(error);
    }
    Ok(Json(body))
}
