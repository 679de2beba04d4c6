//! A container group as its readers see it: the shape of the service's GET. Secrets are not in a `GroupView`, so they
//! cannot be shown.

mod placement;

use container_groups::{
    ContainerPort, ContainerStatus, ContainerView, EventView, GroupView, Probe, ProbeCheck, VolumeKind,
    VolumeView,
};
use serde_json::{Map, Value, json};

use crate::app::Arm;
use crate::providers::Kind;
use crate::providers::aci::identity;

pub(crate) fn group(arm: &Arm, view: &GroupView) -> Value {
    let mut properties = json!({
        "sku": "Standard",
        "provisioningState": view.provisioning_state.as_str(),
        "provisioningTimeoutInSeconds": 1800,
        "isCustomProvisioningTimeout": false,
        "containers": view.containers.iter().map(container).collect::<Vec<_>>(),
        "initContainers": view.init_containers.iter().map(init_container).collect::<Vec<_>>(),
        "restartPolicy": view.restart_policy.as_str(),
        "osType": view.os_type.as_str(),
        "instanceView": { "events": events(&view.events), "state": view.state.as_str() },
    });
    let passwords = view.registry_credentials.iter();
    let passwords = passwords.map(|one| json!({ "server": one.server, "username": one.username }));
    let identities = view.registry_identities.iter();
    let identities = identities.map(|one| json!({ "server": one.server, "identity": one.identity }));
    let credentials: Vec<Value> = passwords.chain(identities).collect();
    if !credentials.is_empty() {
        properties["imageRegistryCredentials"] = credentials.into();
    }
    if !view.volumes.is_empty() {
        properties["volumes"] = view.volumes.iter().map(volume).collect();
    }
    placement::add(arm, view, &mut properties);
    let mut shown = json!({
        "id": view.id.as_str(),
        "name": view.name,
        "type": Kind::ContainerGroup.full(),
        "location": view.location,
        "tags": view.tags,
        "properties": properties,
    });
    if !view.zones.is_empty() {
        shown["zones"] = json!(view.zones);
    }
    if let Some(identity) = identity::show(arm, &view.identity) {
        shown["identity"] = identity;
    }
    shown
}

fn container(view: &ContainerView) -> Value {
    let mut properties = common(view);
    properties["ports"] = ports(&view.ports);
    properties["resources"] = json!({ "requests": { "memoryInGB": view.memory_gb, "cpu": view.cpu } });
    let mut limits = Map::new();
    if let Some(memory) = view.memory_limit_gb {
        limits.insert("memoryInGB".into(), json!(memory));
    }
    if let Some(cpu) = view.cpu_limit {
        limits.insert("cpu".into(), json!(cpu));
    }
    if !limits.is_empty() {
        properties["resources"]["limits"] = Value::Object(limits);
    }
    for (name, shown) in [("livenessProbe", &view.liveness_probe), ("readinessProbe", &view.readiness_probe)]
    {
        if let Some(shown) = shown {
            properties[name] = probe(shown);
        }
    }
    json!({ "name": view.name, "properties": properties })
}

fn init_container(view: &ContainerView) -> Value {
    json!({ "name": view.name, "properties": common(view) })
}

fn probe(probe: &Probe) -> Value {
    let mut shown = match &probe.check {
        ProbeCheck::Exec(command) => json!({ "exec": { "command": command } }),
        ProbeCheck::HttpGet(request) => {
            let headers = request.headers.iter();
            let headers: Vec<Value> =
                headers.map(|(name, value)| json!({ "name": name, "value": value })).collect();
            let mut shown = json!({ "port": request.port, "scheme": request.scheme.as_str() });
            if let Some(path) = &request.path {
                shown["path"] = json!(path);
            }
            if !headers.is_empty() {
                shown["httpHeaders"] = headers.into();
            }
            json!({ "httpGet": shown })
        }
    };
    for (name, count) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("periodSeconds", probe.period_seconds),
        ("failureThreshold", probe.failure_threshold),
        ("successThreshold", probe.success_threshold),
        ("timeoutSeconds", probe.timeout_seconds),
    ] {
        if let Some(count) = count {
            shown[name] = json!(count);
        }
    }
    shown
}

/// What every container has, also one that runs before the others.
fn common(view: &ContainerView) -> Value {
    let environment = view.environment.iter().map(|variable| match &variable.value {
        Some(value) => json!({ "name": variable.name, "value": value }),
        None => json!({ "name": variable.name }),
    });
    let mut instance = json!({ "restartCount": view.restart_count, "events": events(&view.events) });
    if let Some(current) = &view.current_state {
        instance["currentState"] = status(current);
    }
    if let Some(previous) = &view.previous_state {
        instance["previousState"] = status(previous);
    }
    let mut properties = json!({
        "image": view.image,
        "environmentVariables": environment.collect::<Vec<_>>(),
        "instanceView": instance,
    });
    if !view.command.is_empty() {
        properties["command"] = json!(view.command);
    }
    if !view.volume_mounts.is_empty() {
        let mounts = view.volume_mounts.iter();
        properties["volumeMounts"] = mounts
            .map(|mount| json!({ "name": mount.name, "mountPath": mount.mount_path, "readOnly": mount.read_only }))
            .collect();
    }
    properties
}

fn status(status: &ContainerStatus) -> Value {
    let mut shown = json!({ "state": status.state.as_str() });
    if let Some(start) = status.start_time {
        shown["startTime"] = json!(start.to_string());
    }
    if let Some(code) = status.exit_code {
        shown["exitCode"] = json!(code);
    }
    if let Some(finish) = status.finish_time {
        shown["finishTime"] = json!(finish.to_string());
    }
    shown["detailStatus"] = json!(status.detail_status);
    shown
}

fn events(events: &[EventView]) -> Value {
    events
        .iter()
        .map(|event| {
            json!({
                "count": event.count,
                "firstTimestamp": event.first_timestamp.to_string(),
                "lastTimestamp": event.last_timestamp.to_string(),
                "name": event.name,
                "message": event.message,
                "type": event.kind.as_str(),
            })
        })
        .collect()
}

fn ports(ports: &[ContainerPort]) -> Value {
    ports.iter().map(|port| json!({ "port": port.port, "protocol": port.protocol.as_str() })).collect()
}

/// The names of a secret volume's files are shown, their contents are empty.
fn volume(view: &VolumeView) -> Value {
    match &view.kind {
        VolumeKind::EmptyDir => json!({ "name": view.name, "emptyDir": {} }),
        VolumeKind::Secret(files) => {
            let files: Map<String, Value> = files.iter().map(|file| (file.clone(), Value::Null)).collect();
            json!({ "name": view.name, "secret": files })
        }
        VolumeKind::AzureFile(share) => json!({ "name": view.name, "azureFile": {
            "shareName": share.share_name,
            "storageAccountName": share.account_name,
            "readOnly": share.read_only,
        }}),
    }
}
