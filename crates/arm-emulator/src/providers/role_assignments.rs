//! Role assignments: extension resources of any scope, from requests and templates alike.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::{Put, any, directory, role_definitions};
use crate::records::roles::{self, RoleAssignment};
use crate::resource_id::ResourceId;

/// What every principal of this directory is: applications and identities.
const SERVICE_PRINCIPAL: &str = "ServicePrincipal";
const PRINCIPAL_TYPES: &[&str] = &["User", "Group", SERVICE_PRINCIPAL, "ForeignGroup", "Device"];

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
    let Wanted { role, principal_id, description } = read(arm, body)?;
    let _guard = arm.lock();
    if let Some(existing) = roles::find(arm, scope, name)? {
        if existing.role == role && existing.principal_id == principal_id {
            let existing = RoleAssignment { description, ..existing };
            roles::save(arm, &existing)?;
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
    let (scope, created) = (scope.to_owned(), arm.now());
    let assignment = RoleAssignment { scope, name, role, principal_id, description, created };
    roles::save(arm, &assignment)?;
    Ok(Put { created: true, body: view(arm, &assignment) })
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let found = roles::find(arm, &id.scope().to_string(), name(id.last_name())?)?;
    Ok(found.map(|one| view(arm, &one)))
}

/// Those at the scope, around it and inside of it, as ARM lists them; `atScope()` leaves out what is inside of it
/// (`azure-docs: role-assignments-list-rest.md`).
pub(crate) fn list(arm: &Arm, scope: &ResourceId, filter: Option<&str>) -> Result<Vec<Value>, ArmError> {
    let wanted = Listed::read(filter)?;
    let scope = scope.to_string();
    let all = roles::list(arm)?;
    let related = all.iter().filter(|one| {
        let above = roles::covers(&one.scope, &scope);
        above || (!wanted.at_scope && roles::covers(&scope, &one.scope))
    });
    let held = related.filter(|one| wanted.principal.is_none_or(|id| one.principal_id == id));
    Ok(held.map(|one| view(arm, one)).collect())
}

/// A `$filter` of assignments. There are no groups, so that being assigned to and being the principal are the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    at_scope: bool,
    principal: Option<Uuid>,
}

impl Listed {
    fn read(text: Option<&str>) -> Result<Self, ArmError> {
        let text = text.unwrap_or_default();
        let mut listed = Self::default();
        for term in text.split(" and ").map(str::trim).filter(|term| !term.is_empty()) {
            let principal = ["principalId eq '", "assignedTo('"].iter().find_map(|start| {
                let (head, rest) = term.split_at_checked(start.len())?;
                let rest = head.eq_ignore_ascii_case(start).then_some(rest)?;
                rest.trim_end_matches(')').strip_suffix('\'')?.parse().ok()
            });
            match principal {
                Some(id) => listed.principal = Some(id),
                None if term.eq_ignore_ascii_case("atScope()") => listed.at_scope = true,
                None => return Err(unsupported_filter(text)),
            }
        }
        Ok(listed)
    }
}

fn unsupported_filter(text: &str) -> ArmError {
    ArmError::bad_request(
        "UnsupportedQuery",
        format!(
            "The filter '{text}' is not supported. Supported are `atScope()`, `principalId eq '{{id}}'` and \
             `assignedTo('{{id}}')`, joined by `and`."
        ),
    )
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

/// What a body asks for.
struct Wanted {
    role: Uuid,
    principal_id: Uuid,
    description: Option<String>,
}

fn read(arm: &Arm, body: &Value) -> Result<Wanted, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type"] {
        fields.value(echoed);
    }
    let mut properties = fields.required_object("properties")?;
    fields.finish()?;
    let definition = properties.required_string("roleDefinitionId")?;
    let principal = properties.required_string("principalId")?;
    let principal_type = properties.word("principalType", PRINCIPAL_TYPES)?;
    for echoed in ["scope", "createdOn", "updatedOn", "createdBy", "updatedBy"] {
        properties.value(echoed);
    }
    for name in ["condition", "conditionVersion", "delegatedManagedIdentityResourceId"] {
        properties.unsupported(name, "leave it out")?;
    }
    let description = properties.string("description")?.map(str::to_owned);
    properties.finish()?;
    let role = role_definitions::named(arm, definition)?.ok_or_else(|| {
        ArmError::bad_request(
            "RoleDefinitionDoesNotExist",
            format!("The specified role definition with ID '{definition}' does not exist."),
        )
    })?;
    let members = directory::all(arm)?;
    let known = |id: &Uuid| members.iter().any(|one| one.id == *id);
    let principal_id = principal.parse().ok().filter(known).ok_or_else(|| {
        ArmError::bad_request(
            "PrincipalNotFound",
            format!(
                "Principal {principal} does not exist in the directory {}. Check that you have the correct principal \
                 ID.",
                arm.settings().tenant_id
            ),
        )
    })?;
    // There are no other principals; the words are the service's.
    if let Some(other) = principal_type.filter(|given| *given != SERVICE_PRINCIPAL) {
        return Err(ArmError::bad_request(
            "UnmatchedPrincipalType",
            format!(
                "The PrincipalId '{}' has type '{SERVICE_PRINCIPAL}' , which is different from specified PrinciaplType \
                 '{other}'.",
                principal_id.simple()
            ),
        ));
    }
    Ok(Wanted { role, principal_id, description })
}

pub(crate) fn view(arm: &Arm, assignment: &RoleAssignment) -> Value {
    let RoleAssignment { scope, name, role, principal_id, description, created } = assignment;
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
            "principalType": SERVICE_PRINCIPAL,
            "scope": scope,
            "description": description,
            "condition": null,
            "conditionVersion": null,
            "createdOn": created.to_string(),
            "updatedOn": created.to_string(),
            "createdBy": arm.settings().entra.object_id(),
            "updatedBy": arm.settings().entra.object_id(),
            "delegatedManagedIdentityResourceId": null,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_others_refused() {
        let id = Uuid::from_u128(7);
        let read = |text: &str| Listed::read(Some(text));
        assert_eq!(read("").unwrap(), Listed::default());
        assert_eq!(read("atScope()").unwrap(), Listed { at_scope: true, principal: None });
        let both = Listed { at_scope: true, principal: Some(id) };
        assert_eq!(read(&format!("atScope() and assignedTo('{id}')")).unwrap(), both);
        let one = Listed { at_scope: false, principal: Some(id) };
        assert_eq!(read(&format!("principalId eq '{id}'")).unwrap(), one);
        for wrong in ["atscope", "principalId eq 'x'", "assignedTo(", "roleName eq 'a'", "é"] {
            assert_eq!(read(wrong).unwrap_err().body.code, "UnsupportedQuery", "{wrong}");
        }
    }
}
