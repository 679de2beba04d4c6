//! Organizations that are seeded from a file, and go back to where they began.

use std::time::Duration;

use azdo_mock::Switches;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Key, POOL, Worker};
use crate::server::{Ask, Server, basic, quick};

const EVERYTHING: &str = include_str!("../../../../fixtures/seed/everything.yaml");

/// Status of a call with a personal access token.
async fn with_token(server: &Server, token: &str, method: Method, path: &str) -> u16 {
    let request = server.anonymous(method, path).header("authorization", basic("", token)).json(&json!({}));
    request.answer().await.status.as_u16()
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everything_of_a_seed_is_there_and_clients_see_it() {
    let server = Server::start().await;
    let seeded = server.seed(EVERYTHING).await.expect(201);
    assert_eq!(seeded["agents"], json!([1, 2]));
    assert_eq!(seeded["jobs"], json!([1, 2]));
    let pools = server.get("/_apis/distributedtask/pools").await;
    assert_eq!(names(&pools), ["Default", "Linux", "Windows", "Azure Pipelines"]);
    // `Linux` was there and stays what it was.
    let agents = server.get("/_apis/distributedtask/pools/2/agents?includeCapabilities=true").await;
    assert_eq!(names(&agents), ["build-1", "build-2"]);
    let (first, second) = (&agents["value"][0], &agents["value"][1]);
    assert_eq!((&first["enabled"], &first["status"]), (&json!(true), &json!("offline")));
    assert_eq!(first["systemCapabilities"]["java"], "/usr/bin/java");
    assert_eq!(first["userCapabilities"]["docker"], "27.0");
    assert_eq!((&second["enabled"], &second["maxParallelism"]), (&json!(false), &json!(2)));
    assert_eq!((&second["version"], &second["osDescription"]), (&json!("4.255.0"), &json!("")));
    let limit = server.control(Method::GET, "/parallel-jobs").answer().await.expect(200);
    assert_eq!(limit, json!({"limit": 2}));

    let jobs = server.control(Method::GET, "/jobs").answer().await.expect(200);
    let shown: Vec<_> =
        jobs.as_array().unwrap().iter().map(|job| (&job["name"], &job["pool"], &job["state"])).collect();
    let queued = json!("queued");
    assert_eq!(
        shown,
        [(&json!("compile"), &json!("Linux"), &queued), (&json!("test"), &json!("Windows"), &queued)]
    );

    let definitions = server.get("/demo/_apis/build/definitions?name=nightly").await;
    assert_eq!(names(&definitions), ["nightly"]);
    let definition = json!({"definition": {"id": definitions["value"][0]["id"]}});
    let queued = server.as_user(Method::POST, "/demo/_apis/build/builds?api-version=7.1").json(&definition);
    assert_eq!(queued.answer().await.expect(200)["definition"]["name"], "nightly", "its file is there");

    let (agents, pools) = (format!("{POOL}/agents"), "/_apis/distributedtask/pools");
    let reader = "reader-token-0123456789";
    assert_eq!(with_token(&server, reader, Method::GET, pools).await, 200);
    assert_eq!(with_token(&server, reader, Method::POST, &agents).await, 401);
    assert_eq!(with_token(&server, "ended-token-0123456789", Method::GET, pools).await, 401);
    let [made] = seeded["personalAccessTokens"].as_array().unwrap().as_slice() else { panic!("{seeded}") };
    assert_eq!(made["name"], "deployer");
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), 52);
    assert_eq!(with_token(&server, token, Method::POST, &agents).await, 400, "it may, with a better body");
    server.advance(jiff::SignedDuration::from_hours(721));
    assert_eq!(with_token(&server, reader, Method::GET, pools).await, 401, "30 days are over");
    let events = server.control(Method::GET, "/events").answer().await;
    let journal = server.control(Method::GET, "/journal").answer().await;
    assert!(!format!("{}{}", events.text, journal.text).contains("token-0123456789"));
}

#[tokio::test]
async fn a_seeded_agent_listens_for_whoever_has_its_key_and_takes_the_seeds_job() {
    let server = Server::start_with(quick(), vec![]).await;
    let key = Key::generate();
    let public = key.public();
    let seed = format!(
        "agents:\n- name: mine\n  userCapabilities: {{docker: ''}}\n  publicKey: {{modulus: {}, exponent: {}}}\n\
         - name: nobodys\njobs:\n- script: make\n  demands: docker\n",
        public["modulus"], public["exponent"]
    );
    server.seed(&seed).await.expect(201);
    let shown = server.get(&format!("{POOL}/agents/1")).await;
    let agent = Agent::from_answer(&server, key, &shown).await;
    let session = agent.open(&server).await;
    let message = agent.poll(&server, &session, None).await.expect("a job");
    assert_eq!(Worker::new(&message).job["jobDisplayName"], "Job");

    // Nobody has the key of the other one; an agent of its name takes its place.
    let shown = server.get(&format!("{POOL}/agents/2")).await;
    let client = shown["authorization"]["clientId"].as_str().unwrap().to_owned();
    let thief = Agent { key: Key::generate(), id: 2, client_id: client, name: "nobodys".into(), ..agent };
    let refused = thief.request_token(&server, &thief.claims(&server)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let owner = thief.replace(&server).await;
    owner.open(&server).await;
}

#[tokio::test]
async fn a_faulty_seed_changes_nothing() {
    let server = Server::start().await;
    let before = server.stored();
    // The first two entries are good: they must not stay either.
    let seed = "pools: [Other]\nagents:\n- name: a\n  pool: Other\n- name: A\n  pool: Other\njobs:\n- script: x\n  pool: Nowhere\n";
    let refused = server.seed(seed).await.expect(400);
    assert_eq!(refused["error"], "the seed file has 2 faults");
    let faults = refused["faults"].as_array().unwrap();
    assert_eq!(
        (&faults[0]["line"], &faults[0]["column"], &faults[0]["key"]),
        (&json!(5), &json!(3), &json!("agents[1]"))
    );
    assert!(
        faults[0]["message"].as_str().unwrap().contains("already contains an agent with name A"),
        "{refused}"
    );
    assert_eq!((&faults[1]["line"], &faults[1]["key"]), (&json!(8), &json!("jobs[0]")));
    assert!(faults[1]["message"].as_str().unwrap().contains("no pool `Nowhere`"), "{refused}");
    let refused = server.seed("organization: other\npools: [Other]").await.expect(400);
    assert_eq!(refused["faults"][0]["key"], "organization");
    server.seed("colour: red").await.expect(400);
    server.control(Method::POST, "/seed").body(vec![0xff]).answer().await.expect(400);

    assert!(server.stored() == before, "nothing was written");
    assert_eq!(
        names(&server.get("/_apis/distributedtask/pools").await),
        ["Default", "Linux", "Azure Pipelines"]
    );
    server.seed("pools: [Other]").await.expect(201);
    assert!(server.stored() != before, "control: a good seed is written");
    assert_eq!(
        names(&server.get("/_apis/distributedtask/pools").await),
        ["Default", "Linux", "Other", "Azure Pipelines"]
    );
}

#[tokio::test]
async fn a_reset_goes_back_to_the_beginning_and_to_the_seed() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let instance = server.get("/_apis/connectionData").await["instanceId"].clone();
    let made = server.seed(EVERYTHING).await.expect(201)["personalAccessTokens"][0]["token"].clone();
    let agent = Agent::register(&server, "web01").await;
    assert_eq!(agent.id, 3);
    let session = agent.open(&server).await;
    let job = server.queue("make").await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    worker.initialize(&server).await;
    let fault = json!([{"status": 503, "path_contains": "/nowhere"}]);
    server.control(Method::POST, "/faults").json(&fault).answer().await.expect(204);
    let late = json!({"token": "late-token-0123456789"});
    server.control(Method::POST, "/tokens").json(&late).answer().await.expect(204);
    assert_eq!(server.folders_of_plans(), 1, "control: the job has files");

    server.control(Method::POST, "/reset").answer().await.expect(204);

    let check = async |server: &Server| {
        assert_eq!(server.get("/_apis/connectionData").await["instanceId"], instance);
        assert_eq!(names(&server.get(&format!("{POOL}/agents")).await), Vec::<&str>::new());
        assert_eq!(names(&server.get("/_apis/distributedtask/pools/2/agents").await), ["build-1", "build-2"]);
        let pools = "/_apis/distributedtask/pools";
        assert_eq!(
            with_token(server, made.as_str().unwrap(), Method::GET, pools).await,
            200,
            "it is the same token"
        );
        assert_eq!(with_token(server, "late-token-0123456789", Method::GET, pools).await, 401);
        let jobs = server.control(Method::GET, "/jobs").answer().await.expect(200);
        let numbers: Vec<_> = jobs.as_array().unwrap().iter().map(|job| &job["requestId"]).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(server.control(Method::GET, "/sessions").answer().await.expect(200), json!([]));
        assert_eq!(server.control(Method::GET, "/faults").answer().await.expect(200), json!([]));
        server.events("agentRegistered").await.len()
    };
    assert_eq!(check(&server).await, 2, "only those of the seed");
    assert_eq!(server.folders_of_plans(), 0);
    let id = job["jobId"].as_str().unwrap();
    server.control(Method::GET, &format!("/jobs/{id}")).answer().await.expect(404);
    // What agent and job hold of before is worth nothing.
    agent.try_poll(&server, &session, None).await.refused(401, "UnauthorizedRequestException");
    worker.append_log(&server, &json!(1), "late\n").await.refused(401, "UnauthorizedRequestException");
    let refused = agent.request_token(&server, &agent.claims(&server)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["error"]),
        (400, &json!("invalid_client")),
        "{}",
        refused.text
    );
    server.restart().await;
    check(&server).await;

    let forget = json!({"seeds": "forget"});
    server.control(Method::POST, "/reset").json(&forget).answer().await.expect(204);
    assert_eq!(
        names(&server.get("/_apis/distributedtask/pools").await),
        ["Default", "Linux", "Azure Pipelines"]
    );
    assert_eq!(server.get("/_apis/distributedtask/pools/2/agents").await["count"], 0);
    server.control(Method::POST, "/reset").answer().await.expect(204);
    assert_eq!(
        server.get("/_apis/distributedtask/pools/2/agents").await["count"],
        0,
        "a seed is forgotten for good"
    );
    server.control(Method::POST, "/reset").json(&json!({"seed": 1})).answer().await.expect(422);
    let next = Agent::register(&server, "web01").await;
    assert_eq!(next.id, 1, "numbers begin anew");
}

#[tokio::test]
async fn whoever_polls_at_a_reset_is_told_at_once() {
    // The clock stands: nothing but the reset can end the poll.
    let server = Server::start_with(Switches::default(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let poll = agent.try_poll(&server, &session, None);
    tokio::pin!(poll);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut poll).await;
    assert!(early.is_err(), "control: the poll is held");
    server.control(Method::POST, "/reset").answer().await.expect(204);
    let told = tokio::time::timeout(Duration::from_secs(10), poll).await.expect("the poll ends");
    told.refused(404, "TaskAgentNotFoundException");
}

#[tokio::test]
async fn seeds_survive_a_restart_and_a_reset_applies_all_of_them_in_order() {
    let mut server = Server::start().await;
    server.seed("pools: [First]\nagents: [{name: a, pool: First}]").await.expect(201);
    server.seed("agents: [{name: b, pool: First}]").await.expect(201);
    server.seed("agents: [{name: b, pool: First}]").await.expect(400);
    server.restart().await;
    server.control(Method::POST, "/reset").answer().await.expect(204);
    let agents = server.get("/_apis/distributedtask/pools/3/agents").await;
    assert_eq!(names(&agents), ["a", "b"]);
}
