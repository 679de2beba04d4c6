//! The tag names of the subscription: those that were defined and those that something carries, with how often
//! (`azure-rest-api-specs: resources.json, Tags_List`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::{Tags, check_tags};
use crate::providers::{self, Kind};
use crate::records::tag_names::{self, TagName};
use crate::records::{groups, resources};

/// A name in its first spelling, how many carry it, and how many carry each value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    name: String,
    carriers: usize,
    values: BTreeMap<String, usize>,
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<Value>, ArmError> {
    Ok(counted(arm)?.values().map(|one| view(arm, one)).collect())
}

/// Defines a name; tells whether it is new.
pub(crate) fn put(arm: &Arm, name: &str) -> Result<(Value, bool), ArmError> {
    check(name, "")?;
    let _guard = arm.lock();
    let is_new = tag_names::find(arm, name)?.is_none();
    if is_new {
        tag_names::save(arm, &TagName { name: name.to_owned(), values: BTreeSet::new() })?;
    }
    let all = counted(arm)?;
    let shown = all.get(&name.to_lowercase()).map(|one| view(arm, one)).unwrap_or_default();
    Ok((shown, is_new))
}

/// Defines a value of a name that is defined; tells whether it is new.
pub(crate) fn put_value(arm: &Arm, name: &str, value: &str) -> Result<(Value, bool), ArmError> {
    check(name, value)?;
    let _guard = arm.lock();
    let mut defined = tag_names::find(arm, name)?.ok_or_else(|| not_defined(name))?;
    let is_new = defined.values.insert(value.to_owned());
    tag_names::save(arm, &defined)?;
    let count = counted(arm)?.get(&name.to_lowercase()).and_then(|one| one.values.get(value).copied());
    Ok((value_view(arm, &defined.name, value, count.unwrap_or_default()), is_new))
}

/// Forgets a name that nothing carries and that has no values; tells whether it was defined.
pub(crate) fn delete(arm: &Arm, name: &str) -> Result<bool, ArmError> {
    let _guard = arm.lock();
    let Some(defined) = tag_names::find(arm, name)? else { return Ok(false) };
    let carriers = counted(arm)?.get(&name.to_lowercase()).map_or(0, |one| one.carriers);
    if carriers > 0 || !defined.values.is_empty() {
        return Err(in_use(&format!("tag name '{name}'"), carriers));
    }
    tag_names::remove(arm, name)?;
    Ok(true)
}

/// Forgets a value that nothing carries; tells whether it was defined.
pub(crate) fn delete_value(arm: &Arm, name: &str, value: &str) -> Result<bool, ArmError> {
    let _guard = arm.lock();
    let Some(mut defined) = tag_names::find(arm, name)? else { return Ok(false) };
    let carriers =
        counted(arm)?.get(&name.to_lowercase()).and_then(|one| one.values.get(value).copied()).unwrap_or(0);
    if carriers > 0 {
        return Err(in_use(&format!("value '{value}' of the tag name '{name}'"), carriers));
    }
    let was_there = defined.values.remove(value);
    tag_names::save(arm, &defined)?;
    Ok(was_there)
}

fn counted(arm: &Arm) -> Result<BTreeMap<String, Counted>, ArmError> {
    let mut all: BTreeMap<String, Counted> = BTreeMap::new();
    for defined in tag_names::list(arm)? {
        let values = defined.values.into_iter().map(|value| (value, 0)).collect();
        let one = Counted { name: defined.name, carriers: 0, values };
        all.insert(one.name.to_lowercase(), one);
    }
    for tags in carried(arm)? {
        for (name, value) in tags {
            let one = all
                .entry(name.to_lowercase())
                .or_insert_with(|| Counted { name: name.clone(), ..Counted::default() });
            one.carriers += 1;
            *one.values.entry(value).or_default() += 1;
        }
    }
    Ok(all)
}

/// The tags of each resource group and resource.
fn carried(arm: &Arm) -> Result<Vec<Tags>, ArmError> {
    let mut all: Vec<Tags> = groups::list(arm)?.into_iter().map(|group| group.tags).collect();
    let mut shown = Vec::new();
    for kind in Kind::ALL {
        shown.extend(providers::list(arm, kind, None)?.into_iter().map(|mut view| view["tags"].take()));
    }
    shown.extend(resources::list(arm)?.into_iter().filter_map(|mut one| one.body.remove("tags")));
    all.extend(shown.into_iter().filter_map(|tags| serde_json::from_value(tags).ok()));
    Ok(all)
}

fn check(name: &str, value: &str) -> Result<(), ArmError> {
    check_tags(&Tags::from([(name.to_owned(), value.to_owned())]))
}

fn not_defined(name: &str) -> ArmError {
    ArmError::not_found(
        "TagNameNotFound",
        format!("The tag name '{name}' could not be found. Create it before its values."),
    )
}

fn in_use(what: &str, carriers: usize) -> ArmError {
    ArmError::conflict(
        "TagInUse",
        format!(
            "The {what} cannot be deleted: {carriers} resources carry it, or it has values. Take it away from them first."
        ),
    )
}

fn view(arm: &Arm, one: &Counted) -> Value {
    let values: Vec<_> =
        one.values.iter().map(|(value, count)| value_view(arm, &one.name, value, *count)).collect();
    json!({
        "id": id(arm, &one.name),
        "tagName": one.name,
        "count": count(one.carriers),
        "values": values,
    })
}

fn value_view(arm: &Arm, name: &str, value: &str, carriers: usize) -> Value {
    json!({
        "id": format!("{}/tagValues/{value}", id(arm, name)),
        "tagValue": value,
        "count": count(carriers),
    })
}

fn id(arm: &Arm, name: &str) -> String {
    format!("/subscriptions/{}/tagNames/{name}", arm.subscription())
}

fn count(carriers: usize) -> Value {
    json!({ "type": "Total", "value": carriers })
}
