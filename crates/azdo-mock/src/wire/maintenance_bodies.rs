//! Bodies of pools' maintenance (azure-devops, PyPI: task_agent/models.py, `TaskAgentPoolMaintenanceDefinition`, `…Job`).

use serde::Deserialize;
use serde_json::{Map, Value};

/// `POST maintenancedefinitions` and `PUT maintenancedefinitions/{definitionId}`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DefinitionBody {
    pub(crate) id: Option<i32>,
    pub(crate) enabled: Option<bool>,
    pub(crate) job_timeout_in_minutes: Option<u32>,
    pub(crate) max_concurrent_agents_percentage: Option<u32>,
    pub(crate) options: Option<OptionsBody>,
    pub(crate) retention_policy: Option<RetentionBody>,
    pub(crate) schedule_setting: Option<Map<String, Value>>,
}

/// What is cleaned.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OptionsBody {
    pub(crate) working_directory_expiration_in_days: Option<u32>,
}

/// What is kept of the past.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RetentionBody {
    pub(crate) number_of_history_records_to_keep: Option<u32>,
}

/// `POST maintenancejobs` and `PATCH maintenancejobs/{jobId}`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct JobBody {
    pub(crate) definition_id: Option<i32>,
    pub(crate) status: Option<Value>,
}
