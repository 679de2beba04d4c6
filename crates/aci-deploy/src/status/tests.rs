use serde_json::{Value, json};

use super::*;
use crate::fleet::FleetName;

fn group(name: &str, image: &str, view: &Value) -> ContainerGroup {
    serde_json::from_value(json!({
        "id": format!("/G/{name}"), "name": name, "tags": {"mayfly-fleet": "mayfly"},
        "properties": {"provisioningState": "Succeeded", "osType": "Linux", "containers": [{"name": "agent", "properties": {
            "image": image, "resources": {"requests": {"cpu": 1.0, "memoryInGB": 2.0}}, "instanceView": view,
        }}]},
    }))
    .unwrap()
}

fn agent(id: i64, name: &str, more: &Value) -> Agent {
    let mut agent = json!({"id": id, "name": name, "status": "online", "enabled": true});
    for (key, value) in more.as_object().unwrap() {
        agent[key] = value.clone();
    }
    serde_json::from_value(agent).unwrap()
}

fn report(groups: &[ContainerGroup], agents: &[Agent], image: Option<&str>) -> StatusReport {
    let fleet: FleetName = "mayfly".parse().unwrap();
    let observed = observe::assemble(&fleet, "/G".to_owned(), groups, agents);
    StatusReport {
        target: Target::Sandbox,
        fleet: "mayfly".to_owned(),
        resource_group: "agents".to_owned(),
        image: image.map(str::to_owned),
        agents: rows(&observed, groups, image),
        pool: PoolStatus { name: "linux".to_owned(), agents: agents.len(), online: 3, busy: 1 },
        queue: QueueStatus { waiting: 2, running: 1, oldest: Some("2026-11-24T10:00:00Z".to_owned()) },
        orphans: observed.orphans().map(|agent| orphan(&observed, agent)).collect(),
    }
}

#[test]
fn everything_at_a_glance() {
    let old = "example.azurecr.io/agent:4.269.0-20261117";
    let new = "example.azurecr.io/agent:4.270.0-20261124";
    let running = json!({"restartCount": 4, "currentState": {"state": "Running"},
        "previousState": {"state": "Terminated", "exitCode": 0, "finishTime": "t"}});
    let looping = json!({"restartCount": 2, "currentState": {"state": "Waiting",
        "detailStatus": "CrashLoopBackOff: Back-off restarting failed"}});
    let groups = [
        group("mayfly-10", new, &looping),
        group("mayfly-2", old, &running),
        group("mayfly-0", new, &running),
        group("mayfly-1", new, &Value::Null),
    ];
    let agents = [
        agent(1, "mayfly-0", &json!({"assignedRequest": {"requestId": 31, "jobName": "build"}})),
        agent(
            2,
            "mayfly-2",
            &json!({"enabled": false, "userCapabilities": {"Mayfly.Drain": "/g/mayfly-2;enabled=true"}}),
        ),
        agent(3, "mayfly-10", &json!({"status": "offline"})),
        agent(
            4,
            "mayfly-7",
            &json!({"status": "offline", "userCapabilities": {"Mayfly.Group": "/g/mayfly-7"}}),
        ),
        agent(5, "mayfly-8", &json!({"status": "offline"})),
        agent(6, "mayfly-9", &json!({})),
        agent(7, "somebody-else", &json!({})),
    ];
    let report = report(&groups, &agents, Some(new));
    insta::assert_snapshot!(report, @r"
    fleet mayfly (sandbox, group agents): 4 agents
    pool  linux: 7 registered, 3 online, 1 busy
    queue 2 waiting, 1 running; the longest waiting since 2026-11-24T10:00:00Z

     AGENT      STATE           JOB                   CONTAINER           RESTARTS  IMAGE
     mayfly-0   busy            `build` (request 31)  running             4         agent:4.270.0-20261124
     mayfly-1   not registered  -                     succeeded           0         agent:4.270.0-20261124
     mayfly-2   draining        -                     running             4         agent:4.269.0-20261117 (older)
     mayfly-10  offline         -                     waiting (back-off)  2         agent:4.270.0-20261124

    1 of 4 agents run another image than the one deployed last, agent:4.270.0-20261124
    registration mayfly-7: its container group is gone; the next scale or deploy removes it
    registration mayfly-8: offline and without a container group: delete it in the pool if nobody uses it
    registration mayfly-9: online, but not in this resource group: another fleet of the same name?
    ");
    insta::assert_json_snapshot!(report.agents[0], @r#"
    {
      "agent": "mayfly-0",
      "state": "busy",
      "online": true,
      "enabled": true,
      "job": {
        "request_id": 31,
        "name": "build",
        "pipeline": null
      },
      "container": "running",
      "restarts": 4,
      "last_exit_code": 0,
      "image": "example.azurecr.io/agent:4.270.0-20261124",
      "older_image": false,
      "group_id": "/G/mayfly-0"
    }
    "#);
}

#[test]
fn an_empty_fleet_is_no_error() {
    insta::assert_snapshot!(report(&[], &[], None), @r"
    fleet mayfly (sandbox, group agents): 0 agents
    pool  linux: 0 registered, 3 online, 1 busy
    queue 2 waiting, 1 running; the longest waiting since 2026-11-24T10:00:00Z
    ");
}
