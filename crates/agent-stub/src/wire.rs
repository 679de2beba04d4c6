//! The shapes on the wire that the agent reads or echoes. Only what it uses is named; where an object goes
//! back to the server it is kept as it came.

#![expect(clippy::struct_field_names, reason = "the names are the wire's")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every list comes in a wrapper.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) value: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConnectionData {
    pub(crate) deployment_type: Option<String>,
    pub(crate) location_service_data: LocationServiceData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LocationServiceData {
    pub(crate) service_definitions: Option<Vec<ServiceDefinition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServiceDefinition {
    pub(crate) identifier: String,
    pub(crate) service_type: String,
    pub(crate) display_name: String,
    pub(crate) relative_path: String,
    pub(crate) resource_version: u32,
    pub(crate) min_version: Option<String>,
    pub(crate) max_version: Option<String>,
    pub(crate) released_version: Option<String>,
}

/// Where a resource of the API is found (actions/runner: VssApiResourceLocation.cs).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ResourceLocation {
    pub(crate) id: String,
    pub(crate) area: String,
    pub(crate) resource_name: String,
    pub(crate) route_template: String,
    pub(crate) resource_version: u32,
    pub(crate) min_version: String,
    pub(crate) max_version: String,
    pub(crate) released_version: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pool {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// A session; the key is base64 text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) session_id: String,
    #[serde(default)]
    pub(crate) encryption_key: Option<EncryptionKey>,
}

#[derive(Deserialize)]
pub(crate) struct EncryptionKey {
    #[serde(default)]
    pub(crate) encrypted: bool,
    #[serde(default)]
    pub(crate) value: Option<String>,
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptionKey").field("encrypted", &self.encrypted).finish_non_exhaustive()
    }
}

/// A message of the agent's queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    pub(crate) message_type: String,
    #[serde(default)]
    pub(crate) iv: Option<String>,
    #[serde(default)]
    pub(crate) body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobCancel {
    pub(crate) job_id: String,
    #[serde(default)]
    pub(crate) timeout: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobMetadata {
    pub(crate) job_id: String,
    #[serde(default)]
    pub(crate) post_lines_frequency_millis: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentRefresh {
    #[serde(default)]
    pub(crate) target_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RenewedRequest {
    #[serde(default)]
    pub(crate) locked_until: Option<jiff::Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package {
    #[serde(default)]
    pub(crate) download_url: Option<String>,
    #[serde(default)]
    pub(crate) hash_value: Option<String>,
    pub(crate) version: PackageVersion,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PackageVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

/// Text that must not be printed by accident, e.g. a variable that may be secret.
#[derive(Clone, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(transparent)]
pub(crate) struct Quiet(pub(crate) String);

impl std::fmt::Debug for Quiet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[text]")
    }
}

/// A job (actions/runner: AgentJobRequestMessage.cs).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobMessage {
    pub(crate) plan: Plan,
    pub(crate) timeline: TimelineReference,
    pub(crate) job_id: String,
    #[serde(default)]
    pub(crate) job_display_name: Option<String>,
    #[serde(default)]
    pub(crate) job_name: Option<String>,
    pub(crate) request_id: i64,
    pub(crate) resources: Resources,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    pub(crate) mask: Vec<MaskHint>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

impl JobMessage {
    pub(crate) fn display_name(&self) -> &str {
        self.job_display_name.as_deref().or(self.job_name.as_deref()).unwrap_or("Job")
    }

    /// The one endpoint every job must carry.
    pub(crate) fn system_connection(&self) -> Option<&Endpoint> {
        self.resources
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name.as_deref() == Some("SystemVssConnection"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub(crate) scope_identifier: String,
    pub(crate) plan_type: String,
    pub(crate) plan_id: String,
    #[serde(default)]
    pub(crate) version: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TimelineReference {
    pub(crate) id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resources {
    #[serde(default)]
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Endpoint {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) authorization: Option<Authorization>,
}

impl Endpoint {
    pub(crate) fn access_token(&self) -> Option<&str> {
        let authorization = self.authorization.as_ref().filter(|found| found.scheme == "OAuth")?;
        authorization.parameters.get("AccessToken").map(|token| token.0.as_str())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) scheme: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, Quiet>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Variable {
    pub(crate) value: Option<Quiet>,
    pub(crate) is_secret: bool,
    pub(crate) is_read_only: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MaskHint {
    #[serde(rename = "type", default)]
    pub(crate) kind: Value,
    #[serde(default)]
    pub(crate) value: Option<Quiet>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) id: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: Value,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    pub(crate) reference: Option<TaskReference>,
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Quiet>,
    #[serde(default)]
    pub(crate) condition: Option<String>,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) continue_on_error: bool,
    #[serde(default)]
    pub(crate) timeout_in_minutes: u64,
    #[serde(default)]
    pub(crate) retry_count_on_task_failure: u32,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Quiet>,
}

impl Step {
    pub(crate) fn shown_name(&self) -> String {
        let reference = self.reference.as_ref().map(|reference| reference.name.clone());
        self.display_name
            .clone()
            .filter(|name| !name.is_empty())
            .or_else(|| self.name.clone())
            .or(reference)
            .unwrap_or_else(|| "Step".to_owned())
    }

    pub(crate) fn input(&self, name: &str) -> Option<&str> {
        self.inputs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.0.as_str())
    }
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TaskReference {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
}

/// Parses `[d.]hh:mm:ss[.fffffff]`, .NET's form of a time span, into whole seconds.
pub(crate) fn time_span_seconds(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('.') {
        Some((days, rest)) if rest.contains(':') => (days.parse::<u64>().ok()?, rest),
        _ => (0, text),
    };
    let mut parts = clock.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds: u64 = parts.next()?.split('.').next()?.parse().ok()?;
    parts.next().is_none().then_some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod examples;

#[cfg(test)]
mod tests {
    use super::{JobMessage, time_span_seconds};

    #[test]
    fn time_spans() {
        for (text, seconds) in [
            ("00:05:00", Some(300)),
            ("1.02:00:01", Some(93_601)),
            ("00:00:30.5000000", Some(30)),
            ("5", None),
            ("a:b:c", None),
            ("1:2:3:4", None),
        ] {
            assert_eq!(time_span_seconds(text), seconds, "{text}");
        }
    }

    #[test]
    fn debug_output_of_a_job_holds_no_secret() {
        let job: JobMessage = serde_json::from_value(serde_json::json!({
            "plan": {"scopeIdentifier": "s", "planType": "Build", "planId": "p", "version": 9},
            "timeline": {"id": "t"}, "jobId": "j", "requestId": 1,
            "resources": {"endpoints": [{"name": "SystemVssConnection", "url": "http://h/",
                "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": "planted"}}}]},
            "variables": {"v": {"value": "planted", "isSecret": true}},
            "mask": [{"type": "regex", "value": "planted"}],
            "steps": [{"id": "s", "inputs": {"script": "planted"}}]
        }))
        .expect("a job");
        assert!(!format!("{job:?}").contains("planted"));
        assert_eq!(job.system_connection().and_then(|endpoint| endpoint.access_token()), Some("planted"));
        assert!(job.steps[0].enabled);
    }
}
