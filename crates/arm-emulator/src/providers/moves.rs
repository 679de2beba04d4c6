//! Resources that go from one resource group to another (`azure-docs: move-resource-group-and-subscription.md`,
//! `move-support-resources.md`). Role assignments at a resource do not go with it.

use serde_json::Value;

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::{ArmError, ErrorBody};
use crate::fields::Fields;
use crate::providers::any::{self, Place};
use crate::providers::locks::{self, Change};
use crate::providers::{Kind, stored};
use crate::records::{groups, registries, resources};
use crate::resource_id::ResourceId;

/// Resources of one move (`azure-docs: move-resource-group-and-subscription.md`).
const LIMIT: usize = 800;

/// A move that may be made.
#[derive(Debug)]
pub(crate) struct Move {
    resources: Vec<ResourceId>,
    target: String,
}

/// Reads what is asked for and checks it against everything that can stand in its way.
pub(crate) fn check(arm: &Arm, source: &str, body: &Value) -> Result<Move, ArmError> {
    let source = groups::writable(arm, source)?.name;
    let (ids, target) = read(body)?;
    let Place::Group(target) = any::place(arm, &target)? else {
        return Err(ArmError::invalid_content("targetResourceGroup", "Expected the id of a resource group."));
    };
    let target = groups::writable(arm, &target)?.name;
    if source.eq_ignore_ascii_case(&target) {
        return Err(ArmError::bad_request(
            "InvalidMoveTarget",
            format!("The resources are in the resource group '{source}' already. Name another one."),
        ));
    }
    for group in [&source, &target] {
        let id = groups::id(arm, group).parse().map_err(ArmError::internal)?;
        locks::check(arm, &id, Change::Write)?;
    }
    let mut problems = Vec::new();
    let mut resources = Vec::new();
    for id in ids {
        match movable(arm, &source, &target, &id)? {
            Ok(id) => resources.push(id),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(Move { resources, target }) } else { Err(refused(problems)) }
}

/// Makes the move.
pub(crate) fn run(arm: &Arm, wanted: &Move) -> Result<(), ArmError> {
    let _guard = arm.lock();
    for id in &wanted.resources {
        if let Some(mut record) = registry(arm, id)? {
            record.id = record.id.respelt(Some(wanted.target.clone()));
            registries::save(arm, &record)?;
        }
        resources::regroup(arm, id, &wanted.target)?;
        let to = id.clone().respelt(Some(wanted.target.clone()));
        arm.tell(EventKind::ResourceMoved { from: id.to_string(), id: to.to_string() });
    }
    Ok(())
}

fn read(body: &Value) -> Result<(Vec<ResourceId>, ResourceId), ArmError> {
    let id = |text: &str| {
        text.parse::<ResourceId>()
            .map_err(|error| ArmError::bad_request("InvalidResourceId", error.to_string()))
    };
    let mut fields = Fields::of(body, "")?;
    fields.required("resources")?;
    let texts = fields.strings("resources")?;
    let target = id(fields.required_string("targetResourceGroup")?)?;
    fields.finish()?;
    if texts.is_empty() || texts.len() > LIMIT {
        let problem = format!("The move names {} resources; 1 to {LIMIT} can be moved at once.", texts.len());
        return Err(ArmError::invalid_content("resources", problem));
    }
    Ok((texts.iter().map(|text| id(text)).collect::<Result<_, _>>()?, target))
}

/// The id in its stored spelling, or why this resource stays.
fn movable(
    arm: &Arm,
    source: &str,
    target: &str,
    id: &ResourceId,
) -> Result<Result<ResourceId, ErrorBody>, ArmError> {
    let here = id.resource_group().is_some_and(|own| own.eq_ignore_ascii_case(source));
    if !here || !id.is_top_level() {
        let problem = format!(
            "'{id}' cannot be moved: it is not a resource without a parent in the resource group '{source}'."
        );
        return Ok(Err(ErrorBody::new("InvalidResourceId", problem)));
    }
    any::existing(arm, id)?;
    let resource_type = id.resource_type().unwrap_or_default();
    let (id, taken) = match any::place(arm, id)? {
        Place::Kind(Kind::Registry, id) => (id, false),
        Place::Stored(id) => {
            let there = id.clone().respelt(Some(target.to_owned()));
            let taken = stored::get(arm, &there)?.is_some();
            (id, taken)
        }
        _ => {
            let problem = format!("Resource move is not supported for resource types '{resource_type}'.");
            return Ok(Err(ErrorBody::new("ResourceMoveNotSupported", problem)));
        }
    };
    if taken {
        let problem =
            format!("The resource group '{target}' has a resource '{}' of this type.", id.last_name());
        return Ok(Err(ErrorBody::new("ResourceAlreadyExists", problem)));
    }
    Ok(Ok(id))
}

fn registry(arm: &Arm, id: &ResourceId) -> Result<Option<registries::RegistryRecord>, ArmError> {
    if Kind::find(&id.resource_type().unwrap_or_default()).is_err() {
        return Ok(None);
    }
    registries::find(arm, id.last_name())
}

fn refused(problems: Vec<ErrorBody>) -> ArmError {
    let mut problems = problems.into_iter();
    match (problems.next(), problems.len()) {
        (Some(only), 0) => ArmError::conflict(only.code, only.message),
        (first, _) => {
            ArmError::conflict("ResourceMoveFailed", "Resource move validation failed. Please see details.")
                .with_details(first.into_iter().chain(problems).collect())
        }
    }
}
