//! The job message. Source: azure-pipelines-agent: Test/L1/Worker/L1TestBase.cs; actions/runner:
//! AgentJobRequestMessage.cs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::ids::{JobId, PlanId, RecordId, RequestId};
use super::task::{TASK_ID, TASK_NAME, TASK_VERSION};

/// The hub of all plans: `plan.planType` in the job message, `{hubName}` in paths.
pub(crate) const HUB: &str = "Build";
/// The project of all plans.
pub(crate) const PROJECT: &str = "demo";
/// The definition of all plans.
pub(crate) const DEFINITION: &str = "mayfly";

/// Which shell a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Shell {
    /// `script:`, the shell of the agent's system.
    Default,
    /// `bash:`.
    Bash,
}

/// One step of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) id: RecordId,
    pub(crate) display_name: String,
    pub(crate) script: String,
    pub(crate) shell: Shell,
}

/// A variable. Serialized only into the encrypted store and into the job message.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variable {
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) is_secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_secret { "secret" } else { &self.value })
    }
}

/// What a job consists of; written once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobSpec {
    pub(crate) request_id: RequestId,
    pub(crate) job_id: JobId,
    pub(crate) plan_id: PlanId,
    pub(crate) name: String,
    pub(crate) build_number: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) variables: BTreeMap<String, Variable>,
}

/// What the message says about the organization it comes from.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// The organization's address with a trailing slash.
    pub(crate) url: &'a Url,
    pub(crate) organization: &'a str,
    pub(crate) collection_id: Uuid,
    pub(crate) project_id: Uuid,
}

impl JobSpec {
    /// The body of a `PipelineAgentJobRequest`. Holds the job's token.
    pub(crate) fn message(&self, origin: &Origin<'_>, token: &str) -> Value {
        let Origin { url, organization, collection_id, project_id } = origin;
        let build = self.request_id;
        let uri = format!("vstfs:///Build/Build/{build}");
        json!({
            "messageType": "PipelineAgentJobRequest",
            "plan": {
                "scopeIdentifier": project_id,
                "planType": HUB,
                "version": 9,
                "planId": self.plan_id,
                "planGroup": format!("{HUB}:{project_id}:{build}"),
                "artifactUri": uri,
                "artifactLocation": null,
                "definition": {"_links": {}, "id": 1, "name": DEFINITION},
                "owner": {"_links": {}, "id": build, "name": self.build_number},
            },
            "timeline": {"id": self.plan_id, "changeId": 1, "location": null},
            "jobId": self.job_id,
            "jobDisplayName": self.name,
            "jobName": "__default",
            "jobContainer": null,
            "requestId": self.request_id,
            "lockedUntil": "0001-01-01T00:00:00",
            "resources": {
                "endpoints": [{
                    "name": "SystemVssConnection",
                    "url": url,
                    "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": token}},
                    "data": {"ServerId": collection_id, "ServerName": organization},
                    "isShared": false,
                    "isReady": true,
                }],
                "repositories": [],
            },
            "variables": self.message_variables(origin, &uri),
            "mask": [{"type": "regex", "value": token.replace('.', "\\.")}],
            "steps": self.steps.iter().map(Step::message).collect::<Vec<_>>(),
            "workspace": {},
        })
    }

    fn message_variables(&self, origin: &Origin<'_>, uri: &str) -> Map<String, Value> {
        let url = origin.url.as_str();
        let read_only = [
            ("system", "build".to_owned()),
            ("system.hosttype", "build".to_owned()),
            ("system.servertype", "Hosted".to_owned()),
            ("system.culture", "en-US".to_owned()),
            ("system.collectionId", origin.collection_id.to_string()),
            ("system.collectionUri", url.to_owned()),
            ("system.teamFoundationCollectionUri", url.to_owned()),
            ("system.taskDefinitionsUri", url.to_owned()),
            ("system.teamProject", PROJECT.to_owned()),
            ("system.teamProjectId", origin.project_id.to_string()),
            ("system.definitionId", "1".to_owned()),
            ("system.jobId", self.job_id.to_string()),
            ("system.planId", self.plan_id.to_string()),
            ("system.timelineId", self.plan_id.to_string()),
            ("system.jobName", "__default".to_owned()),
            ("system.jobDisplayName", self.name.clone()),
            ("system.jobAttempt", "1".to_owned()),
            ("build.buildId", self.request_id.to_string()),
            ("build.buildUri", uri.to_owned()),
            ("build.containerId", self.request_id.to_string()),
            ("build.definitionName", DEFINITION.to_owned()),
            ("build.reason", "Manual".to_owned()),
            ("build.sourceBranch", "refs/heads/main".to_owned()),
            ("build.sourceVersion", "0000000000000000000000000000000000000001".to_owned()),
        ];
        let settable = [
            ("build.syncSources", "false"),
            ("build.buildNumber", self.build_number.as_str()),
            ("agent.disablelogplugin.TestResultLogPlugin", "true"),
            ("agent.disablelogplugin.TestFilePublisherPlugin", "true"),
            ("AGENT_DISABLE_NODE6_TASKS", "true"),
        ];
        let own = self.variables.iter().map(|(name, variable)| (name.clone(), json!(variable)));
        read_only
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!({"value": value, "isReadOnly": true})))
            .chain(settable.into_iter().map(|(name, value)| (name.to_owned(), json!({"value": value}))))
            .chain(own)
            .collect()
    }
}

impl Step {
    fn message(&self) -> Value {
        json!({
            "type": "task",
            "id": self.id,
            "name": TASK_NAME,
            "displayName": self.display_name,
            "reference": {"id": TASK_ID, "name": TASK_NAME, "version": TASK_VERSION},
            "condition": "succeeded()",
            "enabled": true,
            "continueOnError": false,
            "timeoutInMinutes": 0,
            "inputs": {"script": self.script, "shell": self.shell},
            "environment": {},
        })
    }
}
