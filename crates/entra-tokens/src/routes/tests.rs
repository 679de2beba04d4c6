use jiff::{SignedDuration, Timestamp};
use service_kit::{ManualClock, SeededEntropy, Shutdown, SystemEntropy, serve_http};

use crate::{Entra, EntraSettings, SigningKey, TokenError};

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
}

#[test]
fn a_key_survives_storage_and_another_tenants_token_is_foreign() {
    let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
    let (one, other) = (tenant(&clock), tenant(&clock));
    use secrecy::ExposeSecret;
    let token = one.issue(ARM).unwrap();
    assert!(matches!(other.verify(token.expose_secret(), &[ARM]), Err(TokenError::Foreign(_))));

    let key = SigningKey::generate().unwrap();
    let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
    let signed = key.sign(&serde_json::json!({"a": 1})).unwrap();
    assert_eq!(again.verify_signature::<serde_json::Value>(&signed).unwrap()["a"], 1);
    assert_eq!(again.id(), key.id());
    assert!(SigningKey::from_pkcs8("bm90IGEga2V5").is_err());
}
