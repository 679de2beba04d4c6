//! Resources of types without behaviour: the rules that Resource Manager has for all types alike, and nothing of what
//! their own provider would check or do.

pub(crate) mod computed;
pub(crate) mod read;
pub(crate) mod view;

use serde_json::Value;
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::etag::Condition;
use crate::providers::acr::children;
use crate::providers::{Put, any, check_not_moved, locks, namespaces, registration};
use crate::records::resources::{self, Stored};
use crate::resource_id::ResourceId;

/// Who asks, for which version, and on what condition.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) api_version: String,
    /// The caller's application id.
    pub(crate) by: Uuid,
    pub(crate) condition: Condition,
}

/// Everything that can be said of a PUT before anything else is there.
pub(crate) fn check(id: &ResourceId, body: &Value, api_version: &str) -> Result<(), ArmError> {
    namespaces::check_type(&id.resource_type().unwrap_or_default(), api_version)?;
    read::check_names(id)?;
    let is_lock = id.resource_type().is_some_and(|kind| kind.eq_ignore_ascii_case(resources::LOCK_TYPE));
    if is_lock {
        locks::check_body(body)?;
    }
    read::body(id, body).map(|_| ())
}

/// Creates or replaces; of what was there before nothing stays but its times and its system identity.
pub(crate) fn put(arm: &Arm, id: &ResourceId, body: &Value, asked: &Asked) -> Result<Put, ArmError> {
    check(id, body, &asked.api_version)?;
    registration::check(arm, id)?;
    let mut body = read::body(id, body)?;
    let _guard = arm.lock();
    any::check_surroundings(arm, id)?;
    let existing = resources::find(arm, id)?;
    asked.condition.check(existing.as_ref().map(|one| one.etag))?;
    if let Some(existing) = &existing {
        let location = |from: &serde_json::Map<String, Value>| {
            from.get("location").and_then(Value::as_str).map(str::to_owned)
        };
        match (location(&existing.body), location(&body)) {
            (Some(before), Some(wanted)) => check_not_moved(id, &before, &wanted)?,
            (Some(_), None) => return Err(read::location_required()),
            _ => {}
        }
    }
    // What happened to it stays; all else is what this body says.
    let mut hidden = existing.as_ref().map(|one| one.hidden.clone()).unwrap_or_default();
    hidden.0.retain(|name, _| name == "events");
    children::admit(arm, id, &mut body, &mut hidden)?;
    let kept = existing.as_ref().and_then(|one| one.body.get("identity"));
    read::fill_identity(arm, id, &mut body, kept)?;
    let now = arm.now();
    let created = existing.is_none();
    let record = Stored {
        id: existing.as_ref().map_or_else(|| id.clone(), |one| one.id.clone()),
        body,
        hidden,
        api_version: asked.api_version.clone(),
        etag: arm.new_id(),
        created: existing.as_ref().map_or(now, |one| one.created),
        changed: now,
        created_by: existing.as_ref().map_or(asked.by, |one| one.created_by),
        changed_by: asked.by,
    };
    resources::save(arm, &record)?;
    Ok(Put { created, body: view::one(&record) })
}

/// Changes what the body names: `tags` as a whole, as the providers do, everything else by JSON merge patch (RFC 7396).
pub(crate) fn patch(arm: &Arm, id: &ResourceId, changes: &Value, asked: &Asked) -> Result<Value, ArmError> {
    registration::check(arm, id)?;
    let changes = read::changes(id, changes)?;
    let _guard = arm.lock();
    any::check_surroundings(arm, id)?;
    let existing = resources::find(arm, id)?.ok_or_else(|| any::not_found(id))?;
    asked.condition.check(Some(existing.etag))?;
    let mut body = Value::Object(existing.body.clone());
    let tags = changes.get("tags").cloned();
    view::merge(&mut body, &Value::Object(changes));
    if let Some(tags) = tags {
        body["tags"] = tags;
    }
    let mut body = read::body(id, &body)?;
    if let (Some(before), Some(wanted)) = (existing.body.get("location"), body.get("location")) {
        check_not_moved(id, before.as_str().unwrap_or_default(), wanted.as_str().unwrap_or_default())?;
    }
    let mut hidden = existing.hidden.clone();
    children::admit(arm, id, &mut body, &mut hidden)?;
    read::fill_identity(arm, id, &mut body, existing.body.get("identity"))?;
    let (etag, changed, changed_by) = (arm.new_id(), arm.now(), asked.by);
    let record = Stored { body, hidden, etag, changed, changed_by, ..existing };
    resources::save(arm, &record)?;
    Ok(view::one(&record))
}

/// Deletes it with its children and extensions; tells whether it was there.
pub(crate) fn delete(arm: &Arm, id: &ResourceId, condition: &Condition) -> Result<Option<Value>, ArmError> {
    let _guard = arm.lock();
    let existing = resources::find(arm, id)?;
    condition.check(existing.as_ref().map(|one| one.etag))?;
    let Some(existing) = existing else { return Ok(None) };
    resources::remove_within(arm, id)?;
    Ok(Some(view::one(&existing)))
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    Ok(resources::find(arm, id)?.as_ref().map(view::one))
}

/// Those of one type at a scope: a resource's children or extensions, or what lies in a resource group, a subscription or
/// the tenant. Of a subscription also what lies in its resource groups.
pub(crate) fn of_type(arm: &Arm, scope: &ResourceId, resource_type: &str) -> Result<Vec<Value>, ArmError> {
    let all = if resource_type.eq_ignore_ascii_case(resources::LOCK_TYPE) {
        // Locks above a scope and inside of it are listed too (`azure-rest-api-specs: locks.json`).
        let relevant = |lock: &Stored| {
            let at = lock.id.scope();
            at.is_within(scope) || scope.is_within(&at)
        };
        return Ok(resources::locks(arm)?.iter().filter(|lock| relevant(lock)).map(view::one).collect());
    } else {
        resources::list(arm)?
    };
    let is_one = |record: &Stored| {
        let own = record.id.resource_type().is_some_and(|own| own.eq_ignore_ascii_case(resource_type));
        own && match record.id.parent() {
            Some(parent) => parent == *scope,
            None if scope.is_resource() || scope.resource_group().is_some() => record.id.scope() == *scope,
            None => record.id.root().is_within(scope) && !record.id.is_extension(),
        }
    };
    Ok(all.iter().filter(|record| is_one(record)).map(view::one).collect())
}

/// What lists of all types show: what has a location, so no extensions and no settings of something else.
pub(crate) fn tracked(arm: &Arm, group: Option<&str>) -> Result<Vec<Stored>, ArmError> {
    let inside = |record: &Stored| {
        let own = record.id.resource_group();
        group.is_none_or(|group| own.is_some_and(|own| own.eq_ignore_ascii_case(group)))
    };
    let mut all = resources::list(arm)?;
    all.retain(|record| {
        !record.id.is_extension()
            && !record.id.subscription().is_empty()
            && record.body.contains_key("location")
            && inside(record)
    });
    Ok(all)
}
