//! Management locks (`Microsoft.Authorization/locks`): a lock holds for its scope and all inside of it
//! (`azure-docs: lock-resources.md`).

use axum::http::Method;
use serde_json::Value;

use crate::app::Arm;
use crate::error::ArmError;
use crate::records::resources::{self, LOCK_TYPE, Stored};
use crate::resource_id::{Addressed, ResourceId};

/// What a lock may stand against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Write,
    Delete,
}

/// Words of a POST that change nothing.
const READING: [&str; 9] = [
    "validate",
    "whatif",
    "exporttemplate",
    "cancel",
    "validatemoveresources",
    "checknameavailability",
    "calculatetemplatehash",
    "register",
    "unregister",
];

/// 409 when a lock stands against a change of what is at `id`.
///
/// A `ReadOnly` lock at it or around it stands against everything; a `CanNotDelete` lock against deletion, and any lock
/// inside of it likewise, since what is inside would go too.
pub(crate) fn check(arm: &Arm, id: &ResourceId, change: Change) -> Result<(), ArmError> {
    let locks = resources::locks(arm)?;
    let against: Vec<String> = locks
        .iter()
        .filter(|lock| stands(lock, id, change))
        .map(|lock| lock.id.scope().to_string())
        .collect();
    if against.is_empty() {
        return Ok(());
    }
    let verb = match change {
        Change::Write => "write",
        Change::Delete => "delete",
    };
    Err(ArmError::conflict(
        "ScopeLocked",
        format!(
            "The scope '{id}' cannot perform {verb} operation because following scope(s) are locked: '{}'. Please remove \
             the lock and try again.",
            against.join(",")
        ),
    ))
}

fn stands(lock: &Stored, id: &ResourceId, change: Change) -> bool {
    let level =
        lock.body.get("properties").and_then(|properties| properties["level"].as_str()).unwrap_or_default();
    let at = lock.id.scope();
    match change {
        Change::Write => level.eq_ignore_ascii_case("ReadOnly") && id.is_within(&at),
        Change::Delete => {
            !level.eq_ignore_ascii_case("NotSpecified") && (id.is_within(&at) || at.is_within(id))
        }
    }
}

/// The same for a request. Locks themselves can always be changed: how else would one be taken away.
pub(crate) fn check_request(arm: &Arm, method: &Method, path: &str) -> Result<(), ArmError> {
    let change = match *method {
        Method::PUT | Method::PATCH | Method::POST => Change::Write,
        Method::DELETE => Change::Delete,
        _ => return Ok(()),
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    if *method == Method::POST && READING.iter().any(|word| word.eq_ignore_ascii_case(last)) {
        return Ok(());
    }
    let Ok(Addressed::One(id) | Addressed::Many { of: id, .. }) = Addressed::read(path) else {
        return Ok(());
    };
    let is_lock = id.resource_type().is_some_and(|kind| kind.eq_ignore_ascii_case(LOCK_TYPE));
    if is_lock { Ok(()) } else { check(arm, &id, change) }
}

/// A lock's body: its level is required.
pub(crate) fn check_body(body: &Value) -> Result<(), ArmError> {
    let level = body["properties"]["level"].as_str().unwrap_or_default();
    if ["CanNotDelete", "ReadOnly", "NotSpecified"].iter().any(|known| known.eq_ignore_ascii_case(level)) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "LockLevelInvalid",
        format!(
            "The lock level '{level}' is invalid. The supported levels are: CanNotDelete, ReadOnly, NotSpecified."
        ),
    ))
}
