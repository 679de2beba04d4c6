//! Container registries, control plane.

use serde_json::{Value, json};

use crate::stack::{SUBSCRIPTION, Stack, registry, resource_group};

#[tokio::test]
async fn a_registry_is_created_shown_changed_and_deleted() {
    let stack = Stack::start().await;
    let path = registry("fleetImages");
    let body = json!({"location": "westeurope", "sku": {"name": "basic"}, "tags": {"a": "1"}, "properties": {"adminUserEnabled": true}});
    let created = stack.put(&path, body.clone()).await.expect(201).body;
    assert!(created["properties"]["loginServer"].as_str().unwrap().starts_with("localhost:"));
    assert_eq!(created["sku"], json!({"name": "Basic", "tier": "Basic"}));
    assert_eq!(created["properties"]["provisioningState"], "Succeeded");
    let again = stack.put(&path, body).await.expect(200).body;
    assert_eq!(again["properties"]["loginServer"], created["properties"]["loginServer"]);
    assert_eq!(stack.get(&path.to_lowercase()).await.expect(200).body["name"], "fleetImages");
    let patched = stack.patch(&path, json!({"tags": {"b": "2"}})).await.expect(200).body;
    assert_eq!(
        (&patched["tags"], &patched["properties"]["adminUserEnabled"]),
        (&json!({"b": "2"}), &json!(true))
    );
    let list =
        stack.get(&format!("{}/providers/Microsoft.ContainerRegistry/registries", resource_group())).await;
    assert_eq!(list.expect(200).body["value"].as_array().unwrap().len(), 1);
    let usages = stack.get(&format!("{path}/listUsages")).await.expect(200).body;
    assert_eq!(usages["value"][0]["name"], "Size");
    stack.delete(&path).await.expect(200);
    stack.delete(&path).await.expect(204);
    stack.get(&path).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn credentials_are_given_out_while_the_admin_user_is_on_and_can_be_replaced() {
    let stack = Stack::start().await;
    let path = registry("fleetimages");
    let body = |admin: bool| json!({"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": admin}});
    stack.put(&path, body(true)).await.expect(201);
    let read = async || stack.post(&format!("{path}/listCredentials"), json!({})).await;
    let first = read().await.expect(200).body;
    assert_eq!(first["username"], "fleetimages");
    assert_eq!(
        (&first["passwords"][0]["name"], &first["passwords"][1]["name"]),
        (&json!("password"), &json!("password2"))
    );
    let replaced = stack
        .post(&format!("{path}/regenerateCredential"), json!({"name": "password2"}))
        .await
        .expect(200)
        .body;
    assert_eq!(replaced["passwords"][0], first["passwords"][0]);
    assert_ne!(replaced["passwords"][1], first["passwords"][1]);
    stack
        .post(&format!("{path}/regenerateCredential"), json!({"name": "password3"}))
        .await
        .refused(400, "InvalidRequestContent");
    stack.put(&path, body(false)).await.expect(200);
    read().await.refused(400, "UnAuthorizedForCredentialOperations");
    stack.finish().await;
}

#[tokio::test]
async fn a_name_is_taken_once_in_the_whole_subscription() {
    let stack = Stack::start().await;
    let other = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/Other");
    stack.put(&other, json!({"location": "westeurope"})).await.expect(201);
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    stack.put(&registry("fleetimages"), body.clone()).await.expect(201);
    let elsewhere = registry("FleetImages").replace("/Fleet/", "/Other/");
    stack.put(&elsewhere, body).await.refused(409, "AlreadyInUse");
    stack.get(&elsewhere).await.refused(404, "ResourceNotFound");
    let check = async |name: &str| {
        let path = format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/checkNameAvailability"
        );
        let body = json!({"name": name, "type": "Microsoft.ContainerRegistry/registries"});
        stack.post(&path, body).await.expect(200).body
    };
    assert_eq!(check("fleetimages").await["reason"], "AlreadyExists");
    assert_eq!(check("no").await["reason"], "Invalid");
    assert_eq!(check("another1").await, json!({"nameAvailable": true}));
    stack.finish().await;
}

#[tokio::test]
async fn a_bad_registry_is_refused() {
    let stack = Stack::start().await;
    let good = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    stack.put(&registry("a-b-c-d"), good.clone()).await.refused(400, "InvalidResourceName");
    stack.put(&registry("four"), good.clone()).await.refused(400, "InvalidResourceName");
    stack
        .put(&registry("fleetimages"), json!({"sku": {"name": "Basic"}}))
        .await
        .refused(400, "LocationRequired");
    for (pointer, value, named) in [
        ("/sku", json!({"name": "Gold"}), "sku.name"),
        ("/sku", json!(null), "sku"),
        ("/properties", json!({"dataEndpointEnabled": 1}), "dataEndpointEnabled"),
        ("/properties", json!({"adminEnabled": true}), "adminUserEnabled"),
        ("/identity", json!({"type": "SystemAssigned"}), "identity.type"),
    ] {
        let mut body = good.clone();
        body[&pointer[1..]] = value;
        let refused = stack.put(&registry("fleetimages"), body).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    stack.finish().await;
}

#[tokio::test]
async fn scope_maps_and_tokens_are_kept_and_passwords_shown_once() {
    let stack = Stack::start().await;
    let path = registry("fleetimages");
    let body = json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"anonymousPullEnabled": true}});
    stack.put(&path, body).await.expect(201);
    let system = stack.get(&format!("{path}/scopeMaps")).await.expect(200).body;
    assert_eq!(system["value"].as_array().unwrap().len(), 5);
    stack.get(&format!("{path}/scopeMaps/_repositories_pull")).await.expect(200);
    stack.delete(&format!("{path}/scopeMaps/_repositories_pull")).await.refused(400, "SystemDefinedScopeMap");

    let map = format!("{path}/scopeMaps/developers");
    let actions = |action: &str| json!({"properties": {"description": "d", "actions": [action]}});
    stack.put(&map, actions("repositories/a/content/fly")).await.refused(400, "InvalidRequestContent");
    let created = stack.put(&map, actions("repositories/team/*/content/read")).await.expect(201).body;
    assert_eq!(created["properties"]["type"], "UserDefined");
    let patched =
        stack.patch(&map, json!({"properties": {"actions": ["repositories/*/content/write"]}})).await;
    let patched = patched.expect(200).body;
    assert_eq!(patched["properties"]["actions"], json!(["repositories/*/content/write"]));
    assert_eq!(patched["properties"]["description"], "d");

    let token = format!("{path}/tokens/builder");
    let with_map = |name: &str| json!({"properties": {"scopeMapId": format!("{path}/scopeMaps/{name}")}});
    stack.put(&token, with_map("nobodys")).await.refused(404, "ResourceNotFound");
    let created = stack.put(&token, with_map("developers")).await.expect(201).body;
    assert_eq!(created["properties"]["status"], "enabled");
    assert_eq!(created["properties"]["credentials"]["passwords"], json!([]));
    let disabled = stack.patch(&token, json!({"properties": {"status": "disabled"}})).await.expect(200).body;
    assert_eq!(disabled["properties"]["status"], "disabled");

    let generate = format!("{path}/generateCredentials");
    let body = json!({"tokenId": token, "name": "password2", "expiry": "2030-01-01T00:00:00Z"});
    stack.post(&generate, body).await.expect(202);
    stack
        .post(&generate, json!({"tokenId": format!("{path}/tokens/other")}))
        .await
        .refused(404, "ResourceNotFound");
    let shown = stack.get(&token).await.expect(200).body;
    let passwords = &shown["properties"]["credentials"]["passwords"];
    assert_eq!(
        (&passwords[0]["name"], &passwords[0]["expiry"]),
        (&json!("password2"), &json!("2030-01-01T00:00:00Z"))
    );
    assert!(passwords[0].get("value").is_none() && passwords.as_array().unwrap().len() == 1);

    let usages = stack.get(&format!("{path}/listUsages")).await.expect(200).body;
    let usage = |name: &str| {
        usages["value"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&usage("Size")["limit"], &usage("Tokens")["currentValue"]),
        (&json!(107_374_182_400_u64), &json!(1))
    );
    stack.delete(&map).await.expect(200);
    stack.delete(&map).await.expect(204);
    stack.delete(&token).await.expect(200);
    stack.get(&token).await.refused(404, "ResourceNotFound");
    let basic = json!({"sku": {"name": "Basic"}});
    stack.patch(&path, basic).await.refused(400, "UnsupportedSkuFeature");
    stack.finish().await;
}

#[tokio::test]
async fn policies_are_kept_where_they_can_be_set_and_else_taken_at_their_defaults_alone() {
    let stack = Stack::start().await;
    let path = registry("fleetimages");
    let put = async |policies: Value| {
        let body = json!({"location": "westeurope", "sku": {"name": "Premium"}, "properties": {"policies": policies}});
        stack.put(&format!("{path}?api-version=2025-11-01"), body).await
    };
    let usual = json!({
        "quarantinePolicy": {"status": "Disabled"}, "retentionPolicy": {"days": 7, "status": "disabled"},
        "exportPolicy": {"status": "enabled"}, "trustPolicy": {"type": "Notary", "status": "disabled"},
    });
    let shown = put(usual).await.expect(201).body["properties"]["policies"].clone();
    assert_eq!(shown["azureADAuthenticationAsArmPolicy"], json!({"status": "enabled"}));
    assert_eq!(
        (&shown["retentionPolicy"]["days"], &shown["softDeletePolicy"]["retentionDays"]),
        (&json!(7), &json!(7))
    );
    for (policies, word) in [
        (json!({"quarantinePolicy": {"status": "enabled"}}), "quarantinePolicy.status"),
        (json!({"retentionPolicy": {"days": 366, "status": "enabled"}}), "retentionPolicy.days"),
        (json!({"softDeletePolicy": {"retentionDays": 30}}), "softDeletePolicy.retentionDays"),
        (json!({"retentionPolicy": {"hours": 30}}), "hours"),
        (json!({"cachePolicy": {}}), "cachePolicy"),
    ] {
        let refused = put(policies).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(word), "{}", refused.text);
    }
    // As the registry module of the Bicep registry has them without being asked.
    let module = json!({
        "azureADAuthenticationAsArmPolicy": {"status": "disabled"}, "exportPolicy": {"status": "disabled"},
        "quarantinePolicy": {"status": "disabled"}, "trustPolicy": {"type": "Notary", "status": "disabled"},
        "retentionPolicy": {"days": 15, "status": "enabled"},
        "softDeletePolicy": {"retentionDays": 7, "status": "disabled"},
    });
    let shown = put(module).await.expect(200).body["properties"]["policies"].clone();
    let status = |name: &str| shown[name]["status"].as_str().unwrap().to_owned();
    assert_eq!(
        [status("azureADAuthenticationAsArmPolicy"), status("exportPolicy"), status("retentionPolicy")],
        ["disabled", "disabled", "enabled"]
    );
    assert_eq!(shown["retentionPolicy"]["days"], 15);
    let tagged = stack.patch(&path, json!({"tags": {"a": "b"}})).await.expect(200).body;
    for name in ["retentionPolicy", "exportPolicy"] {
        assert_eq!(
            tagged["properties"]["policies"][name], shown[name],
            "a PATCH that does not name it leaves it"
        );
    }
    let standard = json!({"sku": {"name": "Standard"}});
    let refused = stack.patch(&path, standard).await.refused(400, "UnsupportedSkuFeature");
    assert!(
        refused.text.contains("'retentionPolicy' is not supported for the SKU Standard"),
        "{}",
        refused.text
    );
    let older = stack.get(&format!("{path}?api-version=2023-07-01")).await.expect(200).body;
    let names: Vec<&String> = older["properties"]["policies"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["quarantinePolicy", "trustPolicy", "retentionPolicy", "exportPolicy"]);
    stack.finish().await;
}

/// As `container-registry-with-policies-and-diagnostics` of the quickstart templates and the registry module of the Bicep
/// registry write them.
#[tokio::test]
async fn the_place_of_a_registry_is_kept_and_shown() {
    let stack = Stack::start().await;
    let body = |properties: Value| json!({"location": "westeurope", "sku": {"name": "Premium"}, "properties": properties});
    let wanted = json!({
        "zoneRedundancy": "enabled",
        "publicNetworkAccess": "Disabled",
        "networkRuleBypassOptions": "None",
        "networkRuleSet": {"defaultAction": "Allow", "ipRules": []},
        "encryption": {"status": "disabled"},
        "policies": {},
    });
    let place = |shown: &Value| {
        let of = |name: &str| shown["properties"][name].as_str().unwrap().to_owned();
        [of("zoneRedundancy"), of("networkRuleBypassOptions"), of("publicNetworkAccess")]
    };
    let asked = ["Enabled", "None", "Disabled"];
    let made = stack.put(&registry("placed"), body(wanted)).await.expect(201).body;
    assert_eq!(place(&made), asked);
    let patched = json!({"properties": {"adminUserEnabled": true}});
    let patched = stack.patch(&registry("placed"), patched).await.expect(200).body;
    assert_eq!(place(&patched), asked, "a PATCH that does not name them leaves them");
    let again = body(json!({"networkRuleSet": {}}));
    let again = stack.put(&registry("placed"), again).await.expect(200).body;
    assert_eq!(place(&again), ["Disabled", "AzureServices", "Enabled"]);
    for rules in [
        json!({"defaultAction": "Deny"}),
        json!({"ipRules": [{"action": "Allow", "value": "192.0.2.0/24"}]}),
        json!({"colour": "red"}),
    ] {
        let restricted = body(json!({"networkRuleSet": rules}));
        stack.put(&registry("placed"), restricted).await.refused(400, "InvalidRequestContent");
    }
    stack.finish().await;
}
