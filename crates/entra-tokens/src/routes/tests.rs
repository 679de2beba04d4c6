use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::json;
use service_kit::{ManualClock, SeededEntropy, Shutdown, Store, SystemEntropy, serve_http};

use crate::{Claims, Entra, EntraSettings, SigningKey, TokenError};

const ARM: &str = "https://localhost:8443";

fn tenant(clock: &ManualClock) -> Entra {
    let entropy = SeededEntropy::shared(7);
    let settings = EntraSettings {
        tenant_id: entropy.uuid(),
        client_id: entropy.uuid(),
        client_secret: "right~secret".into(),
        authority: ARM.parse().unwrap(),
        audiences: vec![ARM.into(), "https://management.azure.com".into()],
    };
    Entra::new(settings, SigningKey::generate().unwrap(), clock.shared(), SystemEntropy::shared())
}

async fn post(base: &str, path: &str, form: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let answer = reqwest::Client::new().post(format!("{base}{path}")).form(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_principal_logs_in_and_its_token_holds_until_it_expires() {
    let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
    let entra = tenant(&clock);
    let shutdown = Shutdown::new();
    let address = serve_http(([127, 0, 0, 1], 0).into(), entra.router(), &shutdown).await.unwrap();
    let base = format!("http://{address}");
    let (tenant, client) = (entra.settings().tenant_id.to_string(), entra.settings().client_id.to_string());
    let path = format!("/{tenant}/oauth2/v2.0/token");

    let document: serde_json::Value =
        reqwest::get(format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
    assert_eq!(document["token_endpoint"], format!("{ARM}{path}"));

    let form = |secret, scope| {
        [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("client_secret", secret),
            ("scope", scope),
        ]
    };
    // The double slash is what `az` sends for an audience that ends in one.
    let (status, body) = post(&base, &path, &form("right~secret", "https://localhost:8443//.default")).await;
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(entra.verify(token, &[ARM]).unwrap().tid.to_string(), tenant);
    assert!(matches!(entra.verify(token, &["https://other"]), Err(TokenError::Audience { .. })));
    clock.advance(SignedDuration::from_hours(1));
    assert!(matches!(entra.verify(token, &[ARM]), Err(TokenError::Expired(_))));

    let (status, body) = post(&base, &path, &form("wrong", "https://localhost:8443/.default")).await;
    assert_eq!((status, body["error"].as_str().unwrap()), (401, "invalid_client"));
    assert!(!body.to_string().contains("right~secret"));
    let (status, body) = post(&base, &path, &form("right~secret", "https://vault.azure.net/.default")).await;
    assert_eq!((status, body["error_codes"][0].as_u64().unwrap()), (400, 500_011));
    let (status, body) = post(&base, "/common/oauth2/v2.0/token", &form("right~secret", "x")).await;
    assert_eq!((status, body["error"].as_str().unwrap()), (400, "invalid_tenant"));
    assert_eq!(body["error_codes"][0], 90002);

    // What else a caller gets wrong, each with the code that Entra has for it.
    let good = form("right~secret", "https://localhost:8443/.default");
    let without = |name: &str| good.iter().filter(|(key, _)| *key != name).copied().collect::<Vec<_>>();
    let with = |name: &'static str, value: &'static str| [without(name), vec![(name, value)]].concat();
    for (form, status, error, code) in [
        (with("grant_type", "password"), 400, "unsupported_grant_type", 70003),
        (without("client_id"), 400, "invalid_request", 900_144),
        (with("client_id", "00000000-0000-0000-0000-000000000009"), 400, "unauthorized_client", 700_016),
        (without("client_secret"), 401, "invalid_client", 7_000_216),
        (with("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (with("scope", "https://localhost:8443"), 400, "invalid_scope", 1_002_012),
        (without("scope"), 400, "invalid_request", 900_144),
        (with("client_assertion", "a.b.c"), 400, "invalid_request", 900_144),
    ] {
        let (got, body) = post(&base, &path, &form).await;
        assert_eq!(
            (got, &body["error"], &body["error_codes"][0]),
            (status, &error.into(), &code.into()),
            "{body}"
        );
        assert!(
            body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_registered_application_is_kept_and_is_not_the_owner() {
    let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
    let (entra, store) = (tenant(&clock), Store::in_memory());
    entra.keep_in(store.clone()).unwrap();
    let shutdown = Shutdown::new();
    let router = entra.control_router().merge(entra.router());
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let base = format!("http://{address}");
    let client = reqwest::Client::new();
    let made = client.post(format!("{base}/applications")).json(&json!({"displayName": "agents"}));
    let made = made.send().await.unwrap();
    assert_eq!(made.status(), 201);
    let made: serde_json::Value = made.json().await.unwrap();
    let secret = made["clientSecret"].as_str().unwrap();
    let listed = reqwest::get(format!("{base}/applications")).await.unwrap().text().await.unwrap();
    assert!(listed.contains(made["clientId"].as_str().unwrap()) && !listed.contains(secret), "{listed}");

    let log_in = async |base: &str, tenant: &Entra| {
        let path = format!("/{}/oauth2/v2.0/token", tenant.settings().tenant_id);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", made["clientId"].as_str().unwrap()),
            ("client_secret", secret),
            ("scope", "https://localhost:8443/.default"),
        ];
        post(base, &path, &form).await
    };
    let (status, body) = log_in(&base, &entra).await;
    assert_eq!(status, 200, "{body}");
    let claims = entra.verify(body["access_token"].as_str().unwrap(), &[ARM]).unwrap();
    assert_eq!(claims.appid.to_string(), made["clientId"]);
    assert_eq!(claims.oid.to_string(), made["objectId"]);
    let known = entra.service_principals().iter().any(|one| one.object_id == claims.oid);
    assert!(known && claims.oid != entra.object_id());
    assert!(!entra.accepts(made["clientId"].as_str().unwrap(), &secret.into()), "it owns nothing");

    // Another process on the same state.
    let again = Entra::new(
        entra.settings().clone(),
        SigningKey::generate().unwrap(),
        clock.shared(),
        SystemEntropy::shared(),
    );
    again.keep_in(store).unwrap();
    let address = serve_http(([127, 0, 0, 1], 0).into(), again.router(), &shutdown).await.unwrap();
    assert_eq!(log_in(&format!("http://{address}"), &again).await.0, 200);

    let remove = async |id: &str| {
        let sent = client.delete(format!("{base}/applications/{id}")).send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(remove(&entra.settings().client_id.to_string()).await, 409);
    assert_eq!(remove(made["clientId"].as_str().unwrap()).await, 204);
    assert_eq!(remove(made["clientId"].as_str().unwrap()).await, 404);
    let (_, body) = log_in(&base, &entra).await;
    assert_eq!(body["error_codes"][0], 700_016, "{body}");
}

#[tokio::test]
async fn another_issuers_token_stands_for_an_application_if_all_of_it_fits() {
    const ISSUER: &str = "https://oidc.cluster.invalid/";
    const SUBJECT: &str = "system:serviceaccount:agents:runner";
    const NOW: i64 = 1_800_000_000;
    let clock = ManualClock::at(Timestamp::constant(NOW, 0));
    let entra = tenant(&clock);
    let shutdown = Shutdown::new();
    let router = entra.control_router().merge(entra.router());
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let base = format!("http://{address}");
    let id = entra.settings().client_id.to_string();
    let (issuer, stranger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());

    let http = reqwest::Client::new();
    let federate = async |body: serde_json::Value| {
        let url = format!("{base}/applications/{id}/federatedCredentials");
        let answer = http.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let credential =
        json!({"name": "aks", "issuer": ISSUER, "subject": SUBJECT, "jwks": {"keys": [issuer.jwk()]}});
    assert_eq!(federate(credential.clone()).await.0, 201);
    assert_eq!(federate(credential.clone()).await.0, 409, "once is enough");
    for (pointer, value) in
        [("jwks", json!({"keys": []})), ("subject", json!("")), ("audiences", json!([])), ("jwks", json!(7))]
    {
        let mut bad = credential.clone();
        bad["name"] = json!("other");
        bad[pointer] = value;
        let (status, text) = federate(bad).await;
        assert!((400..500).contains(&status), "{pointer}: {status} {text}");
    }

    let path = format!("/{}/oauth2/v2.0/token", entra.settings().tenant_id);
    let exchange = async |assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", "https://localhost:8443/.default"),
        ];
        post(&base, &path, &form).await
    };
    let claims = json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "nbf": NOW - 10, "exp": NOW + 3600,
    });
    let (status, body) = exchange(&issuer.sign(&claims).unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(entra.verify(body["access_token"].as_str().unwrap(), &[ARM]).unwrap().appid.to_string(), id);

    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        issuer.sign(&claims).unwrap()
    };
    let signed = issuer.sign(&claims).unwrap();
    let (head, rest) = signed.split_once('.').unwrap();
    for (assertion, status, code) in [
        (changed("iss", json!("https://elsewhere.invalid/")), 400, 70021),
        (changed("sub", json!("system:serviceaccount:agents:other")), 400, 70021),
        (changed("sub", json!(SUBJECT.to_uppercase())), 400, 70021),
        (changed("aud", json!("https://localhost:8443")), 400, 70021),
        (changed("exp", json!(NOW - 3600)), 401, 700_024),
        (changed("exp", json!(null)), 401, 700_024),
        (changed("nbf", json!(NOW + 3600)), 401, 700_024),
        (stranger.sign(&claims).unwrap(), 401, 50013),
        (format!("{head}.{}.c2lnbmF0dXJl", rest.split_once('.').unwrap().0), 401, 50013),
        ("not.a-token".to_owned(), 400, 50027),
        ("a.b.c".to_owned(), 400, 50027),
    ] {
        let (got, body) = exchange(&assertion).await;
        assert_eq!((got, &body["error_codes"][0]), (status, &code.into()), "{body}");
        assert!(!body.to_string().contains(&assertion), "an error repeats no token");
    }
    let gone = format!("{base}/applications/{id}/federatedCredentials/aks");
    assert_eq!(http.delete(gone).send().await.unwrap().status(), 204);
    assert_eq!(exchange(&signed).await.1["error_codes"][0], 70021);
}

#[test]
fn a_token_in_another_issuers_name_is_refused_though_the_key_is_ours() {
    let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
    let entra = tenant(&clock);
    let token = entra.issue(ARM).unwrap();
    let claims = entra.verify(token.expose_secret(), &[ARM]).unwrap();
    let forged = Claims { iss: "https://sts.windows.net/other/".into(), ..claims };
    let forged = entra.inner().key.sign(&forged).unwrap();
    assert!(matches!(entra.verify(&forged, &[ARM]), Err(TokenError::Issuer(_))));
}

#[test]
fn a_key_survives_storage_and_another_tenants_token_is_foreign() {
    let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
    let (one, other) = (tenant(&clock), tenant(&clock));
    let token = one.issue(ARM).unwrap();
    assert!(matches!(other.verify(token.expose_secret(), &[ARM]), Err(TokenError::Foreign(_))));

    let key = SigningKey::generate().unwrap();
    let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
    let signed = key.sign(&serde_json::json!({"a": 1})).unwrap();
    assert_eq!(again.verify_signature::<serde_json::Value>(&signed).unwrap()["a"], 1);
    assert_eq!(again.id(), key.id());
    assert!(SigningKey::from_pkcs8("bm90IGEga2V5").is_err());
}
