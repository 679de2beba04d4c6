//! What providers of types without behaviour would add, as templates read it.

use serde_json::{Value, json};

use crate::stack::{Stack, deployment, deployment_body, group, resource_group};

/// Container groups as people have them: with a file share and a workspace of the same template.
fn template() -> String {
    let account = "resourceId('Microsoft.Storage/storageAccounts', 'files')";
    let workspace = "resourceId('Microsoft.OperationalInsights/workspaces', 'logs')";
    let resource = |kind: &str, version: &str, name: &str, more: Value| {
        let mut one = json!({"type": kind, "apiVersion": version, "name": name, "location": "westeurope"});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let text = |value: String| json!({"type": "string", "value": value});
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [
            resource("Microsoft.Storage/storageAccounts", "2023-01-01", "files", json!({
                "sku": {"name": "Standard_LRS"}, "kind": "StorageV2",
                "properties": {"accessTier": "Hot"},
            })),
            resource("Microsoft.OperationalInsights/workspaces", "2022-10-01", "logs", json!({})),
            resource("Microsoft.KeyVault/vaults", "2023-02-01", "safe", json!({
                "properties": {"vaultUri": "https://mine.example.com/"},
            })),
            resource("Microsoft.ContainerInstance/containerGroups", "2023-05-01", "agent", json!({
                "dependsOn": [format!("[{account}]"), format!("[{workspace}]")],
                "properties": {
                    "osType": "Linux",
                    "containers": [{"name": "main", "properties": {
                        "image": "web:1",
                        "ports": [{"port": "80"}],
                        "resources": {"requests": {"cpu": "1.0", "memoryInGB": "1.5"}},
                        "volumeMounts": [{"name": "share", "mountPath": "/share"}],
                    }}],
                    "volumes": [{"name": "share", "azureFile": {
                        "shareName": "share", "storageAccountName": "files",
                        "storageAccountKey": format!("[listKeys({account}, '2023-01-01').keys[0].value]"),
                    }}],
                    "diagnostics": {"logAnalytics": {
                        "workspaceId": format!("[reference({workspace}).customerId]"),
                        "workspaceKey": format!("[listKeys({workspace}, '2022-10-01').primarySharedKey]"),
                    }},
                },
            })),
        ],
        "outputs": {
            "blob": text(format!("[reference({account}).primaryEndpoints.blob]")),
            "vault": text("[reference('safe').vaultUri]".to_owned()),
            "key": text(format!("[listKeys({account}, '2023-01-01').keys[1].value]")),
        },
    })
    .to_string()
}

#[tokio::test]
async fn templates_read_endpoints_and_keys_and_a_second_look_finds_no_change() {
    let stack = Stack::start().await;
    let done = stack.deploy("first", "Incremental", &template(), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    let output = |name: &str| done["properties"]["outputs"][name]["value"].as_str().unwrap().to_owned();
    assert_eq!(output("blob"), "https://files.blob.core.windows.net/");
    assert_eq!(output("vault"), "https://mine.example.com/", "what the body says stays");
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/files", resource_group());
    let keys = stack.post(&format!("{account}/listKeys"), json!({})).await.expect(200).body;
    assert_eq!(
        (&keys["keys"][1]["keyName"], &keys["keys"][1]["value"]),
        (&json!("key2"), &json!(output("key")))
    );
    assert_ne!(keys["keys"][0]["value"], keys["keys"][1]["value"]);
    let refused = stack.post(&format!("{account}/listServiceSas"), json!({})).await;
    let refused = refused.refused(400, "InvalidResourceOperation");
    assert!(refused.text.contains("only these are answered: listKeys"), "{}", refused.text);
    let agent = stack.get(&group("agent")).await.expect(200).body;
    assert_eq!(agent["properties"]["containers"][0]["properties"]["ports"][0]["port"], 80);
    let workspace = agent["properties"]["diagnostics"]["logAnalytics"]["workspaceId"].as_str().unwrap();
    assert!(workspace.parse::<uuid::Uuid>().is_ok(), "{workspace}");

    let body = deployment_body("Incremental", &template(), json!({}));
    let accepted = stack.post(&format!("{}/whatIf", deployment("look")), body).await.expect(202);
    let looked = stack.located(&accepted).await.expect(200).body;
    let changes = looked["properties"]["changes"].as_array().unwrap();
    let others = changes.iter().filter(|one| !one["resourceId"].as_str().unwrap().ends_with("/agent"));
    let kinds: Vec<_> = others.map(|one| one["changeType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["NoChange", "NoChange", "NoChange"], "{changes:#?}");
    stack.finish().await;
}

#[tokio::test]
async fn what_was_shown_may_be_put_again() {
    let stack = Stack::start().await;
    let path = format!("{}/providers/Microsoft.Web/sites/Shop", resource_group());
    let made = stack.put(&path, json!({"location": "West Europe"})).await.expect(201).body;
    assert_eq!(made["properties"]["defaultHostName"], "shop.azurewebsites.net");
    let again = stack.put(&path, made.clone()).await.expect(200).body;
    assert_eq!(again["properties"], made["properties"]);
    stack.finish().await;
}
