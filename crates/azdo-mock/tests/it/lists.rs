//! What scalers, scripts and deployers read.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, BASE, Server, quick};

#[tokio::test]
async fn pools_are_found_by_name_in_any_case_and_by_type() {
    let server = Server::start().await;
    let count = async |query: &str| {
        server.get(&format!("/_apis/distributedtask/pools?{query}")).await["count"].as_i64().unwrap()
    };
    assert_eq!(count("").await, 3, "two and the hosted one");
    assert_eq!(count("poolName=DEFAULT&poolType=Automation").await, 1);
    assert_eq!(count("poolName=Default&poolType=deployment").await, 0);
    assert_eq!(count("poolName=nope").await, 0);
    assert_eq!(count("poolName=*").await, 3);
    assert_eq!(count("poolIds=2,7").await, 1);
    // The scaler asks with a name that the service does not know, and wants an answer.
    assert_eq!(count("poolID=1").await, 3);
    let odd = server.as_user(Method::GET, "/_apis/distributedtask/pools?poolType=swimming").answer().await;
    odd.refused(400, "VssPropertyValidationException");
    Agent::register(&server, "web01").await;
    let pool = server.get(POOL).await;
    assert_eq!(
        (&pool["name"], &pool["size"], &pool["isHosted"]),
        (&json!("Default"), &json!(1), &json!(false))
    );
    let missing = server.as_user(Method::GET, "/_apis/distributedtask/pools/77").answer().await;
    missing.refused(404, "TaskAgentPoolNotFoundException");
}

/// The scaler's rule: what has no result and no receive time waits.
fn waiting(list: &Value) -> usize {
    let requests = list["value"].as_array().unwrap();
    requests.iter().filter(|r| r["result"].is_null() && r["receiveTime"].is_null()).count()
}

#[tokio::test]
async fn a_scaler_counts_what_waits_in_each_form_of_the_list() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    for script in ["1", "2", "3"] {
        let demands = json!(["java", "Agent.Version -gtVersion 2.182.1"]);
        let body = json!({"pool": "Default", "steps": [{"script": script}], "demands": demands});
        server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    }
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    for query in ["?$top=250", "", "?completedRequestCount=0"] {
        let list = server.get(&format!("{POOL}/jobrequests{query}")).await;
        assert_eq!((waiting(&list), &list["count"]), (2, &json!(3)), "{query}");
    }
    Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    let open = server.get(&format!("{POOL}/jobrequests?completedRequestCount=0")).await;
    assert_eq!((waiting(&open), &open["count"]), (2, &json!(2)));
    let with_done =
        server.get(&format!("{POOL}/jobrequests?agentId={}&completedRequestCount=5", agent.id)).await;
    assert_eq!((&with_done["count"], &with_done["value"][0]["result"]), (&json!(1), &json!("succeeded")));
    let by_job = format!(
        "{POOL}/jobrequests?planId={}&jobId={}",
        message.body["plan"]["planId"].as_str().unwrap(),
        message.body["jobId"].as_str().unwrap()
    );
    assert_eq!(server.get(&by_job).await["count"], 1);

    let page = server.as_user(Method::GET, &format!("{POOL}/jobrequests?$top=2")).answer().await;
    let token = page.header("x-ms-continuationtoken").to_owned();
    let ids = |list: &Value| -> Vec<i64> {
        list["value"].as_array().unwrap().iter().map(|r| r["requestId"].as_i64().unwrap()).collect()
    };
    assert_eq!((ids(&page.expect(200)), token.as_str()), (vec![3, 2], "2"));
    let rest = server.as_user(Method::GET, &format!("{POOL}/jobrequests?$top=2&continuationToken={token}"));
    let rest = rest.answer().await;
    assert_eq!(rest.header("x-ms-continuationtoken"), "");
    assert_eq!(ids(&rest.expect(200)), [1]);
}

#[tokio::test]
async fn types_of_a_request_are_those_that_a_strict_reader_takes() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    agent.open(&server).await;
    let body = json!({"pool": "Default", "steps": [{"script": "x"}], "demands": ["java"]});
    server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    let list = server.get(&format!("{POOL}/jobrequests?$top=1")).await;
    let request = &list["value"][0];
    for number in ["requestId", "poolId", "priority"] {
        assert!(request[number].is_i64(), "{number}: {request}");
    }
    for text in ["planId", "jobId", "hostId", "scopeId", "serviceOwner", "planType", "orchestrationId"] {
        assert!(request[text].is_string(), "{text}: {request}");
    }
    for time in ["queueTime", "assignTime", "lockedUntil"] {
        request[time].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    assert_eq!(request["demands"], json!(["java", "Agent.Version -gtVersion 2.163.1"]));
    assert_eq!(request["reservedAgent"]["name"], "web01");
    assert_eq!(request["matchedAgents"][0]["enabled"], true);
    assert!(request["data"]["ParallelismTag"].is_string());
}

#[tokio::test]
async fn a_typed_client_finds_its_routes() {
    let server = Server::start().await;
    // Discovery needs no credential and is no answer for a browser.
    let all = server.anonymous(Method::OPTIONS, "/_apis/").answer().await.expect(200);
    let one = |id: &str| {
        let rows = all["value"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    assert_eq!(
        one("c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7"),
        json!({
            "id": "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7", "area": "distributedtask", "resourceName": "messages",
            "routeTemplate": "_apis/{area}/pools/{poolId}/{resource}/{messageId}", "resourceVersion": 1,
            "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": "7.1",
        })
    );
    // Above the organization there is nothing, which a client must be able to see.
    let above = reqwest::Client::new().request(Method::OPTIONS, server.url("/_apis"));
    assert_eq!(above.answer().await.expect(200), json!({"count": 0, "value": []}));
    let area = server.anonymous(Method::OPTIONS, "/_apis/distributedtask").answer().await.expect(200);
    assert!(area["count"].as_i64().unwrap() < all["count"].as_i64().unwrap());

    let areas = server.get("/_apis/resourceAreas").await;
    assert_eq!(areas["value"][0]["locationUrl"], format!("{BASE}/"));
    // What is not served is at the same place: a client that finds no area of it takes its token to the public service.
    let git = areas["value"].as_array().unwrap().iter().find(|one| one["name"] == "git").unwrap();
    assert_eq!(git["locationUrl"], areas["value"][0]["locationUrl"]);
    let id = "a85b8835-c1a1-4aac-ae97-1c3d0ba72dbd";
    assert_eq!(server.get(&format!("/_apis/ResourceAreas/{id}")).await["name"], "distributedtask");

    let data = server.get("/_apis/ConnectionData?connectOptions=1&lastChangeId=-1&lastChangeId64=-1").await;
    assert!(data["locationServiceData"].get("serviceOwner").is_none());
    let definitions = data["locationServiceData"]["serviceDefinitions"].as_array().unwrap();
    assert_eq!(definitions.len(), all["value"].as_array().unwrap().len(), "all or none");
    let again = server.get("/_apis/connectionData").await;
    assert_eq!(
        (&data["instanceId"], &data["authenticatedUser"]),
        (&again["instanceId"], &again["authenticatedUser"])
    );

    let flag = server.get("/_apis/FeatureFlags/DistributedTask.Agent.UseCng?checkFeatureExists=false").await;
    assert_eq!(
        (&flag["name"], &flag["effectiveState"]),
        (&json!("DistributedTask.Agent.UseCng"), &json!("Off"))
    );
    let telemetry = server.as_user(Method::POST, "/_apis/customerintelligence/Events").json(&json!([]));
    telemetry.answer().await.expect(204);
}
