//! One organization at two addresses: who came by HTTPS is sent nowhere else, and agents and jobs are the same.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::client::{Agent, Key, POOL, Session, body};
use crate::server::{Answer, Ask, BASE, PAT, Server, basic, quick};

/// The organization by HTTPS.
struct Sealed {
    http: reqwest::Client,
    base: String,
}

impl Sealed {
    async fn of(server: &Server) -> Self {
        let (http, base) = server.serve_sealed().await;
        Self { http, base }
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base));
        request.header(header::AUTHORIZATION, basic("", PAT)).answer().await.expect(200)
    }

    async fn bearer(&self, agent: &Agent, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&agent.token);
        request = request.header(header::ACCEPT, "application/json; api-version=7.1");
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.answer().await
    }
}

#[tokio::test]
async fn what_is_given_out_begins_with_the_address_that_was_asked() {
    let server = Server::start().await;
    let sealed = Sealed::of(&server).await;
    Agent::register(&server, "web01").await;
    for path in [
        "/_apis/connectionData?connectOptions=1",
        "/_apis/resourceAreas",
        "/_apis/distributedtask/pools/1/agents?includeCapabilities=true",
    ] {
        let (by_https, by_http) = (sealed.get(path).await.to_string(), server.get(path).await.to_string());
        assert!(
            by_https.contains(&format!("{}/", sealed.base)) && !by_https.contains("http://"),
            "{by_https}"
        );
        assert!(by_http.contains(&format!("{BASE}/")) && !by_http.contains("https://"), "{by_http}");
    }
}

#[tokio::test]
async fn an_agent_that_registers_by_https_gets_everything_by_https() {
    let server = Server::start_with(quick(), Vec::new()).await;
    let sealed = Sealed::of(&server).await;
    let key = Key::generate();
    let request =
        sealed.http.post(format!("{}{POOL}/agents?api-version=7.1", sealed.base)).json(&body("web01", &key));
    let registered = request.header(header::AUTHORIZATION, basic("", PAT)).answer().await.expect(200);
    let endpoint = registered["authorization"]["authorizationUrl"].as_str().unwrap().to_owned();
    assert_eq!(endpoint, format!("{}/_apis/oauth2/token", sealed.base));
    assert_eq!(registered["properties"]["ServerUrl"]["$value"], format!("{}/", sealed.base));
    let mut agent = Agent {
        key,
        id: registered["id"].as_i64().unwrap(),
        name: "web01".into(),
        client_id: registered["authorization"]["clientId"].as_str().unwrap().into(),
        audience: endpoint.clone(),
        token: String::new(),
    };
    let ask = async |to: &str, audience: &str| {
        let mut claims = agent.claims(&server);
        claims["aud"] = audience.into();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &agent.key.sign(&claims)),
        ];
        sealed.http.post(to).form(&form).answer().await
    };
    let here = ask(&endpoint, &endpoint).await.expect(200);
    ask(&server.url("/acme/_apis/oauth2/token"), &endpoint).await.expect(200);
    ask(&endpoint, &format!("{BASE}/_apis/oauth2/token")).await.expect(200);
    let foreign = ask(&endpoint, "https://elsewhere.invalid/acme/_apis/oauth2/token").await.expect(400);
    assert_eq!(foreign["error"], "invalid_client", "control: another server's audience");
    agent.token = here["access_token"].as_str().unwrap().to_owned();

    server.queue("echo").await;
    let owner = json!({"ownerName": "BUILDHOST", "agent": {"id": agent.id, "name": "web01"}});
    let opened =
        sealed.bearer(&agent, Method::POST, &format!("{POOL}/sessions"), Some(owner)).await.expect(200);
    let session = Session::new(
        &agent,
        opened["sessionId"].as_str().unwrap().to_owned(),
        opened["encryptionKey"]["value"].as_str().unwrap(),
    );
    let path = format!("{POOL}/messages?sessionId={}", session.id);
    let message = sealed.bearer(&agent, Method::GET, &path, None).await.expect(200);
    let job = session.decrypt(message["iv"].as_str().unwrap(), message["body"].as_str().unwrap());
    assert_eq!(job["resources"]["endpoints"][0]["url"], format!("{}/", sealed.base));
    assert_eq!(job["variables"]["system.collectionUri"]["value"], format!("{}/", sealed.base));
    assert!(!job.to_string().contains(BASE), "no address by HTTP is in the job: {job}");
    let by_http = agent.poll(&server, &session, None).await.unwrap();
    assert_eq!(
        by_http.body["resources"]["endpoints"][0]["url"],
        format!("{BASE}/"),
        "control: the other one"
    );
}
