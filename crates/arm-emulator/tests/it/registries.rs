//! Container registries, control plane.

use serde_json::json;

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
        ("/properties", json!({"anonymousPullEnabled": true}), "anonymousPullEnabled"),
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
