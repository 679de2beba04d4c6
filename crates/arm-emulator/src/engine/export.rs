//! A resource group as a template that would make it again (`azure-docs: export-template-portal.md`). What is never shown
//! (secrets) is not in it, and neither are locks and role assignments.

mod expression;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::expression::Names;
use crate::app::Arm;
use crate::engine::what_if::shapes;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::{self, Kind, any, versions};
use crate::records::resources;
use crate::resource_id::ResourceId;

/// Resources that one export may hold, as the service says when there are more.
const LIMIT: usize = 200;
const SCHEMA: &str = "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#";

/// What to export, and how.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// None for all resources.
    only: Option<Vec<ResourceId>>,
    comments: bool,
    defaults: bool,
    literal_names: bool,
}

/// A resource as the template will have it, but for its name and its references.
#[derive(Debug)]
struct Exported {
    id: ResourceId,
    api_version: String,
    body: Value,
}

impl Wanted {
    pub(crate) fn read(body: &Value) -> Result<Self, ArmError> {
        let mut fields = Fields::of(body, "")?;
        let ids = fields.strings("resources")?;
        let options = fields.string("options")?.unwrap_or_default();
        if let Some("Bicep") = fields.word("outputFormat", &["Json", "Bicep"])? {
            return Err(ArmError::invalid_content(
                "outputFormat",
                "The output format 'Bicep' is not supported by this emulator; ask for 'Json' and run `bicep decompile`",
            ));
        }
        fields.finish()?;
        let mut wanted = Self { only: only(&ids)?, ..Self::default() };
        for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            match option.to_ascii_lowercase().as_str() {
                "includecomments" => wanted.comments = true,
                "includeparameterdefaultvalue" => wanted.defaults = true,
                "skipresourcenameparameterization" | "skipallparameterization" => wanted.literal_names = true,
                _ => return Err(unknown_option(option)),
            }
        }
        Ok(wanted)
    }
}

fn only(ids: &[String]) -> Result<Option<Vec<ResourceId>>, ArmError> {
    if ids.iter().any(|id| id == "*") {
        return Ok(None);
    }
    if ids.is_empty() {
        return Err(ArmError::invalid_content(
            "resources",
            "Name the resources to export, or '*' for all of them",
        ));
    }
    let read = ids.iter().map(|id| {
        id.parse().map_err(|error: crate::resource_id::ResourceIdError| {
            ArmError::bad_request("InvalidResourceId", error.to_string())
        })
    });
    read.collect::<Result<_, _>>().map(Some)
}

fn unknown_option(option: &str) -> ArmError {
    ArmError::invalid_content(
        "options",
        format!(
            "The option '{option}' is not supported. Supported are IncludeComments, IncludeParameterDefaultValue, \
             SkipResourceNameParameterization, SkipAllParameterization"
        ),
    )
}

/// The template, and how many resources are in it.
pub(crate) fn template(arm: &Arm, group: &str, wanted: &Wanted) -> Result<(Value, usize), ArmError> {
    let mut resources = all(arm, group)?;
    if let Some(only) = &wanted.only {
        if let Some(missing) = only.iter().find(|id| !resources.iter().any(|one| one.id == **id)) {
            return Err(any::not_found(missing));
        }
        resources.retain(|one| only.contains(&one.id));
    }
    if resources.len() > LIMIT {
        return Err(ArmError::bad_request(
            "ResourceGroupExportLimitExceeded",
            format!(
                "Export template is not supported for resource groups that have more than '{LIMIT}' resources."
            ),
        ));
    }
    let names = Names::of(resources.iter().map(|one| &one.id), wanted.literal_names);
    let count = resources.len();
    let shown: Vec<_> = resources.into_iter().map(|one| resource(one, &names, wanted)).collect();
    let parameters: BTreeMap<&str, Value> = names
        .parameters()
        .map(|(parameter, name)| {
            let default = if wanted.defaults { json!({ "defaultValue": name }) } else { json!({}) };
            let mut declared = default;
            declared["type"] = json!("String");
            (parameter, declared)
        })
        .collect();
    let template = json!({
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "variables": {},
        "resources": shown,
    });
    Ok((template, count))
}

/// Those with behaviour, then the others; parents come before their children.
fn all(arm: &Arm, group: &str) -> Result<Vec<Exported>, ArmError> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for view in providers::list(arm, kind, Some(group))? {
            let id = view["id"].as_str().unwrap_or_default().parse().map_err(ArmError::internal)?;
            let version = api_version(kind);
            let body = shapes::of(kind).settable(versions::shown(kind, view, version));
            found.push(Exported { id, api_version: version.to_owned(), body });
        }
    }
    let here = |id: &ResourceId| id.resource_group().is_some_and(|own| own.eq_ignore_ascii_case(group));
    let stored = resources::list(arm)?.into_iter().filter(|one| here(&one.id) && !one.id.is_extension());
    found.extend(stored.map(|one| Exported {
        id: one.id,
        api_version: one.api_version,
        body: Value::Object(one.body),
    }));
    found.sort_by_key(|one| one.id.depth());
    Ok(found)
}

/// The newest stable version, which knows most members.
fn api_version(kind: Kind) -> &'static str {
    match kind {
        Kind::ContainerGroup => "2025-09-01",
        Kind::Registry => "2025-11-01",
        Kind::UserAssignedIdentity => "2023-01-31",
    }
}

fn resource(one: Exported, names: &Names, wanted: &Wanted) -> Value {
    let mut shown = Map::new();
    if wanted.comments {
        shown.insert("comments".to_owned(), json!(format!("Generalized from resource: '{}'.", one.id)));
    }
    shown.insert("type".to_owned(), json!(one.id.resource_type()));
    shown.insert("apiVersion".to_owned(), json!(one.api_version));
    shown.insert("name".to_owned(), json!(names.name(&one.id)));
    let mut needed = Vec::new();
    if let Some(parent) = one.id.parent() {
        needed.extend(names.reference(&parent));
    }
    let body = names.rewritten(one.body, &mut needed);
    needed.sort();
    needed.dedup();
    if !needed.is_empty() {
        shown.insert("dependsOn".to_owned(), json!(needed));
    }
    if let Value::Object(members) = body {
        shown.extend(members);
    }
    Value::Object(shown)
}
