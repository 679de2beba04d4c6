//! User-assigned identities, the identities of container groups, and the roles that let them pull.

use entra_tokens::{AZURE_DEVOPS, Principal};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::SystemEntropy;
use uuid::Uuid;

use crate::stack::{SUBSCRIPTION, Stack, TENANT, group, group_body, registry, resource_group};

pub(crate) const ACR_PULL: &str = "7f951dda-4ed3-4680-a7ca-43fe172d538d";

pub(crate) fn identity(name: &str) -> String {
    format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", resource_group())
}

/// Makes a user-assigned identity.
pub(crate) async fn made(stack: &Stack, name: &str) -> Value {
    stack.put(&identity(name), json!({"location": "westeurope"})).await.expect(201).body
}

/// The body of a group with this identity.
pub(crate) fn with_identity(identity: Value) -> Value {
    let mut body = group_body("web:1");
    body["identity"] = identity;
    body
}

/// Puts a group and waits for it; gives it as its GET shows it.
pub(crate) async fn up(stack: &Stack, name: &str, body: Value) -> Value {
    let started = stack.put(&group(name), body).await;
    assert!([200, 201].contains(&started.status), "{}", started.text);
    assert_eq!(stack.ended(&started).await["status"], "Succeeded");
    stack.get(&group(name)).await.expect(200).body
}

#[tokio::test]
async fn an_identity_is_made_listed_tagged_referenced_and_deleted() {
    let stack = Stack::start().await;
    let one = made(&stack, "puller").await;
    assert_eq!(one["id"], identity("puller"));
    assert_eq!(one["type"], "Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!(one["properties"]["tenantId"], TENANT);
    for name in ["principalId", "clientId"] {
        assert!(one["properties"][name].as_str().unwrap().parse::<Uuid>().is_ok(), "{one}");
    }
    let again = stack.put(&identity("PULLER"), one.clone()).await.expect(200).body;
    assert_eq!(
        again["properties"], one["properties"],
        "what was read can be sent back, and it stays who it is"
    );
    let patched = stack.patch(&identity("puller"), json!({"tags": {"a": "b"}})).await.expect(200).body;
    assert_eq!(patched["tags"], json!({"a": "b"}));
    for path in [
        identity("").trim_end_matches('/').to_owned(),
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"),
        format!("{}/resources", resource_group()),
    ] {
        let listed = stack.get(&path).await.expect(200).body;
        assert_eq!(listed["value"][0]["name"], "puller", "{path}");
    }
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31",
            "name": "other", "location": "westeurope",
        }],
        "outputs": {"who": {"type": "string", "value": "[reference(resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'other'), '2023-01-31').principalId]"}},
    });
    let done = stack.deploy("identities", "Incremental", &template.to_string(), json!({})).await;
    let other = stack.get(&identity("other")).await.expect(200).body;
    assert_eq!(done["properties"]["outputs"]["who"]["value"], other["properties"]["principalId"], "{done:#}");
    let stack = stack.crash().await;
    let kept = stack.get(&identity("puller")).await.expect(200).body;
    assert_eq!(kept["properties"], one["properties"], "it survives a crash");
    stack.delete(&identity("puller")).await.expect(200);
    stack.delete(&identity("puller")).await.expect(204);
    stack.get(&identity("puller")).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn a_bad_identity_is_refused() {
    let stack = Stack::start().await;
    let good = json!({"location": "westeurope"});
    for name in ["ab", "-abc", "a.b.c"] {
        stack.put(&identity(name), good.clone()).await.refused(400, "InvalidResourceName");
    }
    stack.put(&identity("good"), json!({})).await.refused(400, "LocationRequired");
    let mut surprise = good.clone();
    surprise["properties"] = json!({"isolation": "Regional"});
    stack.put(&identity("good"), surprise).await.refused(400, "InvalidRequestContent");
    stack.finish().await;
}

#[tokio::test]
async fn a_group_has_the_identities_it_asks_for_and_its_own_goes_with_it() {
    let stack = Stack::start().await;
    let one = made(&stack, "one").await;
    let none = up(&stack, "agent", group_body("web:1")).await;
    assert!(none.get("identity").is_none(), "{none}");
    let ran = stack.runtime.running()[0].id.clone();

    let both =
        json!({"type": "systemassigned,UserAssigned", "userAssignedIdentities": {identity("one"): {}}});
    let shown = up(&stack, "agent", with_identity(both)).await;
    assert_eq!(shown["identity"]["type"], "SystemAssigned, UserAssigned");
    assert_eq!(shown["identity"]["tenantId"], TENANT);
    assert_eq!(
        shown["identity"]["userAssignedIdentities"][identity("one")],
        json!({"principalId": one["properties"]["principalId"], "clientId": one["properties"]["clientId"]})
    );
    assert_ne!(stack.runtime.running()[0].id, ran, "a change of the identity restarts the group");
    let principal = shown["identity"]["principalId"].clone();
    assert!(principal.as_str().unwrap().parse::<Uuid>().is_ok());
    let again = up(&stack, "agent", shown).await;
    assert_eq!(again["identity"]["principalId"], principal, "the same as long as the group keeps it");
    let environment = |view: &str| {
        let container =
            stack.runtime.running().into_iter().find(|one| one.labels.group.ends_with(view)).unwrap();
        let names = stack.runtime.request(&container.id).unwrap().environment;
        names.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(environment("/agent"), ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]);
    let shown = stack.get(&group("agent")).await.expect(200).text;
    assert!(!shown.contains("IDENTITY_HEADER"), "{shown}");

    let gone = up(&stack, "agent", with_identity(json!({"type": "None"}))).await;
    assert!(gone.get("identity").is_none());
    assert!(environment("/agent").is_empty());
    let back = up(&stack, "agent", with_identity(json!({"type": "SystemAssigned"}))).await;
    assert_ne!(back["identity"]["principalId"], principal, "it went with what it belonged to");
    let stack = stack.crash().await;
    let kept = stack.get(&group("agent")).await.expect(200).body;
    assert_eq!(kept["identity"], back["identity"], "it survives a crash");
    stack.finish().await;
}

#[tokio::test]
async fn a_groups_identity_that_cannot_be_is_refused_as_resource_manager_does() {
    let stack = Stack::start().await;
    made(&stack, "one").await;
    let user = |ids: Value| json!({"type": "UserAssigned", "userAssignedIdentities": ids});
    for (identity_of, code) in [
        (user(json!({identity("missing"): {}})), "FailedIdentityOperation"),
        (user(json!({registry("images"): {}})), "FailedIdentityOperation"),
        (user(json!({"one": {}})), "LinkedInvalidPropertyId"),
        (user(json!({identity("one"): {"surprise": 1}})), "InvalidIdentityValues"),
        (user(json!({})), "MissingIdentityIds"),
        (user(json!({identity("one"): null})), "MissingIdentityIds"),
        (json!({"type": "UserAssigned"}), "MissingIdentityIds"),
        (
            json!({"type": "SystemAssigned", "userAssignedIdentities": {identity("one"): {}}}),
            "InvalidIdentityValues",
        ),
        (json!({"type": "Whatever"}), "InvalidRequestContent"),
        (json!({"userAssignedIdentities": {}}), "InvalidRequestContent"),
        (json!({"type": "None", "surprise": 1}), "InvalidRequestContent"),
    ] {
        stack.put(&group("agent"), with_identity(identity_of)).await.refused(400, code);
    }
    let mut pulls = group_body("web:1");
    pulls["properties"]["imageRegistryCredentials"] =
        json!([{"server": "localhost:1", "identity": identity("one")}]);
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InvalidImageRegistryCredentialType");
    pulls["properties"]["imageRegistryCredentials"][0]["password"] = json!("both");
    stack.put(&group("agent"), pulls).await.refused(400, "InvalidRequestContent");
    stack.get(&group("agent")).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn an_identity_pulls_where_a_role_lets_it_and_nowhere_else() {
    let stack = Stack::start().await;
    let one = made(&stack, "one").await;
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    let images = stack.put(&registry("images1"), body.clone()).await.expect(201).body;
    stack.put(&registry("images2"), body).await.expect(201);
    let server = images["properties"]["loginServer"].as_str().unwrap().to_owned();
    // Only a login of the registry's own making will do; nobody knows one beforehand.
    stack.runtime.require_login(&server, "nobody", "nothing");

    let mut pulls =
        with_identity(json!({"type": "UserAssigned", "userAssignedIdentities": {identity("one"): {}}}));
    pulls["properties"]["containers"][0]["properties"]["image"] = json!(format!("{server}/web:1"));
    pulls["properties"]["imageRegistryCredentials"] =
        json!([{"server": server, "identity": identity("one")}]);
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InaccessibleImage");
    assert!(stack.runtime.logins_seen().is_empty(), "without a role there is no login at all");

    let assign = async |scope: &str| {
        let name = SystemEntropy::shared().uuid();
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let role = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}"
        );
        let body = json!({"properties": {"roleDefinitionId": role, "principalId": one["properties"]["principalId"], "principalType": "ServicePrincipal"}});
        stack.put(&path, body).await.expect(201);
        path
    };
    assign(&registry("images2")).await;
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InaccessibleImage");
    assert!(stack.runtime.logins_seen().is_empty(), "another registry's role is none here");

    let right = assign(&registry("images1")).await;
    // The engine in memory still refuses; what it was shown is the point.
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InaccessibleImage");
    let seen = stack.runtime.logins_seen();
    assert_eq!(seen[0].username, "00000000-0000-0000-0000-000000000000");
    let token = seen[0].password.expose_secret();
    assert!(!stack.answers().contains(token), "the login is nobody's to read");
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        claims["permissions"]["actions"],
        json!(["read", "metadata/read"]),
        "it pulls and does not push"
    );

    stack.delete(&right).await.expect(200);
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InaccessibleImage");
    assert_eq!(stack.runtime.logins_seen().len(), seen.len(), "taken away is taken away");
    assign(&resource_group()).await;
    stack.put(&group("agent"), pulls.clone()).await.refused(400, "InaccessibleImage");
    assert!(stack.runtime.logins_seen().len() > seen.len(), "a role around the registry holds for it");
    let count = stack.runtime.logins_seen().len();
    stack.delete(&identity("one")).await.expect(200);
    made(&stack, "one").await;
    stack.put(&group("agent"), pulls).await.refused(400, "InaccessibleImage");
    assert_eq!(stack.runtime.logins_seen().len(), count, "another identity of the same name has no role");
    stack.finish().await;
}

#[tokio::test]
async fn role_assignments_are_made_listed_and_refused() {
    let stack = Stack::start().await;
    let one = made(&stack, "one").await;
    let principal = &one["properties"]["principalId"];
    let at =
        |scope: &str, name: &str| format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
    let (first, second) = (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string());
    let body = |role: &str, principal: &Value| {
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
        json!({"properties": {"roleDefinitionId": role, "principalId": principal}})
    };
    let good = body(ACR_PULL, principal);
    let path = at(&resource_group(), &first);
    let made = stack.put(&path, good.clone()).await.expect(201).body;
    assert_eq!(made["id"], path);
    assert_eq!(made["properties"]["scope"], resource_group());
    stack.put(&path, good.clone()).await.expect(201);
    stack.put(&at(&resource_group(), &second), good.clone()).await.refused(409, "RoleAssignmentExists");
    let reader = body("acdd72a7-3385-48ef-bd42-f606fba81ae7", principal);
    stack.put(&path, reader).await.refused(400, "RoleAssignmentUpdateNotPermitted");
    let unknown_role = body(&first, principal);
    stack.put(&at(&resource_group(), &second), unknown_role).await.refused(400, "RoleDefinitionDoesNotExist");
    let nobody = body(ACR_PULL, &json!(second));
    stack.put(&at(&resource_group(), &second), nobody).await.refused(400, "PrincipalNotFound");
    stack.put(&at(&resource_group(), "first"), good.clone()).await.refused(400, "InvalidRoleAssignmentId");
    stack.put(&at(&registry("missing1"), &second), good.clone()).await.refused(404, "ResourceNotFound");
    let listed =
        stack.get(&format!("{}?$filter=atScope()", at(&resource_group(), "").trim_end_matches('/'))).await;
    assert_eq!(listed.expect(200).body["value"][0]["name"], first);
    assert_eq!(stack.get(&path).await.expect(200).body, made);
    stack.delete(&path).await.expect(200);
    stack.delete(&path).await.expect(204);
    stack.get(&path).await.refused(404, "RoleAssignmentNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn an_identity_of_the_tenant_is_not_the_subscriptions_owner() {
    let stack = Stack::start().await;
    let principal =
        Principal { client_id: Uuid::from_u128(8), object_id: Uuid::from_u128(9), resource_id: None };
    let token = stack.entra.issue_to(&principal, "https://management.azure.com", 600).unwrap().token;
    let authorization = format!("Bearer {}", token.expose_secret());
    let url = format!("{}{}?api-version=2025-04-01", stack.base, resource_group());
    let refused = stack.raw(reqwest::Method::GET, &url, Some(&authorization), None).await;
    refused.refused(403, "AuthorizationFailed");
    let owner = stack.entra.issue(AZURE_DEVOPS).unwrap();
    let authorization = format!("Bearer {}", owner.expose_secret());
    let refused = stack.raw(reqwest::Method::GET, &url, Some(&authorization), None).await;
    refused.refused(401, "InvalidAuthenticationTokenAudience");
    stack.finish().await;
}
