//! ACR's own API, and what its tokens may do.

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::RepositoryToken;

const LOCKED: &str = "REGISTRY_DISALLOWED_OPERATION";

async fn get(scene: &Scene, path: &str) -> Value {
    json(scene.admin(Method::GET, path).send().await.unwrap(), 200).await
}

fn patch(scene: &Scene, path: &str, body: &Value) -> reqwest::RequestBuilder {
    scene.admin(Method::PATCH, path).json(body)
}

#[tokio::test]
async fn repositories_tags_and_manifests_show_what_az_prints() {
    let scene = Scene::new().await;
    let text = scene.image("team/agent", "1").await;
    scene.clock.advance(SignedDuration::from_secs(60));
    scene.put_manifest("team/agent", "2", DOCKER, &text).await;
    let all =
        json!({ "deleteEnabled": true, "writeEnabled": true, "listEnabled": true, "readEnabled": true });
    let shown = get(&scene, "/acr/v1/team/agent").await;
    assert_eq!((&shown["registry"], &shown["imageName"]), (&json!(scene.server), &json!("team/agent")));
    assert_eq!((&shown["manifestCount"], &shown["tagCount"]), (&json!(1), &json!(2)));
    assert_eq!(shown["createdTime"], "2027-01-15T08:00:00.0000000Z");
    assert_eq!(shown["lastUpdateTime"], "2027-01-15T08:01:00.0000000Z");
    let digest = Digest::of(text.as_bytes()).to_string();
    let tag = get(&scene, "/acr/v1/team/agent/_tags/2").await;
    assert_eq!((&tag["tag"]["digest"], &tag["tag"]["changeableAttributes"]), (&json!(digest), &all));
    let manifest = get(&scene, &format!("/acr/v1/team/agent/_manifests/{digest}")).await["manifest"].clone();
    assert_eq!((&manifest["tags"], &manifest["mediaType"]), (&json!(["1", "2"]), &json!(DOCKER)));
    assert_eq!(manifest["configMediaType"], "application/vnd.docker.container.image.v1+json");
    assert_eq!(get(&scene, "/acr/v1/_catalog").await["repositories"], json!(["team/agent"]));
    let tags = |query: &'static str| {
        let (scene, path) = (&scene, format!("/acr/v1/team/agent/_tags{query}"));
        async move {
            let answer = scene.admin(Method::GET, &path).send().await.unwrap();
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let body = json(answer, 200).await;
            let names =
                body["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap().to_owned());
            (names.collect::<Vec<_>>(), link)
        }
    };
    assert_eq!(tags("?orderby=timedesc").await.0, ["2", "1"]);
    let (page, link) = tags("?n=1&orderby=timedesc").await;
    assert_eq!(page, ["2"]);
    assert_eq!(link.unwrap(), "</acr/v1/team/agent/_tags?orderby=timedesc&last=2&n=1>; rel=\"next\"");
    assert_eq!(tags("?orderby=timedesc&last=2&n=1").await, (vec!["1".to_owned()], None));
    assert_eq!(tags("?digest=sha256:12").await.0.len(), 0);
    for (path, code) in
        [("other", "NAME_UNKNOWN"), ("team/agent/_tags/3", "TAG_UNKNOWN"), ("other/_tags", "NAME_UNKNOWN")]
    {
        check_refused(scene.admin(Method::GET, &format!("/acr/v1/{path}")), 404, code).await;
    }
    let bad = scene.admin(Method::GET, "/acr/v1/team/agent/_tags?orderby=size");
    check_refused(bad, 400, "UNSUPPORTED").await;
}

#[tokio::test]
async fn locks_hold_until_they_are_taken_away() {
    let scene = Scene::new().await;
    let text = scene.image("a", "1").await;
    let digest = Digest::of(text.as_bytes());
    let lock = |path: &str, what: &str, on: bool| patch(&scene, path, &json!({ what: on }));
    let shown = json(lock("/acr/v1/a/_tags/1", "writeEnabled", false).send().await.unwrap(), 200).await;
    assert_eq!(shown["tag"]["changeableAttributes"]["writeEnabled"], false);
    let push =
        scene.admin(Method::PUT, "/v2/a/manifests/1").header("content-type", DOCKER).body(text.clone());
    check_refused(push, 405, LOCKED).await;
    check_refused(scene.admin(Method::DELETE, "/acr/v1/a/_tags/1"), 405, LOCKED).await;
    check_refused(scene.admin(Method::DELETE, &format!("/v2/a/manifests/{digest}")), 405, LOCKED).await;
    check_refused(scene.admin(Method::DELETE, "/acr/v1/a"), 405, LOCKED).await;
    assert_eq!(scene.put_manifest("a", "2", DOCKER, &text).await.status(), 201, "another tag is free");
    lock("/acr/v1/a/_tags/1", "writeEnabled", true).send().await.unwrap();

    let manifest = format!("/acr/v1/a/_manifests/{digest}");
    json(lock(&manifest, "readEnabled", false).send().await.unwrap(), 200).await;
    check_refused(scene.admin(Method::GET, "/v2/a/manifests/1"), 405, LOCKED).await;
    json(lock(&manifest, "readEnabled", true).send().await.unwrap(), 200).await;

    json(lock("/acr/v1/a", "listEnabled", false).send().await.unwrap(), 200).await;
    assert_eq!(get(&scene, "/v2/_catalog").await["repositories"], json!([]));
    json(lock("/acr/v1/a/_tags/1", "listEnabled", false).send().await.unwrap(), 200).await;
    assert_eq!(get(&scene, "/v2/a/tags/list").await["tags"], json!(["2"]));
    json(lock("/acr/v1/a", "writeEnabled", false).send().await.unwrap(), 200).await;
    check_refused(scene.admin(Method::POST, "/v2/a/blobs/uploads/"), 405, LOCKED).await;
    json(lock("/acr/v1/a", "writeEnabled", true).send().await.unwrap(), 200).await;
    check_refused(patch(&scene, "/acr/v1/a", &json!([1])), 400, "UNSUPPORTED").await;
    check_refused(patch(&scene, "/acr/v1/a", &json!({ "writeEnabled": "no" })), 400, "UNSUPPORTED").await;
    check_refused(patch(&scene, "/acr/v1/b", &json!({})), 404, "NAME_UNKNOWN").await;

    let deleted = json(scene.admin(Method::DELETE, "/acr/v1/a").send().await.unwrap(), 202).await;
    assert_eq!(deleted, json!({ "manifestsDeleted": [digest.to_string()], "tagsDeleted": ["1", "2"] }));
    check_refused(scene.admin(Method::GET, "/acr/v1/a"), 404, "NAME_UNKNOWN").await;
}

#[tokio::test]
async fn each_part_of_the_api_wants_its_own_right() {
    let scene = Scene::new().await;
    scene.image("a", "1").await;
    let read = scene.token(&["repository:a:metadata_read"]).await;
    let write = scene.token(&["repository:a:metadata_write"]).await;
    let delete = scene.token(&["repository:a:delete"]).await;
    let status = async |method: Method, path: &str, token: &str| {
        let request = scene.bare(method, path).bearer_auth(token).body("{}");
        request.send().await.unwrap().status().as_u16()
    };
    let one = "/acr/v1/a/_tags/1";
    assert_eq!(status(Method::GET, "/acr/v1/a/_tags", &read).await, 200);
    for token in [&write, &delete] {
        assert_eq!(status(Method::GET, one, token).await, 401);
    }
    assert_eq!(status(Method::PATCH, one, &write).await, 200);
    assert_eq!(status(Method::PATCH, one, &read).await, 401);
    assert_eq!(status(Method::DELETE, one, &read).await, 401);
    assert_eq!(status(Method::GET, "/acr/v1/_catalog", &read).await, 401);
    assert_eq!(status(Method::DELETE, one, &delete).await, 202);
    let stranger = scene.bare(Method::GET, "/acr/v1/NOT/valid").send().await.unwrap();
    assert_eq!(stranger.status(), 401, "a stranger learns nothing");
}

#[tokio::test]
async fn a_token_does_what_its_scope_map_says() {
    let scene = Scene::new().await;
    scene.image("team/agent", "1").await;
    scene.image("other", "1").await;
    let set = |enabled: bool, actions: &[&str]| {
        let actions = actions.iter().map(|action| format!("repositories/{action}")).collect();
        let token = RepositoryToken { name: "builder".into(), enabled, actions };
        scene.registries.put_token(NAME, &token).unwrap();
    };
    set(true, &["team/*/content/read"]);
    let expiry = service_kit::Clock::now(&scene.clock) + SignedDuration::from_hours(1);
    let first = scene.registries.generate_password(NAME, "builder", 0, None).unwrap();
    let second = scene.registries.generate_password(NAME, "builder", 1, Some(expiry)).unwrap();
    assert!(scene.registries.generate_password(NAME, "builder", 2, None).is_err());
    assert!(scene.registries.generate_password(NAME, "nobody", 0, None).is_err());
    let status = async |method: Method, path: &str, password: &secrecy::SecretString| {
        let request = scene.bare(method, path).basic_auth("builder", Some(password.expose_secret()));
        request.send().await.unwrap().status().as_u16()
    };
    for password in [&first, &second] {
        assert_eq!(status(Method::GET, "/v2/", password).await, 200);
        assert_eq!(status(Method::GET, "/v2/team/agent/manifests/1", password).await, 200);
        assert_eq!(status(Method::GET, "/v2/other/manifests/1", password).await, 401);
        assert_eq!(status(Method::POST, "/v2/team/agent/blobs/uploads/", password).await, 401);
        assert_eq!(status(Method::GET, "/v2/_catalog", password).await, 401);
    }
    let query = [
        ("service", scene.server.as_str()),
        ("offline_token", "true"),
        ("scope", "repository:team/agent:pull,push repository:other:pull"),
    ];
    let login = scene.bare(Method::GET, "/oauth2/token").basic_auth("builder", Some(first.expose_secret()));
    let answer = json(login.query(&query).send().await.unwrap(), 200).await;
    assert_eq!(answer["token"], answer["access_token"]);
    let access = answer["access_token"].as_str().unwrap().to_owned();
    let bearer = async |path: &str| {
        scene.bare(Method::GET, path).bearer_auth(&access).send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        (bearer("/v2/team/agent/manifests/1").await, bearer("/v2/other/manifests/1").await),
        (200, 401)
    );

    // The refresh token follows the scope map, and ends with the token.
    let refresh = answer["refresh_token"].as_str().unwrap().to_owned();
    let redeem = || {
        let form = [
            ("grant_type", "refresh_token"),
            ("service", scene.server.as_str()),
            ("scope", "repository:other:pull"),
            ("refresh_token", refresh.as_str()),
        ];
        scene.bare(Method::POST, "/oauth2/token").form(&form)
    };
    set(true, &["other/content/read"]);
    let access = json(redeem().send().await.unwrap(), 200).await["access_token"].as_str().unwrap().to_owned();
    let pulled = scene.bare(Method::GET, "/v2/other/manifests/1").bearer_auth(&access).send().await.unwrap();
    assert_eq!(pulled.status(), 200);
    set(false, &["other/content/read"]);
    check_refused(redeem(), 401, "UNAUTHORIZED").await;
    assert_eq!(status(Method::GET, "/v2/", &first).await, 401);
    set(true, &["other/content/read"]);
    scene.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(
        (status(Method::GET, "/v2/", &first).await, status(Method::GET, "/v2/", &second).await),
        (200, 401)
    );
    scene.registries.forget_password(NAME, "builder", 0).unwrap();
    assert_eq!(status(Method::GET, "/v2/", &first).await, 401);
    scene.registries.remove_token(NAME, "builder").unwrap();
}

#[tokio::test]
async fn everybody_pulls_where_that_is_allowed_and_nothing_else() {
    let scene = Scene::new().await;
    scene.image("a", "1").await;
    let query = [("service", scene.server.as_str()), ("scope", "repository:a:pull,push registry:catalog:*")];
    let ask = || scene.bare(Method::GET, "/oauth2/token").query(&query);
    check_refused(ask(), 401, "UNAUTHORIZED").await;
    let open =
        crate::CreateRegistry { admin_enabled: true, anonymous_pull: true, ..crate::CreateRegistry::USUAL };
    scene.registries.create(NAME, open).await.unwrap();
    let token = json(ask().send().await.unwrap(), 200).await["access_token"].as_str().unwrap().to_owned();
    let status = async |method: Method, path: &str| {
        scene.bare(method, path).bearer_auth(&token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(Method::GET, "/v2/a/manifests/1").await, 200);
    assert_eq!(status(Method::POST, "/v2/a/blobs/uploads/").await, 401);
    assert_eq!(status(Method::GET, "/v2/_catalog").await, 401);
    check_refused(ask().basic_auth(NAME, Some("wrong")), 401, "UNAUTHORIZED").await;
}
