use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::digest::Digest;
use crate::scene::{DOCKER, NAME, SECRET, Scene, check_refused, json};

mod acr;
mod docker;
mod transfers;

#[tokio::test]
async fn strangers_get_the_challenge_that_az_and_docker_read() {
    let scene = Scene::new().await;
    let server = &scene.server;
    let base = format!("Bearer realm=\"https://{server}/oauth2/token\",service=\"{server}\"");
    let challenge = async |path: &str| {
        let answer = scene.bare(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        let value = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert_eq!(json(answer, 401).await["errors"][0]["code"], "UNAUTHORIZED");
        value
    };
    assert_eq!(challenge("/v2/").await, base);
    assert_eq!(challenge("/v2").await, base);
    let scoped = |scope: &str| format!("{base},scope=\"{scope}\"");
    assert_eq!(challenge("/v2/a/b/manifests/1").await, scoped("repository:a/b:pull"));
    assert_eq!(challenge("/v2/_catalog").await, scoped("registry:catalog:*"));
    let answer = scene.bare(Method::POST, "/v2/a/blobs/uploads/?mount=x&from=b").send().await.unwrap();
    let value = answer.headers()["www-authenticate"].to_str().unwrap();
    assert_eq!(value, scoped("repository:a:pull,push repository:b:pull"));
    // Not even what is wrong with a path is told.
    assert_eq!(challenge("/v2/NOT/valid/manifests/1").await, base);
}

#[tokio::test]
async fn wrong_logins_are_refused_everywhere() {
    let scene = Scene::new().await;
    let right = scene.password();
    let service = ("service", scene.server.as_str());
    for (user, password) in [(NAME, "wrong"), (NAME, ""), ("other", right.as_str()), ("", right.as_str())] {
        let login = |path: &str| scene.bare(Method::GET, path).basic_auth(user, Some(password));
        check_refused(login("/v2/"), 401, "UNAUTHORIZED").await;
        let body = check_refused(login("/oauth2/token").query(&[service]), 401, "UNAUTHORIZED").await;
        assert!(!body.to_string().contains(&right));
        let form = [("grant_type", "password"), ("username", user), ("password", password), service];
        let request = scene.bare(Method::POST, "/oauth2/token").form(&form);
        check_refused(request, 401, "UNAUTHORIZED").await;
    }
    check_refused(scene.bare(Method::GET, "/oauth2/token").query(&[service]), 401, "UNAUTHORIZED").await;
    for value in ["Bearer nonsense", "Basic nonsense", "Digest x", "Bearer"] {
        let request = scene.bare(Method::GET, "/v2/").header("authorization", value);
        check_refused(request, 401, "UNAUTHORIZED").await;
    }
    assert_eq!(scene.admin(Method::GET, "/v2/").send().await.unwrap().status(), 200, "control");
}

#[tokio::test]
async fn a_role_that_pulls_pulls_and_does_nothing_else() {
    let scene = Scene::new().await;
    scene.image("a", "1").await;
    let (someone, tenant) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    assert!(scene.registries.pull_login("localhost:1", someone, tenant).is_none(), "no registry of ours");
    let (user, password) =
        scene.registries.pull_login(&scene.server.to_uppercase(), someone, tenant).unwrap();
    let password = password.expose_secret();
    let login = |method: Method, path: &str| scene.bare(method, path).basic_auth(&user, Some(password));
    let status =
        async |method: Method, path: &str| login(method, path).send().await.unwrap().status().as_u16();
    assert_eq!(status(Method::GET, "/v2/").await, 200);
    assert_eq!(status(Method::GET, "/v2/a/manifests/1").await, 200);
    for (method, path) in [
        (Method::POST, "/v2/a/blobs/uploads/"),
        (Method::DELETE, "/v2/a/manifests/1"),
        (Method::GET, "/v2/_catalog"),
    ] {
        assert_eq!(status(method.clone(), path).await, 401, "{method} {path}");
    }
    // What docker does with it: a token for what it wants, which holds no more than the login does.
    let query = [("service", scene.server.as_str()), ("scope", "repository:a:pull,push registry:catalog:*")];
    let answer = login(Method::GET, "/oauth2/token").query(&query).send().await.unwrap();
    let token = json(answer, 200).await["access_token"].as_str().unwrap().to_owned();
    let bearer = async |method: Method, path: &str| {
        scene.bare(method, path).bearer_auth(&token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(bearer(Method::GET, "/v2/a/manifests/1").await, 200);
    assert_eq!(bearer(Method::POST, "/v2/a/blobs/uploads/").await, 401);
    assert_eq!(bearer(Method::GET, "/v2/_catalog").await, 401);
}

#[tokio::test]
async fn a_principal_without_a_role_exchanges_nothing() {
    let scene = Scene::new().await;
    let exchange = async |token: &str| {
        let form =
            [("grant_type", "access_token"), ("service", scene.server.as_str()), ("access_token", token)];
        scene.bare(Method::POST, "/oauth2/exchange").form(&form).send().await.unwrap()
    };
    const AUDIENCE: &str = "https://containerregistry.azure.net";
    let owner = scene.entra.issue(AUDIENCE).unwrap();
    assert_eq!(exchange(owner.expose_secret()).await.status(), 200, "control");
    let principal = entra_tokens::Principal {
        client_id: uuid::Uuid::from_u128(1),
        object_id: uuid::Uuid::from_u128(2),
        resource_id: None,
    };
    let other = scene.entra.issue_to(&principal, AUDIENCE, 600).unwrap().token;
    assert_eq!(exchange(other.expose_secret()).await.status(), 401);
}

#[tokio::test]
async fn a_token_opens_what_it_was_asked_for_and_nothing_else() {
    let scene = Scene::new().await;
    scene.image("a", "1").await;
    let login = scene.token(&[]).await;
    let pull = scene.token(&["repository:a:pull"]).await;
    let both = scene.token(&["repository:a:pull,push repository:b:pull"]).await;
    let answer = async |method: Method, path: &str, token: &str| {
        scene.bare(method, path).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(answer(Method::GET, "/v2/", &login).await, 200);
    assert_eq!(answer(Method::GET, "/v2/a/manifests/1", &login).await, 401);
    assert_eq!(answer(Method::GET, "/v2/a/manifests/1", &pull).await, 200);
    assert_eq!(answer(Method::GET, "/v2/b/tags/list", &pull).await, 401);
    assert_eq!(answer(Method::POST, "/v2/a/blobs/uploads/", &pull).await, 401);
    assert_eq!(answer(Method::DELETE, "/v2/a/manifests/1", &both).await, 401);
    assert_eq!(answer(Method::POST, "/v2/a/blobs/uploads/", &both).await, 202);
    assert_eq!(answer(Method::GET, "/v2/b/tags/list", &both).await, 404);
    assert_eq!(answer(Method::GET, "/v2/_catalog", &both).await, 401);
    let refused = scene.bare(Method::GET, "/v2/_catalog").bearer_auth(&pull).send().await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(",scope=\"registry:catalog:*\",error=\"insufficient_scope\""), "{challenge}");

    let claims = pull.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "Azure Container Registry");
    assert_eq!(claims["aud"], scene.server.as_str());
    assert_eq!(
        claims["access"],
        serde_json::json!([{ "type": "repository", "name": "a", "actions": ["pull"] }])
    );
    scene.clock.advance(jiff::SignedDuration::from_mins(76));
    assert_eq!(answer(Method::GET, "/v2/", &login).await, 401);
}

#[tokio::test]
async fn a_registry_without_public_access_says_so_to_everybody() {
    let scene = Scene::new().await;
    scene.image("team/agent", "1").await;
    let closed = crate::CreateRegistry {
        admin_enabled: true,
        public_access: crate::PublicAccess::Disabled,
        ..crate::CreateRegistry::USUAL
    };
    scene.registries.create(NAME, closed).await.unwrap();
    for path in ["/v2/", "/v2/team/agent/manifests/1", "/acr/v1/_catalog", "/oauth2/token"] {
        let refused = check_refused(scene.admin(Method::GET, path), 403, "DENIED").await;
        let why = "client with IP '127.0.0.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.";
        assert_eq!(refused["errors"][0]["message"], why, "{path}");
    }
    let open = crate::CreateRegistry { admin_enabled: true, ..crate::CreateRegistry::USUAL };
    scene.registries.create(NAME, open).await.unwrap();
    json(scene.admin(Method::GET, "/v2/team/agent/manifests/1").send().await.unwrap(), 200).await;
}

#[tokio::test]
async fn az_exchanges_an_entra_token_and_docker_uses_what_it_gets() {
    let scene = Scene::new().await;
    let entra = scene.entra.issue("https://containerregistry.azure.net").unwrap();
    let exchange = |token: &str| {
        let form = [
            ("grant_type", "access_token"),
            ("service", scene.server.as_str()),
            ("tenant", "any"),
            ("access_token", token),
        ];
        scene.bare(Method::POST, "/oauth2/exchange").form(&form)
    };
    let token = ExposeSecret::expose_secret(&entra);
    let answer = json(exchange(token).send().await.unwrap(), 200).await;
    let refresh = answer["refresh_token"].as_str().unwrap().to_owned();
    check_refused(exchange("nonsense"), 401, "UNAUTHORIZED").await;
    check_refused(exchange(&refresh), 401, "UNAUTHORIZED").await;
    let manager = scene.entra.issue("https://management.azure.com").unwrap();
    let manager = ExposeSecret::expose_secret(&manager);
    json(exchange(manager).send().await.unwrap(), 200).await;
    let registries_alone =
        crate::CreateRegistry { admin_enabled: true, arm_tokens: false, ..crate::CreateRegistry::USUAL };
    scene.registries.create(NAME, registries_alone).await.unwrap();
    check_refused(exchange(manager), 401, "UNAUTHORIZED").await;
    json(exchange(token).send().await.unwrap(), 200).await;

    let form = |grant: &'static str, scope: &'static str| {
        vec![
            ("grant_type", grant.to_owned()),
            ("service", scene.server.clone()),
            ("scope", scope.to_owned()),
            ("refresh_token", refresh.clone()),
        ]
    };
    let post = |form: &[(&str, String)]| scene.bare(Method::POST, "/oauth2/token").form(form);
    let answer = json(post(&form("refresh_token", "registry:catalog:*")).send().await.unwrap(), 200).await;
    let access = answer["access_token"].as_str().unwrap();
    let listed = scene.bare(Method::GET, "/v2/_catalog?n=100").bearer_auth(access).send().await.unwrap();
    assert_eq!(json(listed, 200).await, serde_json::json!({ "repositories": [] }));
    check_refused(post(&form("device_code", "registry:catalog:*")), 400, "UNSUPPORTED").await;
    check_refused(post(&form("refresh_token", "nonsense")), 400, "UNSUPPORTED").await;

    // `az acr login` hands the refresh token to docker as the password of this user.
    let null = "00000000-0000-0000-0000-000000000000";
    let login = |password: &str| scene.bare(Method::GET, "/v2/").basic_auth(null, Some(password));
    assert_eq!(login(&refresh).send().await.unwrap().status(), 200);
    check_refused(login(access), 401, "UNAUTHORIZED").await;
    // A service principal logs in with its own id and secret.
    let principal = scene.entra.settings().client_id.to_string();
    let login = |secret: &str| scene.bare(Method::GET, "/v2/").basic_auth(&principal, Some(secret));
    assert_eq!(login(SECRET).send().await.unwrap().status(), 200);
    check_refused(login("wrong"), 401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn tokens_are_for_one_registry_alone() {
    let scene = Scene::new().await;
    let other = crate::CreateRegistry { admin_enabled: true, ..crate::CreateRegistry::USUAL };
    let other = scene.registries.create("second", other).await.unwrap().login_server;
    let token = scene.token(&["repository:a:pull"]).await;
    let there = scene.client.get(format!("https://{other}/v2/")).bearer_auth(&token);
    check_refused(there, 401, "UNAUTHORIZED").await;
    let wrong = scene.admin(Method::GET, "/oauth2/token").query(&[("service", other.as_str())]);
    check_refused(wrong, 400, "UNSUPPORTED").await;
    check_refused(scene.admin(Method::GET, "/oauth2/token"), 400, "UNSUPPORTED").await;
}

#[tokio::test]
async fn unknown_routes_and_methods_say_what_is_served() {
    let scene = Scene::new().await;
    for path in ["/", "/v1/", "/acr/v1/_deleted/_catalog", "/acr/v1/a/_other", "/v2/nothing"] {
        let body = check_refused(scene.admin(Method::GET, path), 404, "UNSUPPORTED").await;
        assert!(body.to_string().contains("/v2/_catalog"), "{body}");
    }
    let digest = Digest::of(b"x");
    for (method, path) in [
        (Method::POST, "/v2/".to_owned()),
        (Method::DELETE, "/v2/_catalog".into()),
        (Method::PATCH, "/v2/a/manifests/1".into()),
        (Method::PUT, format!("/v2/a/blobs/{digest}")),
        (Method::GET, "/v2/a/blobs/uploads/".into()),
        (Method::PUT, "/oauth2/token".into()),
    ] {
        check_refused(scene.admin(method, &path), 405, "UNSUPPORTED").await;
    }
    for (path, code) in [
        ("/v2/A/manifests/1", "NAME_INVALID"),
        ("/v2/a/manifests/-", "TAG_INVALID"),
        ("/v2/a/blobs/sha256:12", "DIGEST_INVALID"),
    ] {
        check_refused(scene.admin(Method::GET, path), 400, code).await;
    }
    check_refused(scene.admin(Method::GET, "/v2/a/blobs/uploads/x"), 404, "BLOB_UPLOAD_UNKNOWN").await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let scene = Scene::new().await;
    for (repository, tag) in [("a", "1"), ("a", "2"), ("a", "3"), ("b/c", "1"), ("d", "1")] {
        scene.image(repository, tag).await;
    }
    scene.blob("uploads-only", b"x").await;
    let mut path = "/v2/a/tags/list?n=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = scene.admin(Method::GET, &path).send().await.unwrap();
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let body = json(answer, 200).await;
        assert_eq!(body["name"], "a");
        seen.extend(body["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()));
        let Some(link) = link else { break };
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(seen, ["1", "2", "3"]);
    let all = json(scene.admin(Method::GET, "/v2/_catalog").send().await.unwrap(), 200).await;
    assert_eq!(all["repositories"], serde_json::json!(["a", "b/c", "d"]));
    let answer = scene.admin(Method::GET, "/v2/_catalog?n=1&last=a").send().await.unwrap();
    assert_eq!(answer.headers()["link"], "</v2/_catalog?last=b/c&n=1>; rel=\"next\"");
    for n in ["-1", "x", "1e3"] {
        let request = scene.admin(Method::GET, &format!("/v2/_catalog?n={n}"));
        check_refused(request, 400, "PAGINATION_NUMBER_INVALID").await;
    }
    check_refused(scene.admin(Method::GET, "/v2/uploads-only/tags/list"), 404, "NAME_UNKNOWN").await;
}

#[tokio::test]
async fn manifests_are_kept_byte_for_byte_and_checked() {
    let scene = Scene::new().await;
    let text = scene.image("team/agent", "1").await;
    let digest = Digest::of(text.as_bytes());
    for reference in ["1".to_owned(), digest.to_string()] {
        let path = format!("/v2/team/agent/manifests/{reference}");
        let answer = scene.admin(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], DOCKER);
        assert_eq!(answer.headers()["docker-content-digest"], digest.to_string().as_str());
        assert_eq!(answer.text().await.unwrap(), text);
        let answer = scene.admin(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(answer.headers()["content-length"], text.len().to_string().as_str());
        let unread =
            scene.admin(Method::GET, &path).header("accept", "application/vnd.oci.image.index.v1+json");
        check_refused(unread, 404, "MANIFEST_UNKNOWN").await;
    }
    let put = async |reference: &str, kind: &str, text: &str| {
        let answer = scene.put_manifest("team/agent", reference, kind, text).await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["errors"][0]["code"].as_str().unwrap().to_owned())
    };
    let expect = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(put("2", "text/plain", &text).await, expect(400, "MANIFEST_INVALID"));
    assert_eq!(put("2", DOCKER, "{").await, expect(400, "MANIFEST_INVALID"));
    let other = Digest::of(b"other").to_string();
    assert_eq!(put(&other, DOCKER, &text).await, expect(400, "DIGEST_INVALID"));
    let missing = text.replace(&Digest::of(b"layer").to_string(), &other);
    assert_eq!(put("2", DOCKER, &missing).await, expect(400, "MANIFEST_BLOB_UNKNOWN"));
    let large = format!("{text}{}", " ".repeat(crate::manifest::LARGEST_MANIFEST));
    assert_eq!(put("2", DOCKER, &large).await, expect(413, "SIZE_INVALID"));
    // Another repository has none of these blobs.
    let elsewhere = scene.put_manifest("other", "1", DOCKER, &text).await;
    assert_eq!(elsewhere.status(), 400);
    check_refused(scene.admin(Method::GET, "/v2/team/agent/manifests/2"), 404, "MANIFEST_UNKNOWN").await;
    check_refused(scene.admin(Method::GET, "/v2/other/manifests/1"), 404, "NAME_UNKNOWN").await;

    let index = "application/vnd.oci.image.index.v1+json";
    let list = serde_json::json!({ "schemaVersion": 2, "mediaType": index, "manifests": [
        { "mediaType": DOCKER, "size": text.len(), "digest": digest.to_string(), "platform": { "os": "linux", "architecture": "amd64" } }
    ]});
    assert_eq!(scene.put_manifest("team/agent", "all", index, &list.to_string()).await.status(), 201);
    let list = list.to_string().replace(&digest.to_string(), &other);
    assert_eq!(put("all", index, &list).await, expect(400, "MANIFEST_BLOB_UNKNOWN"));
}

#[tokio::test]
async fn a_tag_is_deleted_alone_and_a_manifest_with_its_tags() {
    let scene = Scene::new().await;
    let text = scene.image("a", "1").await;
    let digest = Digest::of(text.as_bytes());
    scene.put_manifest("a", "2", DOCKER, &text).await;
    let delete = |reference: &str| scene.admin(Method::DELETE, &format!("/v2/a/manifests/{reference}"));
    assert_eq!(delete("1").send().await.unwrap().status(), 202);
    check_refused(delete("1"), 404, "MANIFEST_UNKNOWN").await;
    assert_eq!(scene.admin(Method::GET, "/v2/a/manifests/2").send().await.unwrap().status(), 200);
    assert_eq!(delete(&digest.to_string()).send().await.unwrap().status(), 202);
    check_refused(scene.admin(Method::GET, "/v2/a/manifests/2"), 404, "NAME_UNKNOWN").await;
}
