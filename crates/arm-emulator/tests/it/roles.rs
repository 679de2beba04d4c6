//! Role definitions and assignments as az asks for them, and the part of Microsoft Graph that it asks beside them.

use serde_json::{Value, json};

use crate::identities::{ACR_PULL, made};
use crate::stack::{SUBSCRIPTION, Stack, registry, resource_group};

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWN: &str = "0f4a2b1c-1111-4222-8333-444455556666";

fn definitions(scope: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleDefinitions")
}

fn subscription() -> String {
    format!("/subscriptions/{SUBSCRIPTION}")
}

fn names(listed: &Value) -> Vec<&str> {
    let all = listed["value"].as_array().unwrap().iter();
    all.map(|one| one["properties"]["roleName"].as_str().unwrap()).collect()
}

/// A role of one's own that lets pull.
fn puller(scope: &str) -> Value {
    json!({"properties": {
        "roleName": "Image reader",
        "description": "pulls",
        "type": "CustomRole",
        "permissions": [{"actions": ["Microsoft.ContainerRegistry/*/read"], "notActions": []}],
        "assignableScopes": [scope],
    }})
}

#[tokio::test]
async fn built_in_roles_are_found_by_name_and_by_id_at_every_scope() {
    let stack = Stack::start().await;
    for scope in [subscription(), resource_group()] {
        let all = stack.get(&definitions(&scope)).await.expect(200).body;
        for name in ["Owner", "AcrPull", "AcrImageSigner", "Managed Identity Operator", "Network Contributor"]
        {
            assert!(names(&all).contains(&name), "{name} at {scope}");
        }
        let path = format!("{}?$filter=roleName%20eq%20'acrpull'", definitions(&scope));
        let found = stack.get(&path).await.expect(200).body;
        assert_eq!(names(&found), ["AcrPull"]);
        assert_eq!(found["value"][0]["name"], ACR_PULL);
        assert_eq!(found["value"][0]["id"], format!("{}/{ACR_PULL}", definitions(&subscription())));
        assert_eq!(found["value"][0]["properties"]["type"], "BuiltInRole");
    }
    let at_tenant = stack.get(&definitions("")).await.expect(200).body;
    assert_eq!(at_tenant["value"][0]["id"].as_str().unwrap().find("/providers/"), Some(0));
    let one = stack.get(&format!("{}/{READER}", definitions(&subscription()))).await.expect(200).body;
    let nothing: [&str; 0] = [];
    let permission = json!({"actions": ["*/read"], "notActions": nothing, "dataActions": nothing, "notDataActions": nothing});
    assert_eq!(one["properties"]["permissions"], json!([permission]));
    let path = format!("{}?$filter=colour%20eq%20'red'", definitions(&subscription()));
    stack.get(&path).await.refused(400, "InvalidFilterInQueryString");
    stack
        .get(&format!("{}/{OWN}", definitions(&subscription())))
        .await
        .refused(404, "RoleDefinitionDoesNotExist");
    let mut wrong = puller(&subscription());
    stack
        .put(&format!("{}/{READER}", definitions(&subscription())), wrong.clone())
        .await
        .refused(400, "CannotModifyBuiltInRoleDefinition");
    wrong["properties"]["roleName"] = json!("reader");
    let path = format!("{}/{OWN}", definitions(&subscription()));
    stack.put(&path, wrong).await.refused(409, "RoleDefinitionWithSameNameExists");
    stack.finish().await;
}

#[tokio::test]
async fn a_role_of_ones_own_lets_do_what_it_names_and_goes_when_nobody_has_it() {
    let stack = Stack::start().await;
    stack
        .put(&registry("images"), json!({"location": "westeurope", "sku": {"name": "Basic"}}))
        .await
        .expect(201);
    let principal = made(&stack, "puller").await["properties"]["principalId"].clone();
    let path = format!("{}/{OWN}", definitions(&resource_group()));
    stack.put(&path, puller(&resource_group())).await.expect(201);
    let one = stack.get(&path).await.expect(200).body;
    assert_eq!(
        (&one["properties"]["type"], &one["properties"]["description"]),
        (&json!("CustomRole"), &json!("pulls"))
    );
    assert_eq!(one["id"], format!("{}/{OWN}", definitions(&subscription())));
    let listed = async |scope: String| {
        let custom = format!("{}?$filter=type%20eq%20'CustomRole'", definitions(&scope));
        names(&stack.get(&custom).await.expect(200).body).len()
    };
    assert_eq!(listed(resource_group()).await, 1);
    assert_eq!(listed(subscription()).await, 0, "it cannot be assigned there");
    let assignment =
        format!("{}/providers/Microsoft.Authorization/roleAssignments/{OWN}", registry("images"));
    let wanted = json!({"properties": {"roleDefinitionId": one["id"], "principalId": principal, "description": "why"}});
    let mut other = wanted.clone();
    other["properties"]["principalType"] = json!("User");
    let refused = stack.put(&assignment, other).await.refused(400, "UnmatchedPrincipalType");
    assert!(refused.text.contains("has type 'ServicePrincipal' , which is different"), "{}", refused.text);
    let assigned = stack.put(&assignment, wanted).await.expect(201).body;
    assert_eq!(assigned["properties"]["description"], "why");
    stack.delete(&path).await.refused(400, "RoleDefinitionHasAssignments");
    stack.delete(&assignment).await.expect(200);
    stack.delete(&path).await.expect(200);
    stack.delete(&path).await.expect(204);
    stack.finish().await;
}

/// Assigns what `roleDefinitions()` finds, in a template inside of another one.
fn assigning(role: &str) -> String {
    let schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
    let inner = json!({
        "$schema": schema, "contentVersion": "1.0.0.0",
        "parameters": {"principal": {"type": "string"}},
        "resources": [{
            "type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01",
            "name": format!("[guid(resourceGroup().id, roleDefinitions('{role}').id)]"),
            "properties": {
                "roleDefinitionId": format!("[roleDefinitions('{role}').id]"),
                "principalId": "[parameters('principal')]",
                "principalType": "ServicePrincipal",
            },
        }],
        "outputs": {"role": {"type": "string", "value": format!("[roleDefinitions('{role}').roleDefinitionId]")}},
    });
    let identity = "resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'holder')";
    let outer = json!({
        "$schema": schema, "contentVersion": "1.0.0.0",
        "resources": [
            {
                "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31",
                "name": "holder", "location": "westeurope",
            },
            {
                "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner",
                "dependsOn": [format!("[{identity}]")],
                "properties": {
                    "mode": "Incremental",
                    "expressionEvaluationOptions": {"scope": "inner"},
                    "parameters": {"principal": {"value": format!("[reference({identity}, '2023-01-31').principalId]")}},
                    "template": inner,
                },
            },
        ],
        "outputs": {"role": {"type": "string", "value": "[reference('inner').outputs.role.value]"}},
    });
    outer.to_string()
}

#[tokio::test]
async fn a_template_assigns_roles_by_their_names() {
    let stack = Stack::start().await;
    let path = format!("{}/{OWN}", definitions(&resource_group()));
    stack.put(&path, puller(&resource_group())).await.expect(201);
    for (name, role) in
        [("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"), ("image reader", OWN)]
    {
        let done = stack.deploy("roles", "Incremental", &assigning(name), json!({})).await;
        assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
        assert_eq!(done["properties"]["outputs"]["role"]["value"], role, "{name}");
    }
    let assigned = format!("{}/providers/Microsoft.Authorization/roleAssignments", resource_group());
    let assigned = stack.get(&assigned).await.expect(200).body;
    let roles = assigned["value"].as_array().unwrap().iter();
    let mut roles: Vec<_> =
        roles.map(|one| one["properties"]["roleDefinitionId"].as_str().unwrap()).collect();
    roles.sort_unstable();
    let own = format!("{}/{OWN}", definitions(&subscription()));
    let contributor = own.replace(OWN, "ba92f5b4-2d11-453d-a403-e96b0029c9fe");
    assert_eq!(roles, [own, contributor]);
    let failed = stack.deploy("nobody", "Incremental", &assigning("Nobody"), json!({})).await;
    assert_eq!(failed["properties"]["provisioningState"], "Failed");
    let why = failed["properties"]["error"].to_string();
    assert!(why.contains("no role definition is named 'Nobody'"), "{why}");
    stack.finish().await;
}

#[tokio::test]
async fn assignments_are_filtered_by_scope_and_principal() {
    let stack = Stack::start().await;
    stack
        .put(&registry("images"), json!({"location": "westeurope", "sku": {"name": "Basic"}}))
        .await
        .expect(201);
    let mut principals = Vec::new();
    for (name, scope) in [("above", subscription()), ("inside", registry("images"))] {
        let principal = made(&stack, name).await["properties"]["principalId"].as_str().unwrap().to_owned();
        let id = uuid::Uuid::new_v5(&uuid::Uuid::nil(), name.as_bytes());
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}");
        let role = format!("{}/{ACR_PULL}", definitions(&subscription()));
        let body = json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
        stack.put(&path, body).await.expect(201);
        principals.push(principal);
    }
    let list = async |scope: String, filter: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        let found = stack.get(&path).await.expect(200).body;
        found["value"].as_array().unwrap().len()
    };
    assert_eq!(list(resource_group(), "").await, 2);
    assert_eq!(list(resource_group(), "atScope()").await, 1);
    assert_eq!(list(registry("images"), "atScope()").await, 2);
    let of = format!("atScope()%20and%20assignedTo('{}')", principals[1]);
    assert_eq!(list(registry("images"), &of).await, 1);
    assert_eq!(list(subscription(), &format!("principalId%20eq%20'{}'", principals[0])).await, 1);
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments?$filter=x", subscription());
    stack.get(&path).await.refused(400, "UnsupportedQuery");
    stack.finish().await;
}

#[tokio::test]
async fn graph_shows_the_principals_that_roles_are_given_to() {
    let stack = Stack::start().await;
    let identity = made(&stack, "worker").await["properties"].clone();
    let ids = json!({"ids": [identity["principalId"], OWN], "types": ["user", "group", "servicePrincipal"]});
    let found = stack.post("/v1.0/directoryObjects/getByIds", ids).await.expect(200).body;
    assert_eq!(found["value"].as_array().unwrap().len(), 1, "{found}");
    let one = &found["value"][0];
    assert_eq!(one["@odata.type"], "#microsoft.graph.servicePrincipal");
    assert_eq!((&one["displayName"], &one["appId"]), (&json!("worker"), &identity["clientId"]));
    let by_name = format!(
        "/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'{}')",
        identity["clientId"].as_str().unwrap()
    );
    let found = stack.get(&by_name).await.expect(200).body;
    assert_eq!(found["value"][0]["id"], identity["principalId"]);
    let shown = format!("/v1.0/servicePrincipals/{}", identity["principalId"].as_str().unwrap());
    assert_eq!(stack.get(&shown).await.expect(200).body["displayName"], "worker");
    stack.get(&format!("/v1.0/servicePrincipals/{OWN}")).await.refused(404, "Request_ResourceNotFound");
    let users = stack.get("/v1.0/users?$filter=userPrincipalName%20eq%20'a@b'").await.expect(200).body;
    assert_eq!(users["value"], json!([]));
    stack.post("/v1.0/applications", json!({})).await.refused(400, "Request_BadRequest");
    let base = format!("{}/v1.0/users", stack.base);
    let unknown = stack.raw(reqwest::Method::GET, &base, None, None).await;
    assert_eq!(unknown.status, 401, "Graph wants a token too");
    let metadata = stack.get("/metadata/endpoints?api-version=2022-09-01").await.expect(200).body;
    assert_eq!(metadata["microsoftGraphResourceId"], format!("{}/", stack.base));
    stack.finish().await;
}
