//! Request bodies of the project's areas. Fields that change nothing here are not listed, but for definitions, which keep
//! what is written into them.
//!
//! Source: azure-devops (PyPI): build/models.py, pipelines/models.py, task_agent/models.py.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::demand::Demand;

/// Something that is named by its id, or by its name where there is none.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    pub(crate) id: Option<i32>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// Somebody.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonBody {
    #[serde(default)]
    pub(crate) id: Option<Uuid>,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
}

/// `POST queues`.
#[derive(Debug, Deserialize)]
pub(crate) struct QueueBody {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) pool: Option<Named>,
}

/// `POST builds`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildBody {
    #[serde(default)]
    pub(crate) definition: Option<Named>,
    #[serde(default)]
    pub(crate) queue: Option<Named>,
    #[serde(default)]
    pub(crate) source_branch: Option<String>,
    #[serde(default)]
    pub(crate) source_version: Option<String>,
    /// A JSON object as text.
    #[serde(default)]
    pub(crate) parameters: Option<String>,
    #[serde(default)]
    pub(crate) template_parameters: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) demands: Option<Vec<DemandBody>>,
    #[serde(default)]
    pub(crate) reason: Option<Value>,
    #[serde(default)]
    pub(crate) priority: Option<Value>,
    #[serde(default)]
    pub(crate) requested_for: Option<PersonBody>,
}

/// A demand as text (`name -equals value`) or in parts.
#[derive(Debug)]
pub(crate) struct DemandBody(pub(crate) Demand);

impl<'de> Deserialize<'de> for DemandBody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let part = |name: &str| value.get(name).and_then(Value::as_str);
        let text = match (value.as_str(), part("name"), part("value")) {
            (Some(text), _, _) => text.to_owned(),
            (None, Some(name), Some(wanted)) => format!("{name} -equals {wanted}"),
            (None, Some(name), None) => name.to_owned(),
            _ => return Err(serde::de::Error::custom(format!("{value} is not a demand"))),
        };
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// `PATCH builds/{buildId}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildPatchBody {
    #[serde(default)]
    pub(crate) id: Option<i64>,
    #[serde(default)]
    pub(crate) status: Option<Value>,
    #[serde(default)]
    pub(crate) keep_forever: Option<bool>,
    #[serde(default)]
    pub(crate) build_number: Option<String>,
    #[serde(default)]
    pub(crate) tags: Option<Vec<String>>,
}

/// `PATCH builds/{buildId}/stages/{stageRefName}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageBody {
    #[serde(default)]
    pub(crate) state: Option<Value>,
    #[serde(default)]
    pub(crate) force_retry_all_jobs: bool,
}

/// `PATCH tags`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagsBody {
    #[serde(default)]
    pub(crate) tags_to_add: Vec<String>,
    #[serde(default)]
    pub(crate) tags_to_remove: Vec<String>,
}

/// `POST variablegroups` and `PUT variablegroups/{groupId}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupBody {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) variables: Option<BTreeMap<String, Option<RunVariable>>>,
    #[serde(default)]
    pub(crate) variable_group_project_references: Option<Vec<GroupProject>>,
}

/// A project that a group is for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupProject {
    #[serde(default)]
    pub(crate) project_reference: Option<NamedProject>,
}

/// A project by its id or its name.
#[derive(Debug, Deserialize)]
pub(crate) struct NamedProject {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// `POST retention/leases`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaseBody {
    pub(crate) owner_id: String,
    pub(crate) definition_id: i32,
    pub(crate) run_id: i64,
    pub(crate) days_valid: i64,
    #[serde(default)]
    pub(crate) protect_pipeline: bool,
}

/// `PATCH retention/leases/{leaseId}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeasePatchBody {
    #[serde(default)]
    pub(crate) days_valid: Option<i64>,
    #[serde(default)]
    pub(crate) protect_pipeline: Option<bool>,
}

/// A lease by who holds it on what.
#[derive(Debug, Deserialize)]
pub(crate) struct MinimalLease {
    #[serde(rename = "ownerId")]
    pub(crate) owner: String,
    #[serde(rename = "definitionId")]
    pub(crate) definition: i32,
    #[serde(rename = "runId")]
    pub(crate) run: i64,
}

/// An operation of a JSON patch (RFC 6902).
#[derive(Debug, Deserialize)]
pub(crate) struct PatchOperation {
    pub(crate) op: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) value: Value,
}

/// `PUT folders` and `POST folders`.
#[derive(Debug, Deserialize)]
pub(crate) struct FolderBody {
    #[serde(default)]
    pub(crate) path: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

/// `PATCH authorizedresources` and `PATCH definitions/{definitionId}/resources`.
#[derive(Debug, Deserialize)]
pub(crate) struct ResourceBody {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) authorized: Option<bool>,
}

/// `POST pipelines`.
#[derive(Debug, Deserialize)]
pub(crate) struct PipelineBody {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) folder: Option<String>,
    #[serde(default)]
    pub(crate) configuration: Option<ConfigurationBody>,
}

/// What a pipeline is made from.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigurationBody {
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<Value>,
    #[serde(default)]
    pub(crate) path: Option<String>,
}

/// `POST runs` and `POST preview`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunBody {
    #[serde(default)]
    pub(crate) preview_run: Option<bool>,
    #[serde(default)]
    pub(crate) resources: Option<RunResources>,
    #[serde(default)]
    pub(crate) stages_to_skip: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) template_parameters: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    pub(crate) variables: Option<BTreeMap<String, RunVariable>>,
    #[serde(default)]
    pub(crate) yaml_override: Option<String>,
}

/// What a run is of.
#[derive(Debug, Deserialize)]
pub(crate) struct RunResources {
    #[serde(default)]
    pub(crate) repositories: Option<BTreeMap<String, RepositoryVersion>>,
}

/// Which version of a repository.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepositoryVersion {
    #[serde(default)]
    pub(crate) ref_name: Option<String>,
    #[serde(default)]
    pub(crate) version: Option<String>,
}

/// A variable of a run or of a group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunVariable {
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) is_secret: Option<bool>,
    #[serde(default)]
    pub(crate) is_read_only: Option<bool>,
}

impl std::fmt::Debug for RunVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunVariable")
    }
}
