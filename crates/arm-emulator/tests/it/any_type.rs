//! Resources of types without behaviour: by request, from templates, in lists.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{API, SUBSCRIPTION, Stack, TENANT, group, group_body, resource_group};

fn network(name: &str) -> String {
    format!("{}/providers/Microsoft.Network/virtualNetworks/{name}", resource_group())
}

fn account(name: &str) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", resource_group())
}

fn body() -> Value {
    json!({
        "location": "West Europe",
        "tags": {"owner": "me", "cost": "1"},
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}},
    })
}

#[tokio::test]
async fn any_type_is_kept_and_shown_as_arm_would() {
    let stack = Stack::start().await;
    let created = stack.put(&network("Net-1"), body()).await.expect(201);
    let shown = &created.body;
    assert_eq!(shown["id"], network("Net-1"));
    assert_eq!(
        (&shown["name"], &shown["type"]),
        (&json!("Net-1"), &json!("Microsoft.Network/virtualNetworks"))
    );
    assert_eq!(shown["location"], "westeurope");
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    assert_eq!(shown["properties"]["addressSpace"]["addressPrefixes"][0], "10.0.0.0/16");
    assert_eq!(shown["systemData"]["createdByType"], "Application");
    assert_eq!(created.header("etag"), shown["etag"].as_str().unwrap());
    let again = stack.put(&network("NET-1"), body()).await.expect(200);
    assert_eq!(again.body["id"], network("Net-1"), "the first spelling stays");
    assert_eq!(again.body["systemData"]["createdAt"], shown["systemData"]["createdAt"]);
    assert_ne!(again.body["etag"], shown["etag"]);
    let found = stack.get(&network("net-1").to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")).await;
    assert_eq!(found.expect(200).body, again.body);
    stack.head(&network("net-1")).await.expect(204);
    stack.head(&network("net-2")).await.expect(404);
    // PUT replaces: what is left out is gone.
    let put = stack.put(&network("Net-1"), json!({"location": "westeurope"})).await.expect(200).body;
    assert!(put.get("tags").is_none() && put["properties"].get("addressSpace").is_none(), "{put}");
    stack.delete(&network("net-1")).await.expect(200);
    stack.delete(&network("net-1")).await.expect(204);
    stack.get(&network("net-1")).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn a_patch_merges_properties_and_replaces_tags() {
    let stack = Stack::start().await;
    stack.patch(&network("a"), json!({"tags": {}})).await.refused(404, "ResourceNotFound");
    stack.put(&network("a"), body()).await.expect(201);
    let changes =
        json!({"properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "enableDdos": true}});
    let patched = stack.patch(&network("a"), changes).await.expect(200).body;
    assert_eq!(patched["properties"]["addressSpace"]["addressPrefixes"], json!(["10.1.0.0/16"]));
    assert_eq!(patched["tags"], json!({"owner": "me", "cost": "1"}));
    let changes = json!({"tags": {"owner": "you"}, "properties": {"enableDdos": null}});
    let patched = stack.patch(&network("a"), changes).await.expect(200).body;
    assert_eq!(patched["tags"], json!({"owner": "you"}));
    assert!(patched["properties"].get("enableDdos").is_none());
    assert_eq!(patched["properties"]["addressSpace"]["addressPrefixes"], json!(["10.1.0.0/16"]));
    stack.finish().await;
}

#[tokio::test]
async fn children_and_extensions_need_what_they_belong_to_and_go_with_it() {
    let stack = Stack::start().await;
    let subnet = format!("{}/subnets/one", network("a"));
    let setting = format!("{subnet}/providers/Microsoft.Insights/diagnosticSettings/logs");
    let prefix = json!({"properties": {"addressPrefix": "10.0.0.0/24"}});
    let refused = stack.put(&subnet, prefix.clone()).await.refused(404, "ParentResourceNotFound");
    assert!(refused.text.contains("virtualNetworks/a"), "{}", refused.text);
    stack.put(&setting, json!({"properties": {}})).await.refused(404, "ResourceNotFound");
    stack.put(&network("a"), body()).await.expect(201);
    let shown = stack.put(&subnet, prefix).await.expect(201).body;
    assert_eq!(
        (&shown["name"], &shown["type"]),
        (&json!("one"), &json!("Microsoft.Network/virtualNetworks/subnets"))
    );
    stack.put(&setting, json!({"properties": {}})).await.expect(201);
    // Parts of a resource that are there with it need nobody to make them.
    stack
        .put(
            &account("store1"),
            json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}),
        )
        .await
        .expect(201);
    stack
        .put(&format!("{}/blobServices/default/containers/c", account("store1")), json!({}))
        .await
        .expect(201);
    stack
        .put(&format!("{}/blobServices/default/containers/c", account("none")), json!({}))
        .await
        .refused(404, "ParentResourceNotFound");
    for (list, names) in [
        (format!("{}/providers/Microsoft.Network/virtualNetworks", resource_group()), vec!["a"]),
        (format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/virtualNetworks"), vec!["a"]),
        (format!("{}/subnets", network("a")), vec!["one"]),
        (format!("{subnet}/providers/Microsoft.Insights/diagnosticSettings"), vec!["logs"]),
        (format!("{}/providers/Microsoft.Network/publicIPAddresses", resource_group()), vec![]),
    ] {
        let listed = stack.get(&list).await.expect(200).body;
        let got: Vec<_> =
            listed["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(got, names, "{list}");
    }
    stack.get(&format!("{}/subnets", network("none"))).await.refused(404, "ResourceNotFound");
    stack.delete(&network("a")).await.expect(200);
    for gone in [&subnet, &setting] {
        stack.get(gone).await.refused(404, "ResourceNotFound");
    }
    stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    let of_group = format!("{}/providers/Microsoft.Insights/diagnosticSettings/logs", group("agent"));
    stack.put(&of_group, json!({"properties": {"workspaceId": "/x"}})).await.expect(201);
    stack.delete(&group("agent")).await.expect(200);
    stack.get(&of_group).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn resources_exist_at_subscriptions_management_groups_and_the_tenant() {
    let stack = Stack::start().await;
    let policy = json!({"properties": {"policyRule": {}, "mode": "All"}});
    let root = format!("/providers/Microsoft.Management/managementGroups/{TENANT}");
    assert_eq!(stack.get(&root).await.expect(200).body["properties"]["displayName"], "Tenant Root Group");
    for scope in [format!("/subscriptions/{SUBSCRIPTION}"), root.clone()] {
        let definition = format!("{scope}/providers/Microsoft.Authorization/policyDefinitions/p");
        assert_eq!(stack.put(&definition, policy.clone()).await.expect(201).body["id"], definition);
        stack.get(&definition).await.expect(200);
    }
    let team = "/providers/Microsoft.Management/managementGroups/team";
    let inside = format!("{team}/providers/Microsoft.Authorization/policyDefinitions/p");
    stack.put(&inside, policy.clone()).await.refused(404, "ResourceNotFound");
    stack.put(team, json!({"properties": {"displayName": "Team"}})).await.expect(201);
    stack.put(&inside, policy).await.expect(201);
    let elsewhere = format!("/subscriptions/{TENANT}/providers/Microsoft.Authorization/policyDefinitions/p");
    stack.get(&elsewhere).await.refused(404, "SubscriptionNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn a_body_or_a_name_that_no_type_takes_is_refused() {
    let stack = Stack::start().await;
    for (name, body, status, code) in [
        ("a", json!({"location": "atlantis"}), 400, "LocationNotAvailableForResourceType"),
        ("a", json!({"location": "westeurope", "colour": "red"}), 400, "InvalidRequestContent"),
        ("a", json!({"location": "westeurope", "properties": []}), 400, "InvalidRequestContent"),
        ("a", json!({"location": "westeurope", "tags": {"a": 1}}), 400, "InvalidRequestContent"),
        ("a", json!({"location": "westeurope", "tags": {"a<b": "1"}}), 400, "InvalidTagNameCharacters"),
        ("a", json!({"location": "westeurope", "identity": {"type": "Magic"}}), 400, "InvalidRequestContent"),
        ("a", json!([]), 400, "InvalidRequestContent"),
        ("a%3Cb", body(), 400, "InvalidResourceName"),
        ("a.", body(), 400, "InvalidResourceName"),
        ("a%2Fb", body(), 400, "InvalidRequestUri"),
    ] {
        stack.put(&network(name), body).await.refused(status, code);
    }
    let mut linked = body();
    linked["tags"] = json!({"hidden-link:/subscriptions/a/resourceGroups/b": "Resource"});
    stack.put(&network("a"), linked).await.expect(201);
    let mut moved = body();
    moved["location"] = json!("northeurope");
    stack.put(&network("a"), moved).await.refused(409, "InvalidResourceLocation");
    stack.put(&network("a"), json!({})).await.refused(400, "LocationRequired");
    let missing = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/none/providers/Microsoft.Network/virtualNetworks/a"
    );
    stack.put(&missing, body()).await.refused(404, "ResourceGroupNotFound");
    stack.get(&missing).await.refused(404, "ResourceGroupNotFound");
    let foreign = format!("{}/providers/Foo.Bar/things/a", resource_group());
    stack.put(&foreign, body()).await.refused(404, "InvalidResourceNamespace");
    let slip = format!("{}/providers/Microsoft.ContainerRegistry/registry/a", resource_group());
    stack.put(&slip, body()).await.refused(404, "InvalidResourceType");
    let action = format!("{}/listKeys", network("a"));
    stack.post(&action, json!({})).await.refused(400, "InvalidResourceOperation");
    stack.post(&network("a"), json!({})).await.refused(405, "HttpMethodNotAllowed");
    stack.finish().await;
}

#[tokio::test]
async fn an_action_that_nothing_does_is_refused_with_what_is_done() {
    let stack = Stack::start().await;
    let started = stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let refused = stack.post(&format!("{}/dance", group("agent")), json!({})).await;
    let refused = refused.refused(400, "InvalidResourceOperation");
    assert!(refused.text.contains("'dance'") && refused.text.contains("restart"), "{}", refused.text);
    stack.post(&format!("{}/dance", group("none")), json!({})).await.refused(404, "ResourceNotFound");
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
        "outputs": {"keys": {"type": "object", "value": "[listKeys(resourceId('Microsoft.Network/virtualNetworks', 'a'), '2023-11-01')]"}},
    });
    stack.put(&network("a"), body()).await.expect(201);
    let done = stack.deploy("keys", "Incremental", &template.to_string(), json!({})).await;
    let error = done["properties"]["error"].to_string();
    assert!(error.contains("listKeys") && error.contains("Microsoft.Network/virtualNetworks"), "{error}");
    stack.finish().await;
}

#[tokio::test]
async fn what_a_provider_never_shows_is_not_kept() {
    let stack = Stack::start().await;
    let machine = format!("{}/providers/Microsoft.Compute/virtualMachines/m", resource_group());
    let body = json!({"location": "westeurope", "properties": {"osProfile": {
        "adminUsername": "root", "adminPassword": "hunter2-vm", "customData": "aHVudGVyMg==",
    }}});
    let shown = stack.put(&machine, body).await.expect(201).body;
    assert_eq!(shown["properties"]["osProfile"], json!({"adminUsername": "root"}));
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"secret": {"type": "securestring"}},
        "resources": [{
            "type": "Microsoft.Web/sites", "apiVersion": "2023-12-01", "name": "site", "location": "westeurope",
            "properties": {"siteConfig": {"appSettings": [
                {"name": "A", "value": "[parameters('secret')]"},
                {"name": "B", "value": "plain"},
                {"name": "C", "value": "[concat('Key=', parameters('secret'))]"},
            ]}},
        }],
    });
    let done = stack
        .deploy("secret", "Incremental", &template.to_string(), json!({"secret": {"value": "hunter2-site"}}))
        .await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    let site = format!("{}/providers/Microsoft.Web/sites/site", resource_group());
    let shown = stack.get(&site).await.expect(200).body;
    let expected = json!([{"name": "A"}, {"name": "B", "value": "plain"}, {"name": "C"}]);
    assert_eq!(shown["properties"]["siteConfig"]["appSettings"], expected);
    assert!(!stack.answers().contains("hunter2"));
    stack.finish().await;
}

#[tokio::test]
async fn identities_of_any_type_are_made_known_and_lost() {
    let stack = Stack::start().await;
    let mut with = body();
    with["identity"] = json!({"type": "SystemAssigned"});
    let first = stack.put(&network("a"), with.clone()).await.expect(201).body["identity"].clone();
    assert_eq!(first["tenantId"], TENANT);
    assert_eq!(
        stack.put(&network("a"), with).await.expect(200).body["identity"],
        first,
        "the same principal stays"
    );
    let user = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/who", resource_group());
    let mut with = body();
    with["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {user.clone(): {}}});
    stack.put(&network("a"), with.clone()).await.refused(400, "FailedIdentityOperation");
    let known = stack.put(&user, json!({"location": "westeurope"})).await.expect(201).body;
    let shown = stack.put(&network("a"), with).await.expect(200).body;
    assert_eq!(
        shown["identity"]["userAssignedIdentities"][&user]["clientId"],
        known["properties"]["clientId"]
    );
    stack.finish().await;
}

#[tokio::test]
async fn conditions_on_the_entity_tag_are_honoured() {
    let stack = Stack::start().await;
    let send = async |method: Method, header: &str, value: &str, body: Value| {
        let address = format!("{}{}?api-version={API}", stack.base, network("a"));
        reqwest::Client::new()
            .request(method, address)
            .bearer_auth(&stack.token)
            .header(header, value)
            .body(body.to_string())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(send(Method::PUT, "if-match", "*", body()).await, 412);
    assert_eq!(send(Method::PUT, "if-none-match", "*", body()).await, 201);
    assert_eq!(send(Method::PUT, "if-none-match", "*", body()).await, 412);
    let first = stack.get(&network("a")).await.header("etag").to_owned();
    assert_eq!(send(Method::PUT, "if-match", &first, body()).await, 200);
    assert_eq!(
        send(Method::PATCH, "if-match", &first, json!({"tags": {}})).await,
        412,
        "somebody was faster"
    );
    assert_eq!(send(Method::DELETE, "if-match", &first, json!({})).await, 412);
    let second = stack.get(&network("a")).await.header("etag").to_owned();
    assert_eq!(send(Method::DELETE, "if-match", &second, json!({})).await, 200);
    stack.finish().await;
}

#[tokio::test]
async fn lists_of_all_types_filter_expand_and_page() {
    let stack = Stack::start().await;
    for name in ["a", "b", "c"] {
        stack.put(&network(name), body()).await.expect(201);
    }
    stack.put(&format!("{}/subnets/one", network("a")), json!({"properties": {}})).await.expect(201);
    stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    let all = format!("/subscriptions/{SUBSCRIPTION}/resources");
    let names = async |query: &str| {
        let listed = stack.get(&format!("{all}?{query}")).await.expect(200).body;
        let names =
            listed["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(",")
    };
    assert_eq!(names("").await, "agent,a,b,c", "a subnet has no location and is not listed");
    assert_eq!(names("$filter=resourceType eq 'microsoft.network/VIRTUALNETWORKS'").await, "a,b,c");
    assert_eq!(
        names("$filter=resourceType eq 'Microsoft.Network/virtualNetworks' and name eq 'b'").await,
        "b"
    );
    assert_eq!(names("$filter=name eq 'b' or name eq 'agent'").await, "agent,b");
    assert_eq!(names("$filter=substringof('gen', name)").await, "agent");
    assert_eq!(names("$filter=tagName eq 'cost' and tagValue eq '1'").await, "a,b,c");
    assert_eq!(names("$filter=resourceGroup eq 'none'").await, "");
    let plain = stack.get(&all).await.expect(200).body;
    assert!(
        plain["value"][1].get("createdTime").is_none()
            && plain["value"][1].get("provisioningState").is_none()
    );
    let query = "$filter=resourceGroup eq 'Fleet'&$expand=createdTime,changedTime,provisioningState";
    let expanded = stack.get(&format!("{all}?{query}")).await.expect(200).body["value"][1].clone();
    assert_eq!(expanded["provisioningState"], "Succeeded");
    assert!(expanded["createdTime"].is_string() && expanded["changedTime"].is_string());
    stack.get(&format!("{all}?$expand=colour")).await.refused(400, "InvalidExpandInQueryString");
    stack.get(&format!("{all}?$filter=colour eq 'red'")).await.refused(400, "InvalidFilterInQueryString");
    let mut next = format!("{all}?$top=2");
    let mut pages = Vec::new();
    while !next.is_empty() {
        let page = stack.get(&next).await.expect(200).body;
        pages.push(page["value"].as_array().unwrap().len());
        next = page["nextLink"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(pages, [2, 2]);
    stack.finish().await;
}

#[tokio::test]
async fn namespaces_can_be_taken_away_and_given_back() {
    let stack = Stack::start().await;
    let provider = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network");
    let shown = stack.get(&provider).await.expect(200).body;
    assert_eq!(shown["registrationState"], "Registered");
    let types = shown["resourceTypes"].as_array().unwrap();
    assert!(types.iter().any(|one| one["resourceType"] == "virtualNetworks"));
    let gone = stack.post(&format!("{provider}/unregister"), json!({})).await.expect(200).body;
    assert_eq!(gone["registrationState"], "NotRegistered");
    stack.put(&network("a"), body()).await.refused(409, "MissingSubscriptionRegistration");
    stack.post(&format!("{provider}/register"), json!({})).await.expect(200);
    stack.put(&network("a"), body()).await.expect(201);
    stack.finish().await;
}

const NETWORK: &str = include_str!("templates/network.json");

#[tokio::test]
async fn a_template_of_many_types_deploys_and_complete_mode_leaves_what_it_holds() {
    let stack = Stack::start().await;
    stack.put(&network("old"), body()).await.expect(201);
    let done = stack.deploy("net", "Incremental", NETWORK, json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(done["properties"]["outputs"]["prefix"]["value"], "10.0.1.0/24");
    assert_eq!(done["properties"]["outputs"]["place"]["value"], "westeurope");
    let subnet = stack.get(&format!("{}/subnets/inner", network("hub"))).await.expect(200).body;
    assert_eq!(subnet["properties"]["addressPrefix"], "10.0.1.0/24");
    let lock = format!("{}/providers/Microsoft.Authorization/locks/keep", network("hub"));
    assert_eq!(stack.get(&lock).await.expect(200).body["properties"]["level"], "CanNotDelete");
    let done = stack.deploy("net", "Complete", NETWORK, json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    stack.get(&network("old")).await.refused(404, "ResourceNotFound");
    stack.get(&format!("{}/subnets/inner", network("hub"))).await.expect(200);
    stack.get(&lock).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn what_if_compares_any_type_property_by_property() {
    let stack = Stack::start().await;
    stack.deploy("net", "Incremental", NETWORK, json!({})).await;
    let what_if = async |parameters: Value| {
        let path = format!("{}/providers/Microsoft.Resources/deployments/w/whatIf", resource_group());
        let body = crate::stack::deployment_body("Incremental", NETWORK, parameters);
        let started = stack.post(&path, body).await.expect(202);
        stack.located(&started).await.expect(200).body["properties"]["changes"].clone()
    };
    let same = what_if(json!({})).await;
    for change in same.as_array().unwrap() {
        assert_eq!(change["changeType"], "NoChange", "{change:#}");
    }
    let changed = what_if(json!({"prefix": {"value": "10.0.2.0/24"}})).await;
    let subnet = changed
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["resourceId"].as_str().unwrap().ends_with("/inner"))
        .unwrap();
    assert_eq!(subnet["changeType"], "Modify");
    assert_eq!(subnet["delta"][0]["path"], "properties.addressPrefix");
    assert_eq!(
        (&subnet["delta"][0]["before"], &subnet["delta"][0]["after"]),
        (&json!("10.0.1.0/24"), &json!("10.0.2.0/24"))
    );
    stack.finish().await;
}

#[tokio::test]
async fn a_group_that_goes_takes_everything_in_it() {
    let stack = Stack::start().await;
    stack.put(&network("a"), body()).await.expect(201);
    stack.put(&format!("{}/subnets/one", network("a")), json!({})).await.expect(201);
    let started = stack.delete(&resource_group()).await.expect(202);
    stack.located(&started).await.expect(204);
    stack.put(&resource_group(), json!({"location": "westeurope"})).await.expect(201);
    stack.get(&network("a")).await.refused(404, "ResourceNotFound");
    assert_eq!(
        stack.get(&format!("{}/resources", resource_group())).await.expect(200).body["value"],
        json!([])
    );
    stack.finish().await;
}
