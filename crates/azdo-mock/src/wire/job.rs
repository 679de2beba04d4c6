//! The job message. Source: azure-pipelines-agent: Test/L1/Worker/L1TestBase.cs; actions/runner:
//! AgentJobRequestMessage.cs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::ids::{DefinitionId, JobId, MaintenanceJobId, PlanId, RecordId, RequestId, RunId};
use super::task::{BASH, CMD_LINE, POWER_SHELL, TASK_VERSION, Task};

/// The hub of builds' plans: `plan.planType` in the job message, `{hubName}` in paths.
pub(crate) const HUB: &str = "Build";
/// The hub of the plans of agents' maintenance. The name is not published; it is the one of the host type.
const MAINTENANCE_HUB: &str = "PoolMaintenance";
/// The project of all plans.
pub(crate) const PROJECT: &str = "demo";
/// The commit that builds are of when nobody says: nothing was committed.
pub(crate) const COMMIT: &str = "0000000000000000000000000000000000000001";
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
    /// `pwsh:`, PowerShell Core.
    Pwsh,
    /// `powershell:`, Windows PowerShell where there is one.
    #[serde(rename = "powershell")]
    Windows,
}

impl Shell {
    /// The task that runs it.
    pub(crate) fn task(self) -> &'static Task {
        match self {
            Self::Default => &CMD_LINE,
            Self::Bash => &BASH,
            Self::Pwsh | Self::Windows => &POWER_SHELL,
        }
    }
}

/// One step of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) id: RecordId,
    /// Unique in the job: before the dot in the names of its output variables.
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) script: String,
    pub(crate) shell: Shell,
    #[serde(default)]
    pub(crate) options: StepOptions,
}

/// How a step runs. The default is that of a step that says nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StepOptions {
    /// Its reference name; `None`: that of its task.
    pub(crate) name: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) working_directory: Option<String>,
    /// `None`: `succeeded()`.
    pub(crate) condition: Option<String>,
    pub(crate) continue_on_error: bool,
    /// 0: as long as its job.
    pub(crate) timeout_in_minutes: u32,
    /// Disabled steps are sent, and dropped by the agent.
    pub(crate) disabled: bool,
}

/// Where a job stands in a run with several. The default is that of a job of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placement {
    /// The run; `None`: the job is one of its own, and its request's number stands for it.
    pub(crate) run: Option<RunId>,
    /// Its build number; `None`: the date and the request's number.
    #[serde(default)]
    pub(crate) run_name: Option<String>,
    /// Which attempt of its run it is in, from 1.
    #[serde(default = "first")]
    pub(crate) attempt: u32,
    /// What it is in its run: `Build.linux`.
    #[serde(default)]
    pub(crate) identifier: Option<String>,
    /// The plan that its run is known by, where it is the only job.
    #[serde(default, skip_serializing)]
    pub(crate) plan: Option<PlanId>,
    /// Whose run it is.
    #[serde(default)]
    pub(crate) definition: DefinitionReference,
    /// What the pipeline file calls the job.
    pub(crate) phase: String,
    pub(crate) phase_display_name: String,
    /// The job's reference name within the phase.
    pub(crate) job: String,
    /// From 1.
    pub(crate) position: u32,
    pub(crate) total: u32,
    /// `MultiConfiguration`, `MultiMachine` or nothing.
    pub(crate) parallel_execution: Option<String>,
    /// The maintenance that it is a part of; such a job is no build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maintenance: Option<MaintenanceJobId>,
}

impl Placement {
    /// Whether a job that stands here is a build by itself.
    pub(crate) fn is_build(&self) -> bool {
        self.run.is_none() && self.maintenance.is_none()
    }

    /// The hub of the job's plan.
    pub(crate) fn hub(&self) -> &'static str {
        if self.maintenance.is_some() { MAINTENANCE_HUB } else { HUB }
    }
}

fn first() -> u32 {
    1
}

/// A definition as jobs refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DefinitionReference {
    pub(crate) id: DefinitionId,
    pub(crate) name: String,
}

impl Default for DefinitionReference {
    fn default() -> Self {
        Self { id: DefinitionId::CONTROL, name: DEFINITION.to_owned() }
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            run: None,
            run_name: None,
            identifier: None,
            plan: None,
            attempt: first(),
            definition: DefinitionReference::default(),
            phase: "Job".to_owned(),
            phase_display_name: "Job".to_owned(),
            job: "__default".to_owned(),
            position: 1,
            total: 1,
            parallel_execution: None,
            maintenance: None,
        }
    }
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
    #[serde(default)]
    pub(crate) placement: Placement,
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
    /// The number of the run that it belongs to.
    pub(crate) fn build(&self) -> i64 {
        self.placement.run.map_or(self.request_id.0, |run| run.0)
    }

    /// The body of a `PipelineAgentJobRequest`. Holds the job's token.
    pub(crate) fn message(&self, origin: &Origin<'_>, token: &str) -> Value {
        let Origin { url, organization, collection_id, project_id } = origin;
        let build = self.build();
        let definition = &self.placement.definition;
        let (hub, uri) = (self.placement.hub(), format!("vstfs:///Build/Build/{build}"));
        json!({
            "messageType": "PipelineAgentJobRequest",
            "plan": {
                "scopeIdentifier": project_id,
                "planType": hub,
                "version": 9,
                "planId": self.plan_id,
                "planGroup": format!("{hub}:{project_id}:{build}"),
                "artifactUri": uri,
                "artifactLocation": null,
                "definition": {"_links": {}, "id": definition.id, "name": definition.name},
                "owner": {"_links": {}, "id": build, "name": self.build_number},
            },
            "timeline": {"id": self.plan_id, "changeId": 1, "location": null},
            "jobId": self.job_id,
            "jobDisplayName": self.name,
            "jobName": self.placement.job,
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
            "variables": self.message_variables(origin, &uri, token),
            "mask": self.mask(token),
            "steps": self.steps.iter().map(Step::message).collect::<Vec<_>>(),
            "workspace": {},
        })
    }

    /// What the agent must not show, as patterns: the token, and each secret variable, so that one which a step sets anew
    /// is hidden still (azure-pipelines-agent: Worker.cs `InitializeSecretMasker`).
    fn mask(&self, token: &str) -> Vec<Value> {
        let secret = self.variables.values().filter(|variable| variable.is_secret);
        let secret = secret.map(|variable| variable.value.as_str()).filter(|value| !value.is_empty());
        [token]
            .into_iter()
            .chain(secret)
            .map(|text| json!({"type": "regex", "value": pattern(text)}))
            .collect()
    }

    fn message_variables(&self, origin: &Origin<'_>, uri: &str, token: &str) -> Map<String, Value> {
        let url = origin.url.as_str();
        let (phase, build) = (&self.placement.phase, self.build());
        let attempt = self.placement.attempt.to_string();
        let read_only = [
            ("system", "build".to_owned()),
            // Which of its extensions the agent runs (azure-pipelines-agent: MaintenanceJobExtension.cs).
            ("system.hosttype", self.placement.hub().to_lowercase()),
            ("system.servertype", "Hosted".to_owned()),
            ("system.culture", "en-US".to_owned()),
            ("system.collectionId", origin.collection_id.to_string()),
            ("system.collectionUri", url.to_owned()),
            ("system.teamFoundationCollectionUri", url.to_owned()),
            ("system.taskDefinitionsUri", url.to_owned()),
            ("system.teamProject", PROJECT.to_owned()),
            ("system.teamProjectId", origin.project_id.to_string()),
            ("system.definitionId", self.placement.definition.id.to_string()),
            ("system.jobId", self.job_id.to_string()),
            ("system.planId", self.plan_id.to_string()),
            ("system.timelineId", self.plan_id.to_string()),
            ("system.stageName", "__default".to_owned()),
            ("system.stageAttempt", attempt.clone()),
            ("system.phaseName", phase.clone()),
            ("system.phaseDisplayName", self.placement.phase_display_name.clone()),
            ("system.phaseAttempt", attempt.clone()),
            ("system.jobIdentifier", format!("{phase}.{}", self.placement.job)),
            ("system.jobName", self.placement.job.clone()),
            ("system.jobDisplayName", self.name.clone()),
            ("system.jobAttempt", attempt),
            ("System.JobPositionInPhase", self.placement.position.to_string()),
            ("System.TotalJobsInPhase", self.placement.total.to_string()),
            // The agent need not take the token from the endpoint: the next variable holds it.
            ("system.enableAccessToken", "SecretVariable".to_owned()),
            ("build.buildId", build.to_string()),
            ("build.buildUri", uri.to_owned()),
            ("build.containerId", build.to_string()),
            ("build.definitionName", self.placement.definition.name.clone()),
            ("build.reason", "Manual".to_owned()),
            ("build.sourceBranch", "refs/heads/main".to_owned()),
            ("build.sourceVersion", COMMIT.to_owned()),
        ];
        let settable = [
            ("build.syncSources", "false"),
            ("build.buildNumber", self.build_number.as_str()),
            ("agent.disablelogplugin.TestResultLogPlugin", "true"),
            ("agent.disablelogplugin.TestFilePublisherPlugin", "true"),
            ("AGENT_DISABLE_NODE6_TASKS", "true"),
        ];
        let own = self.variables.iter().map(|(name, variable)| (name.clone(), json!(variable)));
        let copies = self.placement.parallel_execution.clone();
        read_only
            .into_iter()
            .chain(copies.map(|copies| ("System.ParallelExecutionType", copies)))
            .map(|(name, value)| (name.to_owned(), json!({"value": value, "isReadOnly": true})))
            .chain(settable.into_iter().map(|(name, value)| (name.to_owned(), json!({"value": value}))))
            .chain([("system.accessToken".to_owned(), json!({"value": token, "isSecret": true}))])
            .chain(own)
            .collect()
    }
}

/// A pattern that matches this text alone.
fn pattern(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        // Before a letter or a digit a backslash would give it a meaning; before these it takes it away. `_` has none.
        if c.is_ascii_punctuation() && c != '_' {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

impl Step {
    fn message(&self) -> Value {
        let (task, options) = (self.shell.task(), &self.options);
        let condition = options.condition.as_deref().unwrap_or("succeeded()");
        json!({
            "type": "task",
            "id": self.id,
            "name": if self.name.is_empty() { task.name } else { &self.name },
            "displayName": self.display_name,
            "reference": {"id": task.id, "name": task.name, "version": TASK_VERSION},
            "condition": condition,
            "enabled": !options.disabled,
            "continueOnError": options.continue_on_error,
            "timeoutInMinutes": options.timeout_in_minutes,
            "inputs": self.inputs(),
            "environment": options.env,
        })
    }

    fn inputs(&self) -> Value {
        let mut inputs = json!({
            "script": self.script,
            "workingDirectory": self.options.working_directory.as_deref().unwrap_or_default(),
        });
        if self.shell != Shell::Default {
            inputs["targetType"] = "inline".into();
        }
        if matches!(self.shell, Shell::Pwsh | Shell::Windows) {
            inputs["pwsh"] = if self.shell == Shell::Pwsh { "true" } else { "false" }.into();
        }
        inputs
    }
}
