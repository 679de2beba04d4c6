//! Parts of the state as they are shown on the wire. Nothing secret is in reach of these functions' output.

pub(crate) mod builds;
pub(crate) mod definitions;
pub(crate) mod final_yaml;
pub(crate) mod maintenance;
pub(crate) mod pools;
pub(crate) mod projects;
pub(crate) mod timeline;
pub(crate) mod variable_groups;

use serde_json::{Map, Value, json};

use crate::addresses::Addresses;
use crate::state::State;
use crate::state::agents::Agent;
use crate::state::plans::{Attachment, Log};
use crate::state::requests::Request;
use crate::wire::ids::PlanId;
use crate::wire::job::{DefinitionReference, JobSpec, PROJECT};
use crate::wire::time::stamp;

/// `{"count": N, "value": [...]}`: how every list is sent.
pub(crate) fn list(values: Vec<Value>) -> Value {
    json!({"count": values.len(), "value": values})
}

/// What of an agent is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AgentParts {
    pub(crate) capabilities: bool,
    pub(crate) assigned_request: bool,
    pub(crate) last_completed_request: bool,
}

/// An agent.
pub(crate) fn agent(state: &State, addresses: &Addresses, agent: &Agent, parts: AgentParts) -> Value {
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    set("_links", agent_links(addresses, agent));
    set("maxParallelism", json!(agent.max_parallelism));
    set("createdOn", json!(stamp(agent.created_on)));
    set("statusChangedOn", json!(stamp(agent.status_changed_on)));
    // Without it an agent goes on with the credential that it registered with (azure-pipelines-agent:
    // ConfigurationManager.cs).
    if let Some(key) = &agent.public_key {
        let (client, url) = (agent.client_id, addresses.token_endpoint());
        set("authorization", json!({"clientId": client, "authorizationUrl": url, "publicKey": key}));
    }
    set("id", json!(agent.id));
    set("name", json!(agent.name));
    set("version", json!(agent.version));
    set("osDescription", json!(agent.os_description));
    set("enabled", json!(agent.enabled));
    set("status", json!(if state.online(agent.id) { "online" } else { "offline" }));
    set("provisioningState", json!("Provisioned"));
    set("accessPoint", json!(addresses.organization));
    let server_url = json!({"$type": "System.String", "$value": addresses.organization_url()});
    set("properties", json!({"ServerUrl": server_url}));
    if parts.capabilities {
        set("systemCapabilities", json!(agent.system_capabilities));
        set("userCapabilities", json!(agent.user_capabilities));
    }
    if parts.assigned_request
        && let Some(assigned) = state.assigned_request(agent.id)
    {
        set("assignedRequest", request(state, addresses, assigned));
    }
    if parts.last_completed_request
        && let Some(last) = state.last_completed_request(agent.id)
    {
        set("lastCompletedRequest", request(state, addresses, last));
    }
    if let Some(update) = pending_update(agent) {
        set("pendingUpdate", update);
    }
    Value::Object(shown)
}

/// An update that was asked for, or what the agent said of one (azure-devops-node-api: TaskAgentInterfaces.ts,
/// `TaskAgentUpdate`).
pub(crate) fn pending_update(agent: &Agent) -> Option<Value> {
    let Some(pending) = &agent.pending_update else {
        return agent.update_state.as_ref().map(|state| json!({"currentState": state}));
    };
    let version = |text: &str| {
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        json!({"major": next(), "minor": next(), "patch": next()})
    };
    Some(json!({
        "sourceVersion": version(&pending.source),
        "targetVersion": version(&pending.target),
        "requestTime": stamp(pending.requested_on),
        "reason": {"code": "manual"},
        "currentState": agent.update_state,
    }))
}

fn agent_links(addresses: &Addresses, agent: &Agent) -> Value {
    let (pool, id) = (agent.pool_id, agent.id);
    json!({
        "self": {"href": addresses.at(&format!("_apis/distributedtask/pools/{pool}/agents/{id}"))},
        "web": {"href": addresses.at(&format!("_settings/agentpools?view=jobs&poolId={pool}&agentId={id}"))},
    })
}

/// An agent as other things refer to it.
pub(crate) fn agent_reference(state: &State, addresses: &Addresses, agent: &Agent) -> Value {
    json!({
        "_links": agent_links(addresses, agent),
        "id": agent.id,
        "name": agent.name,
        "version": agent.version,
        "osDescription": agent.os_description,
        "enabled": agent.enabled,
        "status": if state.online(agent.id) { "online" } else { "offline" },
        "provisioningState": "Provisioned",
        "accessPoint": addresses.organization,
    })
}

/// A job request. Types are those that KEDA decodes strictly: `result` is text, `demands` is a list of text.
pub(crate) fn request(state: &State, addresses: &Addresses, request: &Request) -> Value {
    let spec = state.jobs.get(&request.id);
    let build = spec.map_or(request.id.0, JobSpec::build);
    let place = spec.map(|spec| spec.placement.clone()).unwrap_or_default();
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    set("requestId", json!(request.id));
    set("queueTime", json!(stamp(request.queue_time)));
    if let Some(held) = &request.assignment {
        set("assignTime", json!(stamp(held.time)));
    }
    for (name, time) in [
        ("receiveTime", request.receive_time),
        ("lockedUntil", request.locked_until),
        ("finishTime", request.finish_time),
    ] {
        if let Some(time) = time {
            set(name, json!(stamp(time)));
        }
    }
    if let Some(result) = request.result {
        set("result", json!(result));
    }
    if let Some(reason) = state.waits_for(request) {
        set("statusMessage", json!(reason));
    }
    set("serviceOwner", json!("00025394-6065-48ca-87d9-7f5672854ef7"));
    set("hostId", json!(state.meta.instance_id));
    set("scopeId", json!(state.meta.project_id));
    set("planType", json!(place.hub()));
    set("planId", json!(request.plan_id));
    set("planGroup", json!(format!("{}:{}:{build}", place.hub(), state.meta.project_id)));
    set("jobId", json!(request.job_id));
    set("jobName", json!(request.name));
    set("demands", json!(request.demands));
    if let Some(held) = &request.assignment {
        let reserved = state.agents.get(&held.agent_id).map_or_else(
            || json!({"id": held.agent_id, "name": held.agent_name, "enabled": false, "status": "offline"}),
            |agent| agent_reference(state, addresses, agent),
        );
        set("reservedAgent", reserved);
    }
    let matched: Vec<_> =
        state.matched_agents(request).map(|agent| agent_reference(state, addresses, agent)).collect();
    set("matchesAllAgentsInPool", json!(matched.len() == state.size(request.pool_id)));
    set("matchedAgents", json!(matched));
    let link =
        |path: String| json!({"web": {"href": addresses.at(&path)}, "self": {"href": addresses.at(&path)}});
    let DefinitionReference { id, name } = &place.definition;
    set(
        "definition",
        json!({"_links": link(format!("{PROJECT}/_build?definitionId={id}")), "id": id, "name": name}),
    );
    set(
        "owner",
        json!({
            "_links": link(format!("{PROJECT}/_build/results?buildId={build}")),
            "id": build,
            "name": request.build_number,
        }),
    );
    set("data", json!({"ParallelismTag": "Private", "IsScheduledKey": "False"}));
    set("poolId", json!(request.pool_id));
    set(
        "orchestrationId",
        json!(format!("{}.{}.{}", request.plan_id, place.phase, place.job).to_lowercase()),
    );
    set("priority", json!(0));
    Value::Object(shown)
}

/// A log.
pub(crate) fn log(state: &State, addresses: &Addresses, plan: PlanId, log: &Log) -> Value {
    let (project, hub) = (state.meta.project_id, state.hub(plan));
    let location = format!("{project}/_apis/distributedtask/hubs/{hub}/plans/{plan}/logs/{}", log.id);
    json!({
        "id": log.id,
        "path": log.path,
        "location": addresses.at(&location),
        "lineCount": log.lines,
        "createdOn": stamp(log.created_on),
        "lastChangedOn": stamp(log.last_changed_on),
        "indexLocation": null,
    })
}

/// An attachment.
pub(crate) fn attachment(attachment: &Attachment) -> Value {
    json!({
        "type": attachment.kind,
        "name": attachment.name,
        "createdOn": stamp(attachment.created_on),
        "lastChangedOn": stamp(attachment.created_on),
        "timelineId": attachment.timeline,
        "recordId": attachment.record,
    })
}

/// A job's output variables without the values of secret ones.
pub(crate) fn outputs(outputs: &Map<String, Value>) -> Value {
    let shown = outputs.iter().map(|(name, output)| {
        let secret = output.get("isSecret").and_then(Value::as_bool).unwrap_or(false);
        let value = if secret { Value::Null } else { output.get("value").cloned().unwrap_or_default() };
        (name.clone(), json!({"value": value, "isSecret": secret}))
    });
    Value::Object(shown.collect())
}
