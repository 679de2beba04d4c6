//! Webhooks call a real address: what is sent when an image is pushed or deleted, to whom, and what is kept of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::{Shutdown, serve_http};
use sha2::{Digest, Sha256};

use crate::stack::{Stack, registry, until};

const NAME: &str = "hookimages";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// A call that came.
type Call = (String, HeaderMap, Value);

/// Somebody who is called. Below `/silent` there is no answer.
#[derive(Clone, Default)]
struct Called(Arc<Mutex<Vec<Call>>>);

impl Called {
    async fn serve(&self, shutdown: &Shutdown) -> String {
        let own = self.clone();
        let router = Router::new().fallback(move |request: Request| {
            let own = own.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let path = parts.uri.path().to_owned();
                own.0.lock().unwrap().push((
                    path.clone(),
                    parts.headers,
                    serde_json::from_slice(&bytes).unwrap(),
                ));
                if path == "/silent" {
                    std::future::pending::<()>().await;
                }
                if path == "/moved" {
                    return (StatusCode::FOUND, [("location", "/elsewhere")], String::new()).into_response();
                }
                (StatusCode::ACCEPTED, [("x-taken", "yes")], "thanks".repeat(2000)).into_response()
            }
        });
        format!("http://{}", serve_http("127.0.0.1:0".parse().unwrap(), router, shutdown).await.unwrap())
    }

    fn at(&self, path: &str) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|(at, ..)| at == path).cloned().collect()
    }

    async fn times(&self, path: &str, count: usize) -> Vec<Call> {
        until(&format!("{count} calls at {path}"), || async {
            let calls = self.at(path);
            if calls.len() >= count { Ok(calls) } else { Err(format!("{calls:?}")) }
        })
        .await
    }
}

/// A registry with its clients' side.
pub(crate) struct Images {
    name: String,
    client: reqwest::Client,
    pub(crate) server: String,
    password: String,
}

impl Images {
    async fn new(stack: &Stack) -> Self {
        Self::of(stack, NAME).await
    }

    pub(crate) async fn of(stack: &Stack, name: &str) -> Self {
        let body = json!({"location": "westeurope", "sku": {"name": "Premium"}, "properties": {"adminUserEnabled": true}});
        let made = stack.put(&registry(name), body).await.expect(201).body;
        let credentials =
            stack.post(&format!("{}/listCredentials", registry(name)), json!({})).await.expect(200);
        Self {
            name: name.to_owned(),
            // Whose certificate it is, is the business of other tests.
            client: reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap(),
            server: made["properties"]["loginServer"].as_str().unwrap().to_owned(),
            password: credentials.body["passwords"][0]["value"].as_str().unwrap().to_owned(),
        }
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &str) -> reqwest::Response {
        let request = self.request(method, path);
        let answer = request.header("content-type", kind).body(body.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("https://{}{path}", self.server));
        request.basic_auth(&self.name, Some(&self.password)).header("user-agent", "docker/1 test")
    }

    /// Uploads a blob.
    pub(crate) async fn blob(&self, repository: &str, content: &[u8]) {
        let digest = hex::encode(Sha256::digest(content));
        let path = format!("/v2/{repository}/blobs/uploads/?digest=sha256:{digest}");
        let answer = self.request(Method::POST, &path).body(content.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }

    /// The answer to a pull of a manifest: status, and the digest of what came.
    pub(crate) async fn pull(&self, repository: &str, tag: &str) -> (u16, String) {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.request(Method::GET, &path).header("accept", OCI).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, format!("sha256:{}", hex::encode(Sha256::digest(answer.bytes().await.unwrap()))))
    }

    /// Pushes an image; gives its digest and size.
    pub(crate) async fn push(&self, repository: &str, tag: &str) -> (String, usize) {
        let config = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let upload = format!("/v2/{repository}/blobs/uploads/?digest={config}");
        self.send(Method::POST, &upload, "application/octet-stream", "{}").await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI, "layers": [], "annotations": {"repository": repository},
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        })
        .to_string();
        let answer =
            self.send(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"), OCI, &manifest).await;
        (answer.headers()["docker-content-digest"].to_str().unwrap().to_owned(), manifest.len())
    }
}

async fn hook(stack: &Stack, name: &str, properties: Value) -> String {
    let path = format!("{}/webhooks/{name}", registry(NAME));
    stack.put(&path, json!({"location": "westeurope", "properties": properties})).await.expect(201);
    path
}

/// The newest event of a webhook, once it was answered or failed.
async fn newest(stack: &Stack, path: &str) -> Value {
    until("the event is answered", || async {
        let events = stack.post(&format!("{path}/listEvents"), json!({})).await.expect(200).body;
        let newest = events["value"][0].clone();
        if newest["eventResponseMessage"].is_object() { Ok(newest) } else { Err(events.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_push_and_a_deletion_are_told_with_the_webhooks_own_headers() {
    let (stack, shutdown, called) = (Stack::start().await, Shutdown::new(), Called::default());
    let base = called.serve(&shutdown).await;
    let images = Images::new(&stack).await;
    let both = json!({"serviceUri": format!("{base}/both"), "actions": ["push", "delete"],
        "customHeaders": {"Authorization": "hunter2", "Content-Length": "7"}});
    let path = hook(&stack, "bothofthem", both).await;
    let (digest, size) = images.push("team/agent", "1").await;
    let (_, headers, body) = called.times("/both", 1).await.remove(0);
    assert_eq!(headers["authorization"], "hunter2");
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    let target = json!({"mediaType": OCI, "size": size, "length": size, "digest": digest, "repository": "team/agent", "tag": "1"});
    assert_eq!((&body["action"], &body["target"]), (&json!("push"), &target), "{body}");
    let request = &body["request"];
    assert_eq!((&request["host"], &request["method"]), (&json!(images.server), &json!("PUT")));
    assert_eq!(request["useragent"], "docker/1 test");
    let event = newest(&stack, &path).await;
    assert_eq!((&event["id"], &event["eventRequestMessage"]["content"]), (&body["id"], &body));
    let answer = &event["eventResponseMessage"];
    assert_eq!((&answer["statusCode"], &answer["reasonPhrase"]), (&json!("202"), &json!("Accepted")));
    assert_eq!(
        (&answer["headers"]["x-taken"], answer["content"].as_str().unwrap().len()),
        (&json!("yes"), 4096)
    );

    images.send(Method::DELETE, "/acr/v1/team/agent/_tags/1", OCI, "").await;
    images.send(Method::DELETE, &format!("/v2/team/agent/manifests/{digest}"), OCI, "").await;
    let (_, _, body) = called.times("/both", 2).await.remove(1);
    let target = json!({"mediaType": OCI, "digest": digest, "repository": "team/agent"});
    assert_eq!(
        (&body["action"], &body["target"]),
        (&json!("delete"), &target),
        "a tag alone is no event: {body}"
    );
    let (digest, _) = images.push("team/agent", "2").await;
    images.send(Method::DELETE, "/acr/v1/team/agent", OCI, "").await;
    let (_, _, body) = called.times("/both", 4).await.remove(3);
    assert_eq!((&body["action"], &body["target"]["digest"]), (&json!("delete"), &json!(digest)));

    let (_, events) = stack.control(Method::GET, "/events", Value::Null).await;
    let told: Vec<&Value> =
        events.as_array().unwrap().iter().filter(|event| event["kind"] == "webhookCalled").collect();
    assert_eq!(
        (&told[0]["id"], &told[0]["action"], &told[0]["status"]),
        (&json!(path), &json!("push"), &json!(202))
    );
    assert!(!events.to_string().contains("hunter2") && !stack.answers().contains("hunter2"));
    shutdown.stop(Duration::from_secs(5)).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_webhook_is_told_what_it_wants_to_know_and_no_more() {
    let (stack, shutdown, called) = (Stack::start().await, Shutdown::new(), Called::default());
    let base = called.serve(&shutdown).await;
    let images = Images::new(&stack).await;
    let wanted = |path: &str, scope: &str, actions: Value, status: &str| {
        json!({
        "serviceUri": format!("{base}/{path}"), "actions": actions, "scope": scope, "status": status})
    };
    hook(&stack, "onetag", wanted("onetag", "team/agent:2", json!(["push"]), "enabled")).await;
    hook(&stack, "deletions", wanted("deletions", "", json!(["delete"]), "enabled")).await;
    let off = hook(&stack, "switchedoff", wanted("off", "", json!(["push"]), "disabled")).await;
    hook(&stack, "everything", wanted("all", "", json!(["push"]), "enabled")).await;
    images.push("team/agent", "1").await;
    images.push("team/other", "2").await;
    images.push("team/agent", "2").await;
    // Every push is told before the last one to the webhook that wants all of them.
    called.times("/all", 3).await;
    let told = called.times("/onetag", 1).await;
    let targets: Vec<_> = told.iter().map(|(_, _, body)| body["target"]["repository"].clone()).collect();
    assert_eq!(targets, ["team/agent"]);
    assert!(called.at("/deletions").is_empty() && called.at("/off").is_empty());
    // A ping comes in any case, and the webhook listens from the moment it is switched on.
    let ping = stack.post(&format!("{off}/ping"), json!({})).await.expect(200).body;
    assert_eq!(called.times("/off", 1).await[0].2["id"], ping["id"]);
    assert_eq!(newest(&stack, &off).await["eventRequestMessage"]["content"]["action"], "ping");
    stack.patch(&off, json!({"properties": {"status": "enabled"}})).await.expect(200);
    images.push("team/agent", "3").await;
    assert_eq!(called.times("/off", 2).await[1].2["target"]["tag"], "3");
    shutdown.stop(Duration::from_secs(5)).await;
    stack.finish().await;
}

#[tokio::test]
async fn an_image_that_is_imported_is_an_event() {
    let stack = Stack::start().await;
    let images = Images::new(&stack).await;
    images.push("team/agent", "1").await;
    let body = json!({"source": {"resourceId": registry(NAME), "sourceImage": "team/agent:1"}, "targetTags": ["copy:1"]});
    stack.post(&format!("{}/importImage", registry(NAME)), body).await.expect(200);
    let (_, events) = stack.control(Method::GET, "/events", Value::Null).await;
    let event = events.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&event["kind"], &event["image"]),
        (&json!("imageImported"), &json!("team/agent:1")),
        "{event}"
    );
    assert_eq!(event["id"], registry(NAME));
    stack.finish().await;
}

#[tokio::test]
async fn who_is_called_in_vain_keeps_nobody_waiting() {
    let (stack, shutdown, called) = (Stack::start().await, Shutdown::new(), Called::default());
    let base = called.serve(&shutdown).await;
    let images = Images::new(&stack).await;
    let mut hooks = Vec::new();
    for (name, address, why) in [
        ("silent", format!("{base}/silent"), "no answer within"),
        ("inside", "http://169.254.169.254/metadata?s3cr3t".to_owned(), "link-local"),
        ("absent", "http://127.0.0.1:1/".to_owned(), "cannot be reached"),
    ] {
        hooks.push((hook(&stack, name, json!({"serviceUri": address, "actions": ["push"]})).await, why));
    }
    let moved =
        hook(&stack, "moved", json!({"serviceUri": format!("{base}/moved"), "actions": ["push"]})).await;
    let began = Instant::now();
    images.push("team/agent", "1").await;
    assert!(began.elapsed() < Duration::from_secs(5), "the push waited: {:?}", began.elapsed());
    for (path, why) in hooks.iter().rev() {
        let event = newest(&stack, path).await;
        let reason = event["eventResponseMessage"]["reasonPhrase"].as_str().unwrap();
        assert!(reason.contains(why) && event["eventResponseMessage"].get("statusCode").is_none(), "{event}");
    }
    assert_eq!(newest(&stack, &moved).await["eventResponseMessage"]["statusCode"], "302");
    assert!(called.at("/elsewhere").is_empty(), "a redirect was followed");
    shutdown.stop(Duration::from_secs(1)).await;
    stack.finish().await;
}
