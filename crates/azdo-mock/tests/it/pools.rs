//! Pools and queues as those who manage them use them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Key, POOL, body};
use crate::server::{Answer, Ask, Server, basic, quick};

const POOLS: &str = "/_apis/distributedtask/pools";
const QUEUES: &str = "/demo/_apis/distributedtask/queues";

async fn add(server: &Server, pool: Value) -> Answer {
    server.as_user(Method::POST, POOLS).json(&pool).answer().await
}

async fn names(server: &Server, path: &str) -> Vec<String> {
    let list = server.get(path).await;
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_pool_is_made_changed_and_deleted_and_only_a_provisioned_one_has_a_queue() {
    let mut server = Server::start().await;
    let made = add(&server, json!({"name": "Big", "autoProvision": true})).await.expect(200);
    assert_eq!((&made["isHosted"], &made["poolType"]), (&json!(false), &json!("automation")));
    assert_eq!((&made["autoProvision"], &made["autoUpdate"]), (&json!(true), &json!(true)));
    assert_eq!(made["createdBy"]["displayName"], "user");
    let quiet = add(&server, json!({"name": "Quiet", "autoUpdate": false})).await.expect(200);
    assert_eq!((&quiet["autoProvision"], &quiet["autoUpdate"]), (&json!(false), &json!(false)));
    assert_eq!(names(&server, QUEUES).await, ["Default", "Linux", "Azure Pipelines", "Big"]);

    let one = format!("{POOLS}/{}", quiet["id"]);
    let change = json!({"id": quiet["id"], "name": "Loud", "targetSize": 4});
    let changed = server.as_user(Method::PATCH, &one).json(&change).answer().await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["targetSize"], &changed["autoUpdate"]),
        (&json!("Loud"), &json!(4), &json!(false))
    );
    server.restart().await;
    assert_eq!(server.get(&one).await, changed, "a restart keeps it");

    let big = format!("{POOLS}/{}", made["id"]);
    server.as_user(Method::DELETE, &big).answer().await.expect(204);
    server.as_user(Method::GET, &big).answer().await.refused(404, "TaskAgentPoolNotFoundException");
    server.as_user(Method::DELETE, &big).answer().await.refused(404, "TaskAgentPoolNotFoundException");
    assert_eq!(names(&server, QUEUES).await, ["Default", "Linux", "Azure Pipelines"]);
    let again = add(&server, json!({"name": "Big"})).await.expect(200);
    assert_ne!(again["id"], made["id"], "a number is given out once");
}

#[tokio::test]
async fn what_makes_no_pool_is_refused_by_its_own_error() {
    let server = Server::start().await;
    let taken = add(&server, json!({"name": "DEFAULT"})).await.refused(409, "TaskAgentPoolExistsException");
    assert_eq!(taken["message"], "Agent pool DEFAULT already exists.");
    for (pool, status, error) in [
        (json!({}), 400, "VssPropertyValidationException"),
        (json!({"name": " "}), 400, "VssPropertyValidationException"),
        (json!({"name": "x", "poolType": "swimming"}), 400, "ArgumentException"),
        (json!({"name": "x", "agentCloudId": 1}), 400, "VssPropertyValidationException"),
        (json!({"name": "x", "isHosted": true}), 403, "AccessDeniedException"),
        (json!({"name": "azure pipelines"}), 409, "TaskAgentPoolExistsException"),
    ] {
        add(&server, pool.clone()).await.refused(status, error);
    }
    let patch = |pool: &str, change: Value| {
        server.as_user(Method::PATCH, &format!("{POOLS}/{pool}")).json(&change).answer()
    };
    patch("1", json!({"name": "linux"})).await.refused(409, "TaskAgentPoolExistsException");
    patch("1", json!({"name": "default"})).await.expect(200);
    patch("1", json!({"id": 2})).await.refused(400, "VssPropertyValidationException");
    patch("1", json!({"poolType": "deployment"})).await.refused(400, "VssPropertyValidationException");
    patch("77", json!({})).await.refused(404, "TaskAgentPoolNotFoundException");
    assert_eq!(names(&server, POOLS).await, ["default", "Linux", "Azure Pipelines"], "nothing else changed");
}

#[tokio::test]
async fn the_hosted_pool_is_there_to_be_seen_and_not_to_be_changed() {
    let server = Server::start().await;
    let hosted = format!("{POOLS}/9");
    let shown = server.get(&hosted).await;
    assert_eq!((&shown["name"], &shown["isHosted"]), (&json!("Azure Pipelines"), &json!(true)));
    server.as_user(Method::DELETE, &hosted).answer().await.refused(403, "AccessDeniedException");
    let change = json!({"autoUpdate": false});
    server.as_user(Method::PATCH, &hosted).json(&change).answer().await.refused(403, "AccessDeniedException");
    let agent = body("web01", &Key::generate());
    let agents = format!("{hosted}/agents");
    server.as_user(Method::POST, &agents).json(&agent).answer().await.refused(403, "AccessDeniedException");
    assert_eq!(server.get(&agents).await["count"], 0);
    // Seven more make the next number that of the hosted pool, which is passed over.
    for number in 3..=9 {
        let made = add(&server, json!({"name": format!("pool-{number}")})).await.expect(200);
        assert_eq!(made["id"], if number == 9 { 10 } else { number });
    }
    let queue = server.get(&format!("{QUEUES}?queueName=Azure%20Pipelines")).await;
    assert_eq!(queue["value"][0]["pool"]["isHosted"], true);
}

#[tokio::test]
async fn a_pool_goes_with_its_agents_and_what_waits_for_it_is_cancelled_unless_it_works() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let running = server.queue("echo running").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    let waiting = server.queue("echo waiting").await;
    let busy = server.as_user(Method::DELETE, POOL).answer().await;
    busy.refused(409, "TaskAgentJobStillRunningException");
    assert_eq!(server.job(&waiting).await["state"], "queued", "a refusal changes nothing");

    crate::client::Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    let disable = json!({"id": agent.id, "enabled": false});
    let path = format!("{POOL}/agents/{}", agent.id);
    server.as_user(Method::PATCH, &path).json(&disable).answer().await.expect(200);
    server.as_user(Method::DELETE, POOL).answer().await.expect(204);
    assert_eq!(server.job(&waiting).await["result"], "canceled");
    assert_eq!(server.job(&running).await["result"], "succeeded");
    server.as_user(Method::GET, &path).answer().await.refused(404, "TaskAgentPoolNotFoundException");
    let control = server.control(Method::GET, "/agents").answer().await.expect(200);
    assert_eq!(control, json!([]));
    assert_eq!(server.events("poolDeleted").await.len(), 1);
}

#[tokio::test]
async fn properties_and_kinds_of_pools_are_shown_to_who_asks_for_them() {
    let server = Server::start().await;
    let pool = json!({"name": "Own", "properties": {"Team": "red", "Cost": 7, "Old": true}});
    let made = add(&server, pool).await.expect(200);
    let one = format!("{POOLS}/{}", made["id"]);
    assert_eq!(server.get(&one).await["properties"], json!({}));
    let cost = server.get(&format!("{one}?properties=cost,nope")).await;
    assert_eq!(cost["properties"], json!({"Cost": {"$type": "System.Int32", "$value": 7}}));
    let change = json!({"properties": {"Old": null, "Team": {"$type": "System.String", "$value": "blue"}}});
    server.as_user(Method::PATCH, &one).json(&change).answer().await.expect(200);
    let all = server.get(&format!("{POOLS}?poolName=Own&properties=*")).await;
    let all = &all["value"][0]["properties"];
    assert_eq!((&all["Team"]["$value"], all.get("Old")), (&json!("blue"), None));

    let machines = json!({"name": "Machines", "poolType": "deployment", "autoProvision": true});
    let machines = add(&server, machines).await.expect(200);
    assert_eq!(names(&server, &format!("{POOLS}?poolType=Deployment")).await, ["Machines"]);
    assert!(!names(&server, POOLS).await.contains(&"Machines".to_owned()));
    assert_eq!(names(&server, &format!("{POOLS}?poolIds={}", machines["id"])).await, ["Machines"]);
    assert!(!names(&server, QUEUES).await.contains(&"Machines".to_owned()), "no queue leads there");
    let queue = json!({"name": "Machines", "pool": {"id": machines["id"]}});
    let refused = server.as_user(Method::POST, QUEUES).json(&queue).answer().await;
    refused.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn whoever_may_only_see_pools_changes_none() {
    let server = Server::start().await;
    let reader = json!({"token": "reader", "scope": "vso.agentpools"});
    server.control(Method::POST, "/tokens").json(&reader).answer().await.expect(204);
    let ask = |method: Method, path: &str, change: Value| {
        server.anonymous(method, path).header("authorization", basic("", "reader")).json(&change).answer()
    };
    for (method, path) in [(Method::POST, POOLS), (Method::PATCH, POOL), (Method::DELETE, POOL)] {
        ask(method, path, json!({"name": "x"})).await.refused(401, "UnauthorizedRequestException");
    }
    assert_eq!(names(&server, POOLS).await, ["Default", "Linux", "Azure Pipelines"]);
}
