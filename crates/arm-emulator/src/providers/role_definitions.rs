//! Role definitions (`azure-rest-api-specs: authorization/…/RoleDefinitionCalls.json`): the built-in ones, and those that
//! somebody adds, which hold in the whole subscription whatever scope they were put at.

use arm_template::{BuiltInRole, CustomRoles};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::{ArmError, ErrorBody};
use crate::fields::Fields;
use crate::filter::Filter;
use crate::providers::Put;
use crate::providers::stored::{self, Asked};
use crate::records::resources;
use crate::records::roles::{self, Custom};
use crate::resource_id::ResourceId;

/// `namespace/type`.
pub(crate) const TYPE: &str = "Microsoft.Authorization/roleDefinitions";
const FILTER_FIELDS: &[&str] = &["roleName", "type"];

/// Those that may be assigned at a scope; `$filter` is by name or kind, or `atScopeAndBelow()`.
pub(crate) fn list(arm: &Arm, scope: &ResourceId, filter: Option<&str>) -> Result<Vec<Value>, ArmError> {
    let (below, filter) = read_filter(filter)?;
    let at = scope.to_string();
    let assignable = |one: &Custom| {
        let mut scopes = one.scopes();
        scopes.any(|own| roles::covers(own, &at) || (below && roles::covers(&at, own)))
    };
    let custom = roles::custom(arm)?;
    let mut views: Vec<Value> = BuiltInRole::all().iter().map(|role| built_in(arm, scope, role)).collect();
    views.extend(custom.iter().filter(|one| assignable(one)).map(view));
    views.retain(|one| filter.accepts(&one["properties"]));
    Ok(views)
}

fn read_filter(text: Option<&str>) -> Result<(bool, Filter), ArmError> {
    const BELOW: &str = "atScopeAndBelow()";
    let mut below = false;
    let text = text.unwrap_or_default();
    let terms: Vec<&str> = text
        .split(" and ")
        .map(str::trim)
        .filter(|term| {
            let is_below = term.eq_ignore_ascii_case(BELOW);
            below |= is_below;
            !is_below
        })
        .collect();
    Ok((below, Filter::parse(Some(&terms.join(" and ")), FILTER_FIELDS)?))
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let name = name(id)?;
    if let Some(role) = BuiltInRole::by_id(name) {
        return Ok(Some(built_in(arm, &id.scope(), role)));
    }
    Ok(find(arm, name)?.as_ref().map(view))
}

/// Checks a body without doing anything.
pub(crate) fn check(arm: &Arm, id: &ResourceId, body: &Value) -> Result<(), ArmError> {
    let name = name(id)?;
    if let Some(role) = BuiltInRole::by_id(name) {
        return Err(ArmError::bad_request(
            "CannotModifyBuiltInRoleDefinition",
            format!("The role definition '{}' ({name}) is built in and cannot be changed.", role.name),
        ));
    }
    let role_name = read(body)?;
    let same = |known: &str| known.eq_ignore_ascii_case(&role_name);
    let custom = roles::custom(arm)?;
    let taken = BuiltInRole::named(&role_name).is_some()
        || custom.iter().any(|one| one.id != name && same(one.name()));
    if taken {
        return Err(ArmError::conflict(
            "RoleDefinitionWithSameNameExists",
            format!(
                "A custom role with the same name '{role_name}' already exists in this directory. Use a different name."
            ),
        ));
    }
    Ok(())
}

/// Adds or replaces a role.
pub(crate) fn put(arm: &Arm, id: &ResourceId, body: &Value, asked: &Asked) -> Result<Put, ArmError> {
    check(arm, id, body)?;
    stored::put(arm, &canonical(arm, name(id)?)?, body, asked)?;
    let body = get(arm, id)?.unwrap_or_default();
    // It answers 201 whether the role is new or not (`azure-rest-api-specs`).
    Ok(Put { created: true, body })
}

/// Takes a role away that nobody has; gives what it was.
pub(crate) fn delete(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let name = name(id)?;
    let Some(found) = find(arm, name)? else { return Ok(None) };
    let held: Vec<ErrorBody> = roles::list(arm)?
        .iter()
        .filter(|one| one.role == name)
        .map(|one| {
            ErrorBody::new("RoleAssignment", format!("{}/providers/{}/{}", one.scope, roles::TYPE, one.name))
        })
        .collect();
    if !held.is_empty() {
        return Err(ArmError::bad_request(
            "RoleDefinitionHasAssignments",
            format!("There are existing role assignments referencing role '{name}'. Delete them first."),
        )
        .with_details(held));
    }
    let _guard = arm.lock();
    resources::remove_within(arm, &found.record.id)?;
    Ok(Some(view(&found)))
}

/// The id of a role that an assignment names, if there is one.
pub(crate) fn named(arm: &Arm, text: &str) -> Result<Option<Uuid>, ArmError> {
    let Some(id) = text.rsplit('/').next().and_then(|id| id.parse().ok()) else { return Ok(None) };
    Ok((BuiltInRole::by_id(id).is_some() || find(arm, id)?.is_some()).then_some(id))
}

impl CustomRoles for Arm {
    fn named(&self, name: &str) -> Result<Option<Uuid>, String> {
        let custom = roles::custom(self).map_err(|error| error.to_string())?;
        Ok(custom.iter().find(|one| one.name().eq_ignore_ascii_case(name)).map(|one| one.id))
    }
}

fn find(arm: &Arm, name: Uuid) -> Result<Option<Custom>, ArmError> {
    Ok(roles::custom(arm)?.into_iter().find(|one| one.id == name))
}

fn name(id: &ResourceId) -> Result<Uuid, ArmError> {
    let text = id.last_name();
    text.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{text}' is not valid. The role definition ID must be a GUID."),
        )
    })
}

fn canonical(arm: &Arm, name: Uuid) -> Result<ResourceId, ArmError> {
    let id = format!("/subscriptions/{}/providers/{TYPE}/{name}", arm.subscription());
    id.parse().map_err(ArmError::internal)
}

/// The role's name; everything else is checked for its form and kept as it is.
fn read(body: &Value) -> Result<String, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type"] {
        fields.value(echoed);
    }
    let mut properties = fields.required_object("properties")?;
    fields.finish()?;
    let role_name = properties.required_string("roleName")?.to_owned();
    properties.string("description")?;
    properties.string("type")?;
    for (path, permission) in properties.array("permissions")? {
        let mut permission = Fields::of(permission, path)?;
        for actions in ["actions", "notActions", "dataActions", "notDataActions"] {
            permission.strings(actions)?;
        }
        permission.finish()?;
    }
    let scopes = properties.strings("assignableScopes")?;
    for read_only in ["createdOn", "updatedOn", "createdBy", "updatedBy"] {
        properties.value(read_only);
    }
    properties.finish()?;
    if scopes.is_empty() {
        return Err(ArmError::bad_request(
            "MissingAssignableScopes",
            format!("The role definition '{role_name}' has no 'assignableScopes'. Name at least one scope."),
        ));
    }
    Ok(role_name)
}

fn built_in(arm: &Arm, scope: &ResourceId, role: &BuiltInRole) -> Value {
    // Below the tenant a role is shown as one of the subscription, whatever the scope.
    let above = match scope.subscription() {
        "" => String::new(),
        _ => format!("/subscriptions/{}", arm.subscription()),
    };
    json!({
        "id": format!("{above}/providers/{TYPE}/{}", role.id),
        "type": TYPE,
        "name": role.id,
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": role.permissions,
        },
    })
}

fn view(one: &Custom) -> Value {
    let record = &one.record;
    let mut properties = record.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    properties["type"] = json!("CustomRole");
    properties["createdOn"] = json!(record.created.to_string());
    properties["updatedOn"] = json!(record.changed.to_string());
    properties["createdBy"] = json!(record.created_by);
    properties["updatedBy"] = json!(record.changed_by);
    json!({ "id": record.id, "type": TYPE, "name": one.id, "properties": properties })
}
