//! Role assignments: extension resources of any scope, from requests and templates alike.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::{Put, any};
use crate::records::roles::{self, ROLES, RoleAssignment};
use crate::resource_id::ResourceId;

/// Checks a body without doing anything.
pub(crate) fn check(arm: &Arm, id: &ResourceId, body: &Value) -> Result<(), ArmError> {
    name(id.last_name())?;
    read(arm, body).map(|_| ())
}

/// Creates it at a scope that is there; an equal one may be put again.
pub(crate) fn put(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    any::check_surroundings(arm, id)?;
    put_at(arm, &id.scope().to_string(), name(id.last_name())?, body)
}

pub(crate) fn put_at(arm: &Arm, scope: &str, name: Uuid, body: &Value) -> Result<Put, ArmError> {
    let (role, principal_id) = read(arm, body)?;
    let _guard = arm.lock();
    if let Some(existing) = roles::find(arm, scope, name)? {
        if existing.role == role && existing.principal_id == principal_id {
            return Ok(Put { created: true, body: view(arm, &existing) });
        }
        return Err(ArmError::bad_request(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    let same = |one: &RoleAssignment| {
        one.scope.eq_ignore_ascii_case(scope) && one.role == role && one.principal_id == principal_id
    };
    if roles::list(arm)?.iter().any(same) {
        return Err(ArmError::conflict("RoleAssignmentExists", "The role assignment already exists."));
    }
    let assignment = RoleAssignment { scope: scope.to_owned(), name, role, principal_id, created: arm.now() };
    roles::save(arm, &assignment)?;
    Ok(Put { created: true, body: view(arm, &assignment) })
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let found = roles::find(arm, &id.scope().to_string(), name(id.last_name())?)?;
    Ok(found.map(|one| view(arm, &one)))
}

/// Those at the scope, around it and inside of it, as ARM lists them.
pub(crate) fn list(arm: &Arm, scope: &ResourceId) -> Result<Vec<Value>, ArmError> {
    let scope = scope.to_string();
    let all = roles::list(arm)?;
    let related =
        all.iter().filter(|one| roles::covers(&one.scope, &scope) || roles::covers(&scope, &one.scope));
    Ok(related.map(|one| view(arm, one)).collect())
}

/// Gives what it was, or nothing when there was none.
pub(crate) fn delete_at(arm: &Arm, scope: &str, name: Uuid) -> Result<Option<Value>, ArmError> {
    let _guard = arm.lock();
    let Some(found) = roles::find(arm, scope, name)? else { return Ok(None) };
    roles::remove(arm, scope, name)?;
    Ok(Some(view(arm, &found)))
}

pub(crate) fn name(text: &str) -> Result<Uuid, ArmError> {
    text.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{text}' is not valid. The role assignment ID must be a GUID."),
        )
    })
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
    let stored = crate::records::resources::list(arm).unwrap_or_default();
    let of_stored = |one: &crate::records::resources::Stored| {
        one.body.get("identity").is_some_and(|identity| identity["principalId"] == object_id.to_string())
    };
    settings.entra.is_service_principal(object_id)
        || stored.iter().any(of_stored)
        || user.iter().any(|one| one.principal_id == object_id)
        || settings.groups.list().iter().any(system)
}

pub(crate) fn view(arm: &Arm, assignment: &RoleAssignment) -> Value {
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
