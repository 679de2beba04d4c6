//! The identity endpoint: who gets a token, for whom, and what everybody else is told.

use std::net::IpAddr;

use entra_tokens::AZURE_DEVOPS;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::identities::{identity, made, up, with_identity};
use crate::stack::{Stack, group};

/// The secret that the running container of a group was given, and the container's id.
fn secret(stack: &Stack, name: &str) -> (String, String) {
    let container = stack.runtime.running().into_iter().find(|one| one.labels.group.ends_with(name)).unwrap();
    let environment = stack.runtime.request(&container.id).unwrap().environment;
    let value = environment.iter().find(|(name, _)| name == "IDENTITY_HEADER").map(|(_, value)| value);
    (value.unwrap().expose_secret().to_owned(), container.id)
}

async fn ask(stack: &Stack, header: Option<(&str, &str)>, query: &str) -> (u16, Value) {
    let mut request = reqwest::Client::new().get(format!("{}?{query}", stack.identity));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn wanted(more: &str) -> String {
    format!("api-version=2019-08-01&resource={AZURE_DEVOPS}{more}")
}

#[tokio::test]
async fn a_container_gets_a_token_in_its_groups_name() {
    let stack = Stack::start().await;
    let one = made(&stack, "one").await;
    let shown = up(
        &stack,
        "agent",
        with_identity(
            json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity("one"): {}}}),
        ),
    )
    .await;
    let (secret, _) = secret(&stack, "/agent");
    let header = Some(("X-IDENTITY-HEADER", secret.as_str()));

    let (status, body) = ask(&stack, header, &wanted("")).await;
    assert_eq!(status, 200, "{body}");
    let claims = stack.entra.verify(body["access_token"].as_str().unwrap(), &[AZURE_DEVOPS]).unwrap();
    assert_eq!(claims.oid.to_string(), shown["identity"]["principalId"], "the group's own goes first");
    assert_eq!(claims.xms_mirid.as_deref(), Some(group("agent").as_str()));
    assert_eq!((&body["token_type"], &body["resource"]), (&json!("Bearer"), &json!(AZURE_DEVOPS)));
    let number = |name: &str| body[name].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("expires_on") - number("not_before"), 28_799, "numbers are strings");

    let user = &one["properties"];
    for selector in [
        format!("&client_id={}", user["clientId"].as_str().unwrap()),
        format!("&principal_id={}", user["principalId"].as_str().unwrap()),
        format!("&object_id={}", user["principalId"].as_str().unwrap()),
        format!("&mi_res_id={}", identity("ONE")),
    ] {
        let (status, body) = ask(&stack, header, &wanted(&selector)).await;
        assert_eq!(status, 200, "{selector}: {body}");
        let claims = stack.entra.verify(body["access_token"].as_str().unwrap(), &[AZURE_DEVOPS]).unwrap();
        assert_eq!(claims.oid.to_string(), user["principalId"], "{selector}");
        assert_eq!(claims.appid.to_string(), user["clientId"]);
        assert_eq!(body["client_id"], user["clientId"]);
    }
    let (_, older) = ask(&stack, header, &format!("api-version=2018-02-01&resource={AZURE_DEVOPS}")).await;
    assert_eq!((&older["refresh_token"], &older["expires_in"]), (&json!(""), &json!("28799")));

    let journal = stack.journal("service=identity").await;
    let first = &journal[0];
    assert_eq!((&first["caller"], &first["status"]), (&json!(group("agent")), &json!(200)), "{first}");
    assert!(first["path"].as_str().unwrap().contains(&format!("resource={AZURE_DEVOPS}")), "{first}");
    let text = json!(journal).to_string();
    assert!(!text.contains(&secret) && !text.contains(body["access_token"].as_str().unwrap()), "{text}");
    stack.fault(json!({"service": "identity", "status": 429, "count": 1})).await;
    assert_eq!(ask(&stack, header, &wanted("")).await.0, 429);

    stack.delete(&identity("one")).await.expect(200);
    let query = wanted(&format!("&client_id={}", user["clientId"].as_str().unwrap()));
    let (status, body) = ask(&stack, header, &query).await;
    assert_eq!((status, &body["error_description"]), (400, &json!("Identity not found")), "it was deleted");
    stack.finish().await;
}

#[tokio::test]
async fn nobody_but_the_running_container_at_its_address_gets_one() {
    let stack = Stack::start().await;
    let system = json!({"type": "SystemAssigned"});
    up(&stack, "agent", with_identity(system.clone())).await;
    up(&stack, "other", with_identity(system)).await;
    let ((own, container), (others, other)) = (secret(&stack, "/agent"), secret(&stack, "/other"));
    assert_ne!(own, others);
    stack.runtime.set_address(&other, IpAddr::from([172, 30, 0, 8]));
    let refused = |(status, body): (u16, Value)| {
        assert_eq!((status, &body["error"]), (401, &json!("unknown_source")), "{body}");
    };
    assert_eq!(ask(&stack, Some(("X-IDENTITY-HEADER", &own)), &wanted("")).await.0, 200, "control");

    // The secret alone is not enough.
    stack.runtime.set_address(&container, IpAddr::from([172, 30, 0, 9]));
    refused(ask(&stack, Some(("X-IDENTITY-HEADER", &own)), &wanted("")).await);
    stack.runtime.set_address(&container, IpAddr::from([127, 0, 0, 1]));
    refused(ask(&stack, Some(("X-IDENTITY-HEADER", "guessed")), &wanted("")).await);
    refused(ask(&stack, Some(("X-IDENTITY-HEADER", &others)), &wanted("")).await);

    // In the metadata service's form the address is: no secret keeps a job from it.
    let (status, body) = ask(&stack, Some(("Metadata", "true")), &wanted("")).await;
    let claims = stack.entra.verify(body["access_token"].as_str().unwrap_or_default(), &[AZURE_DEVOPS]);
    let shown = stack.get(&group("agent")).await.expect(200).body;
    assert_eq!((status, json!(claims.unwrap().oid)), (200, shown["identity"]["principalId"].clone()));
    stack.runtime.set_address(&container, IpAddr::from([172, 30, 0, 9]));
    refused(ask(&stack, Some(("Metadata", "true")), &wanted("")).await);
    stack.runtime.set_address(&container, IpAddr::from([127, 0, 0, 1]));

    // A restart is a new container with another secret; the old one is worth nothing.
    stack.runtime.exit(&container, 0);
    let second = crate::stack::until("the next run", || async {
        let runs = stack.runtime.running();
        let next = runs.iter().find(|one| one.labels.group.ends_with("/agent") && one.id != container);
        next.map(|_| secret(&stack, "/agent").0).ok_or_else(|| format!("{runs:?}"))
    })
    .await;
    assert_ne!(second, own);
    refused(ask(&stack, Some(("X-IDENTITY-HEADER", &own)), &wanted("")).await);
    crate::stack::until("the next run's token", || async {
        let (status, body) = ask(&stack, Some(("X-IDENTITY-HEADER", &second)), &wanted("")).await;
        if status == 200 { Ok(()) } else { Err(body.to_string()) }
    })
    .await;

    // The sandbox dies and comes back: the container runs on and its secret holds.
    let stack = stack.crash().await;
    assert_eq!(ask(&stack, Some(("X-IDENTITY-HEADER", &second)), &wanted("")).await.0, 200);
    up(&stack, "agent", with_identity(json!({"type": "None"}))).await;
    refused(ask(&stack, Some(("X-IDENTITY-HEADER", &second)), &wanted("")).await);
    assert!(!stack.answers().contains(&second), "Resource Manager shows it nowhere");
    stack.finish().await;
}

#[tokio::test]
async fn what_is_asked_wrongly_gets_the_services_own_error() {
    let stack = Stack::start().await;
    made(&stack, "one").await;
    made(&stack, "two").await;
    let both =
        json!({"type": "UserAssigned", "userAssignedIdentities": {identity("one"): {}, identity("two"): {}}});
    up(&stack, "agent", with_identity(both)).await;
    let (secret, _) = secret(&stack, "/agent");
    let header = Some(("X-IDENTITY-HEADER", secret.as_str()));
    let some = "00000000-0000-0000-0000-000000000001";
    for (query, error, text) in [
        (wanted(""), "invalid_request", "Multiple user assigned identities exist"),
        (wanted(&format!("&client_id={some}")), "invalid_request", "Identity not found"),
        (wanted("&client_id=one"), "invalid_request", "Identity not found"),
        (wanted(&format!("&client_id={some}&principal_id={some}")), "invalid_request", "Only one of"),
        (wanted("&surprise=1"), "invalid_request", "'surprise' is not supported"),
        (format!("resource={AZURE_DEVOPS}"), "invalid_request", "'api-version' is missing"),
        (
            format!("api-version=2017-09-01&resource={AZURE_DEVOPS}"),
            "invalid_request",
            "2018-02-01, 2019-08-01",
        ),
        ("api-version=2019-08-01".to_owned(), "invalid_request", "'resource' is missing"),
        (
            format!("api-version=2019-08-01&resource=https://vault.azure.net&mi_res_id={}", identity("one")),
            "invalid_resource",
            "AADSTS500011",
        ),
    ] {
        let (status, body) = ask(&stack, header, &query).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{query}: {body}");
        assert!(body["error_description"].as_str().unwrap().contains(text), "{query}: {body}");
        // As clients of App Service read it.
        assert_eq!((&body["statusCode"], &body["message"]), (&json!(400), &body["error_description"]));
    }
    let (status, body) = ask(&stack, None, &wanted("")).await;
    assert_eq!((status, &body["error"]), (400, &json!("bad_request_102")), "{body}");
    assert!(body.get("statusCode").is_none(), "that is the metadata service's form: {body}");
    let elsewhere = stack.identity.replace("/oauth2/token", "/info");
    assert_eq!(reqwest::get(elsewhere).await.unwrap().status(), 404);
    assert_eq!(reqwest::Client::new().post(&stack.identity).send().await.unwrap().status(), 405);
    stack.finish().await;
}
