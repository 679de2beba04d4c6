//! The labels that tell whose an object on the engine is.

use std::collections::HashMap;

use bollard::models::ContainerSummary;

use crate::runtime::Labels;

/// Label: the sandbox instance that an object belongs to.
pub const INSTANCE_LABEL: &str = "mayfly.instance";
pub(super) const GROUP_LABEL: &str = "mayfly.group";
const CONTAINER_LABEL: &str = "mayfly.container";
const GENERATION_LABEL: &str = "mayfly.generation";
const HASH_LABEL: &str = "mayfly.spec-hash";

pub(super) fn by_label(labels: &[String]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.to_vec())])
}

pub(super) fn label_of(instance: &str) -> String {
    format!("{INSTANCE_LABEL}={instance}")
}

pub(super) fn label_map(labels: &Labels) -> HashMap<String, String> {
    let pairs = [
        (INSTANCE_LABEL, labels.instance.clone()),
        (GROUP_LABEL, labels.group.clone()),
        (CONTAINER_LABEL, labels.container.clone()),
        (GENERATION_LABEL, labels.generation.to_string()),
        (HASH_LABEL, labels.spec_hash.clone()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn identify(summary: ContainerSummary) -> Option<(String, Labels)> {
    let mut labels = summary.labels?;
    let labels = Labels {
        instance: labels.remove(INSTANCE_LABEL)?,
        group: labels.remove(GROUP_LABEL)?,
        container: labels.remove(CONTAINER_LABEL)?,
        generation: labels.remove(GENERATION_LABEL)?.parse().ok()?,
        spec_hash: labels.remove(HASH_LABEL).unwrap_or_default(),
    };
    Some((summary.id?, labels))
}
