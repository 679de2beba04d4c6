//! What a deployment's record says of its template.

use arm_template::{Plan, PlannedResource, jsonc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Destination;
use super::fault::violation;
use crate::error::ArmError;

/// A decimal number that is equal for equal templates. Azure's own algorithm is not published.
pub(super) fn hash(template: &Value) -> String {
    let digest = Sha256::digest(template.to_string());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes).to_string()
}

/// A template without blanks and remarks, and its hash. It need not be one that can be deployed.
pub(crate) fn minified(text: &str) -> Result<(String, String), ArmError> {
    let template = jsonc::parse(text).map_err(|fault| violation(&[fault]))?.to_value();
    if !template.is_object() {
        return Err(ArmError::invalid_content("", "A template is an object."));
    }
    Ok((template.to_string(), hash(&template)))
}

/// Namespaces, types and locations that the template uses, each once and in the order of the template.
pub(super) fn providers_of(resources: &[PlannedResource]) -> Value {
    let mut providers: Vec<Value> = Vec::new();
    for resource in resources {
        let (namespace, short) =
            resource.resource_type.split_once('/').unwrap_or((&resource.resource_type, ""));
        let provider = named(&mut providers, "namespace", namespace, "resourceTypes");
        let resource_type = named(provider, "resourceType", short, "locations");
        let location = json!(resource.location);
        if !resource_type.contains(&location) {
            resource_type.push(location);
        }
    }
    Value::Array(providers)
}

/// The list `inner` of the element whose `key` is `name`; the element is added where it is missing.
fn named<'a>(list: &'a mut Vec<Value>, key: &str, name: &str, inner: &str) -> &'a mut Vec<Value> {
    let is_it = |entry: &Value| entry[key].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name));
    let place = list.iter().position(is_it).unwrap_or(list.len());
    if place == list.len() {
        list.push(json!({ key: name, inner: [] }));
    }
    list[place][inner].as_array_mut().expect("every element is made with this list")
}

pub(super) fn dependencies_of(plan: &Plan, destinations: &[Destination]) -> Value {
    let resources = plan.resources();
    let shown = resources.iter().zip(destinations).filter(|(resource, _)| !resource.depends_on.is_empty());
    shown
        .map(|(resource, destination)| {
            let on = resource.depends_on.iter().filter_map(|index| destinations.get(*index));
            let mut entry = json!(destination.target());
            entry["dependsOn"] = on.map(|one| json!(one.target())).collect();
            entry
        })
        .collect()
}
