//! Maintenance of a pool's agents.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::build_client::{finish, start, take};
use crate::client::{Agent, POOL, Session};
use crate::server::{Answer, Ask, Server};

async fn ask(server: &Server, method: Method, path: &str, body: Value) -> Answer {
    server.as_user(method, &format!("{POOL}{path}")).json(&body).answer().await
}

async fn job(server: &Server, id: &Value) -> Value {
    server.get(&format!("{POOL}/maintenancejobs/{id}")).await
}

/// An enabled definition; its id.
async fn define(server: &Server, percentage: u32) -> Value {
    let body = json!({
        "enabled": true, "jobTimeoutInMinutes": 30, "maxConcurrentAgentsPercentage": percentage,
        "options": {"workingDirectoryExpirationInDays": 7}, "retentionPolicy": {"numberOfHistoryRecordsToKeep": 2},
    });
    ask(server, Method::POST, "/maintenancedefinitions", body).await.expect(200)["id"].clone()
}

async fn queue(server: &Server, definition: &Value) -> Value {
    ask(server, Method::POST, "/maintenancejobs", json!({"definitionId": definition})).await.expect(200)
}

/// Agents that listen.
async fn listening(server: &Server, names: &[&str]) -> Vec<(Agent, Session)> {
    let mut all = Vec::new();
    for name in names {
        let agent = Agent::register(server, name).await;
        let session = agent.open(server).await;
        all.push((agent, session));
    }
    all
}

fn of(job: &Value, name: &str) -> Vec<Value> {
    job["targetAgents"].as_array().unwrap().iter().map(|one| one[name].clone()).collect()
}

#[tokio::test]
async fn a_definition_is_made_changed_and_deleted() {
    let mut server = start().await;
    let id = define(&server, 50).await;
    server.restart().await;
    let path = format!("/maintenancedefinitions/{id}");
    let mut shown = server.get(&format!("{POOL}{path}")).await;
    assert_eq!(shown["options"]["workingDirectoryExpirationInDays"], 7);
    assert_eq!(
        (&shown["pool"]["name"], &shown["scheduleSetting"]["daysToBuild"]),
        (&json!("Default"), &json!("none"))
    );
    shown["enabled"] = json!(false);
    assert_eq!(ask(&server, Method::PUT, &path, shown).await.expect(200)["enabled"], false);
    let refused = ask(&server, Method::POST, "/maintenancejobs", json!({"definitionId": id})).await;
    refused.refused(400, "TaskAgentPoolMaintenanceNotEnabledException");
    let bad = json!({"maxConcurrentAgentsPercentage": 0});
    ask(&server, Method::POST, "/maintenancedefinitions", bad)
        .await
        .refused(400, "VssPropertyValidationException");
    let elsewhere = format!("/_apis/distributedtask/pools/2{path}");
    let elsewhere = server.as_user(Method::GET, &elsewhere).answer().await;
    elsewhere.refused(404, "TaskAgentPoolMaintenanceDefinitionNotFoundException");
    ask(&server, Method::DELETE, &path, Value::Null).await.expect(204);
    assert_eq!(server.get(&format!("{POOL}/maintenancedefinitions")).await["count"], 0);
    let reader = json!({"token": "reader", "scope": "vso.agentpools"});
    server.control(Method::POST, "/tokens").json(&reader).answer().await.expect(204);
    let auth = crate::server::basic("", "reader");
    let post = server.anonymous(Method::POST, &format!("{POOL}/maintenancedefinitions"));
    post.header("authorization", auth)
        .json(&json!({}))
        .answer()
        .await
        .refused(401, "UnauthorizedRequestException");
}

/// Each agent that listens gets a job of its own that says what to do; no other agent takes it, and it is no build.
#[tokio::test]
async fn every_agent_that_listens_does_its_own_job() {
    let server = start().await;
    let away = Agent::register(&server, "away").await;
    let agents = listening(&server, &["web01", "web02"]).await;
    let queued = queue(&server, &define(&server, 100).await).await;
    assert_eq!(queued["status"], "queued");
    assert_eq!(
        of(&queued, "status"),
        ["queued", "queued"],
        "the agent {} that is away is none of them",
        away.name
    );
    for (agent, session) in &agents {
        agent.close(&server, session).await;
    }
    // The second agent comes first, and gets its own.
    let (session, worker) = take(&server, &agents[1].0).await;
    let variables = worker.job["variables"].clone();
    let value = |name: &str| variables[name]["value"].clone();
    assert_eq!(value("system.hosttype"), "poolmaintenance");
    assert_eq!(value("maintenance.deleteworkingdirectory.daysthreshold"), "7");
    assert_eq!(value("maintenance.jobtimeoutinminutes"), "30");
    assert_eq!(
        (&worker.job["plan"]["planType"], &worker.job["steps"]),
        (&json!("PoolMaintenance"), &json!([]))
    );
    let running = job(&server, &queued["jobId"]).await;
    assert_eq!(
        (&running["status"], of(&running, "status")),
        (&json!("inProgress"), vec![json!("queued"), json!("inProgress")])
    );
    finish(&server, &agents[1].0, (session, worker), "failed").await;
    finish(&server, &agents[0].0, take(&server, &agents[0].0).await, "succeeded").await;
    let ended = job(&server, &queued["jobId"]).await;
    assert_eq!(
        (&ended["status"], &ended["result"], &ended["errorCount"]),
        (&json!("completed"), &json!("failed"), &json!(1))
    );
    assert_eq!(of(&ended, "result"), ["succeeded", "failed"]);
    assert_eq!(server.get("/demo/_apis/build/builds").await["count"], 0, "it is no build");
}

/// A quarter of four agents is one at a time; what was asked for survives a restart.
#[tokio::test]
async fn so_many_at_once_as_the_definition_says() {
    let mut server = start().await;
    let names = ["a", "b", "c", "d"];
    let agents = listening(&server, &names).await;
    let queued = queue(&server, &define(&server, 25).await).await;
    let requests = async |server: &Server| server.get(&format!("{POOL}/jobrequests")).await["count"].clone();
    assert_eq!(requests(&server).await, 1);
    server.restart().await;
    for (place, (agent, session)) in agents.iter().enumerate() {
        let message = agent.poll(&server, session, None).await.expect("its turn");
        agent.delete_message(&server, session, message.id).await;
        agent.renew(&server, &message.body["requestId"]).await.expect(200);
        let worker = crate::client::Worker::new(&message);
        worker.complete(&server, "succeeded").await.expect(204);
        assert_eq!(requests(&server).await, (place + 2).min(4), "one more when one has ended");
    }
    let ended = job(&server, &queued["jobId"]).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &json!("succeeded")));
}

#[tokio::test]
async fn maintenance_is_cancelled_and_forgotten_and_only_the_newest_is_kept() {
    let server = start().await;
    let agents = listening(&server, &["web01", "web02"]).await;
    let definition = define(&server, 1).await;
    let queued = queue(&server, &definition).await;
    let path = format!("/maintenancejobs/{}", queued["jobId"]);
    ask(&server, Method::DELETE, &path, Value::Null).await.refused(409, "TaskAgentJobStillRunningException");
    ask(&server, Method::PATCH, &path, json!({"status": "completed"}))
        .await
        .refused(400, "VssPropertyValidationException");
    let cancelled = ask(&server, Method::PATCH, &path, json!({"status": "cancelling"})).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["result"]), (&json!("completed"), &json!("canceled")));
    assert_eq!(of(&cancelled, "result"), ["canceled", "canceled"], "also the one whose turn had not come");
    ask(&server, Method::PATCH, &path, json!({"status": 4}))
        .await
        .refused(400, "VssPropertyValidationException");
    // An agent that goes takes its turn along.
    let next = queue(&server, &definition).await;
    for (agent, session) in &agents {
        agent.close(&server, session).await;
        let path = format!("/agents/{}", agent.id);
        ask(&server, Method::DELETE, &path, Value::Null).await.expect(204);
    }
    assert_eq!(job(&server, &next["jobId"]).await["result"], "canceled");
    let last = queue(&server, &definition).await;
    assert_eq!(
        (&last["status"], &last["result"]),
        (&json!("completed"), &json!("succeeded")),
        "there is nobody"
    );
    let list = server.get(&format!("{POOL}/maintenancejobs?definitionId={definition}")).await;
    let ids: Vec<_> = list["value"].as_array().unwrap().iter().map(|one| one["jobId"].clone()).collect();
    assert_eq!(ids, [next["jobId"].clone(), last["jobId"].clone()], "two are kept");
    let zip = server.as_user(Method::GET, &format!("{POOL}/maintenancejobs/{}", last["jobId"]));
    let zip = zip.header(header::ACCEPT, "application/zip").answer().await;
    assert_eq!(zip.header("content-type"), "application/zip");
    ask(&server, Method::DELETE, &format!("/maintenancejobs/{}", last["jobId"]), Value::Null)
        .await
        .expect(204);
    let gone =
        server.as_user(Method::GET, &format!("{POOL}/maintenancejobs/{}", last["jobId"])).answer().await;
    gone.refused(404, "TaskAgentPoolMaintenanceJobNotFoundException");
}
