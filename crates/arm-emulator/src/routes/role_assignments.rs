//! Role assignments at a subscription, a resource group or a resource, by request. In templates they are not supported:
//! an extension resource is refused there by name.

use axum::extract::{OriginalUri, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::filter::Filter;
use crate::providers::{self, Kind};
use crate::records::groups;
use crate::records::roles::{self, ROLES, RoleAssignment};
use crate::request::{ApiVersion, Query};
use crate::resource_id::ResourceId;
use crate::routes::resource_groups::list_page;

const TAIL: &str = "/providers/microsoft.authorization/roleassignments";

type Words = Path<HashMap<String, String>>;

pub(crate) fn routes() -> Router<Arm> {
    let subscription = "/subscriptions/{subscription}".to_owned();
    let group = format!("{subscription}/resourcegroups/{{group}}");
    let resource = format!("{group}/providers/{{namespace}}/{{type}}/{{resource}}");
    [subscription, group, resource].iter().fold(Router::new(), |router, scope| {
        router
            .route(&format!("{scope}{TAIL}"), get(list))
            .route(&format!("{scope}{TAIL}/{{name}}"), get(show).put(put).delete(delete))
    })
}

/// The scope of a request, which has to be there.
fn scope(arm: &Arm, words: &HashMap<String, String>) -> Result<String, ArmError> {
    let word = |name: &str| words.get(name).map(String::as_str);
    let Some(group) = word("group") else { return Ok(format!("/subscriptions/{}", arm.subscription())) };
    let group = groups::get(arm, group)?.name;
    let Some(resource) = word("resource") else { return Ok(groups::id(arm, &group)) };
    let kind = format!("{}/{}", word("namespace").unwrap_or_default(), word("type").unwrap_or_default());
    let kind = Kind::find(&kind)?;
    let id: ResourceId = kind.id(arm, &group, resource)?;
    providers::existing(arm, kind, &id)?;
    Ok(id.to_string())
}

fn name(words: &HashMap<String, String>) -> Result<Uuid, ArmError> {
    let text = words.get("name").map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{text}' is not valid. The role assignment ID must be a GUID."),
        )
    })
}

/// Those at the scope and around it, as ARM lists them; `$filter=atScope()` is the same, `principalId eq '…'` narrows.
async fn list(
    State(arm): State<Arm>,
    Path(words): Words,
    Extension(version): Extension<ApiVersion>,
    query: Query,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, ArmError> {
    let scope = scope(&arm, &words)?;
    let filter = query.get("$filter").filter(|text| !text.trim().eq_ignore_ascii_case("atScope()"));
    let filter = Filter::parse(filter, &["principalId"])?;
    let all = roles::list(&arm)?;
    let inside =
        all.iter().filter(|one| roles::covers(&one.scope, &scope) || roles::covers(&scope, &one.scope));
    let views = inside
        .filter(|one| filter.accepts(&json!({ "principalId": one.principal_id })))
        .map(|one| view(&arm, one))
        .collect();
    list_page(&arm, views, &query, &version, uri.path()).map(Json)
}

async fn show(State(arm): State<Arm>, Path(words): Words) -> Result<Json<Value>, ArmError> {
    let (scope, name) = (scope(&arm, &words)?, name(&words)?);
    let found = roles::find(&arm, &scope, name)?;
    found.map(|one| Json(view(&arm, &one))).ok_or_else(|| {
        ArmError::not_found("RoleAssignmentNotFound", format!("The role assignment '{name}' is not found."))
    })
}

async fn put(State(arm): State<Arm>, Path(words): Words, body: RawBody) -> Result<Response, ArmError> {
    let (scope, name) = (scope(&arm, &words)?, name(&words)?);
    let (role, principal_id) = read(&arm, &body.json()?)?;
    let _guard = arm.lock();
    if let Some(existing) = roles::find(&arm, &scope, name)? {
        if existing.role == role && existing.principal_id == principal_id {
            return Ok((StatusCode::CREATED, Json(view(&arm, &existing))).into_response());
        }
        return Err(ArmError::bad_request(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    let same = |one: &RoleAssignment| {
        one.scope.eq_ignore_ascii_case(&scope) && one.role == role && one.principal_id == principal_id
    };
    if roles::list(&arm)?.iter().any(same) {
        return Err(ArmError::conflict("RoleAssignmentExists", "The role assignment already exists."));
    }
    let assignment = RoleAssignment { scope, name, role, principal_id, created: arm.now() };
    roles::save(&arm, &assignment)?;
    Ok((StatusCode::CREATED, Json(view(&arm, &assignment))).into_response())
}

async fn delete(State(arm): State<Arm>, Path(words): Words) -> Result<Response, ArmError> {
    let (scope, name) = (scope(&arm, &words)?, name(&words)?);
    let _guard = arm.lock();
    let Some(found) = roles::find(&arm, &scope, name)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    roles::remove(&arm, &scope, name)?;
    Ok(Json(view(&arm, &found)).into_response())
}

/// Role and principal of a body.
fn read(arm: &Arm, body: &Value) -> Result<(Uuid, Uuid), ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type"] {
        fields.value(echoed);
    }
    let mut properties = fields.required_object("properties")?;
    fields.finish()?;
    let definition = properties.required_string("roleDefinitionId")?;
    let principal = properties.required_string("principalId")?;
    properties.word("principalType", &["ServicePrincipal"])?;
    properties.value("scope");
    for name in ["condition", "conditionVersion", "delegatedManagedIdentityResourceId"] {
        properties.unsupported(name, "leave it out")?;
    }
    properties.string("description")?;
    properties.finish()?;
    let id = definition.rsplit('/').next().and_then(|id| id.parse::<Uuid>().ok());
    let role = ROLES.iter().find(|role| Some(role.id) == id).ok_or_else(|| {
        let known: Vec<_> = ROLES.iter().map(|role| format!("{} ({})", role.name, role.id)).collect();
        ArmError::bad_request(
            "RoleDefinitionDoesNotExist",
            format!(
                "The specified role definition with ID '{definition}' does not exist. The known roles are: {}.",
                known.join(", ")
            ),
        )
    })?;
    let principal_id = principal.parse().ok().filter(|id| is_known(arm, *id)).ok_or_else(|| {
        ArmError::bad_request(
            "PrincipalNotFound",
            format!(
                "Principal {principal} does not exist in the directory {}. Check that you have the correct principal \
                 ID.",
                arm.settings().tenant_id
            ),
        )
    })?;
    Ok((role.id, principal_id))
}

/// Whether the directory has such an object: a service principal, or an identity of this subscription.
fn is_known(arm: &Arm, object_id: Uuid) -> bool {
    let settings = arm.settings();
    let user = crate::records::identities::list(arm).unwrap_or_default();
    let system = |view: &container_groups::GroupView| {
        view.identity.system.as_ref().is_some_and(|one| one.principal_id == object_id)
    };
    settings.entra.is_service_principal(object_id)
        || user.iter().any(|one| one.principal_id == object_id)
        || settings.groups.list().iter().any(system)
}

fn view(arm: &Arm, assignment: &RoleAssignment) -> Value {
    let RoleAssignment { scope, name, role, principal_id, created } = assignment;
    json!({
        "id": format!("{scope}/providers/{}/{name}", roles::TYPE),
        "type": roles::TYPE,
        "name": name,
        "properties": {
            "roleDefinitionId": format!(
                "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}",
                arm.subscription()
            ),
            "principalId": principal_id,
            "principalType": "ServicePrincipal",
            "scope": scope,
            "createdOn": created.to_string(),
            "updatedOn": created.to_string(),
        },
    })
}
