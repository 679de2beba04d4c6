//! Seeds and resets: all of a file or nothing, and again after a reset.

use serde_json::{Value, json};

use crate::stack::{GROUP, SUBSCRIPTION, Stack, group, group_body, registry, until};

const SEED: &str = "
applications:
- {name: deployer, clientSecret: planted-client-secret}
- {name: reader, clientId: 3f2504e0-4f89-11d3-9a0c-0305e82c3301}
resourceGroups:
- {name: seeded, location: West Europe, tags: {from: seed}}
userAssignedIdentities:
- {name: puller, resourceGroup: seeded}
registries:
- {name: seededimages, resourceGroup: seeded, adminUserEnabled: true}
resources:
- type: Microsoft.Network/virtualNetworks
  name: net
  resourceGroup: seeded
  apiVersion: 2024-05-01
  location: westeurope
  properties: {addressSpace: {addressPrefixes: [10.0.0.0/16]}}
  resources:
  - {type: subnets, name: agents, properties: {addressPrefix: 10.0.1.0/24}}
- id: /subscriptions/{subscriptionId}/resourceGroups/seeded/providers/Microsoft.ContainerInstance/containerGroups/agent
  apiVersion: 2023-05-01
  location: westeurope
  identity:
    type: UserAssigned
    userAssignedIdentities:
      '/subscriptions/{subscriptionId}/resourceGroups/seeded/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller': {}
  properties:
    osType: Linux
    containers: [{name: main, properties: {image: 'web:1', resources: {requests: {cpu: 1, memoryInGB: 1.5}}}}]
- {type: Microsoft.ContainerRegistry/registries/scopeMaps, name: seededimages/pulling, resourceGroup: seeded, apiVersion: 2023-07-01, properties: {actions: [repositories/a/content/read]}}
roleAssignments:
- {principal: puller, role: AcrPull, resourceGroup: seeded}
- {principal: deployer, role: Contributor}
";

fn seeded(rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/seeded{rest}")
}

/// What a client sees of everything, without times, ports and what is drawn anew.
async fn seen(stack: &Stack) -> Value {
    let mut seen = Vec::new();
    for path in [
        format!("/subscriptions/{SUBSCRIPTION}/resourcegroups"),
        format!("/subscriptions/{SUBSCRIPTION}/resources"),
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments"),
    ] {
        let listed = stack.get(&path).await.expect(200).body;
        for one in listed["value"].as_array().unwrap() {
            seen.push(json!([
                one["id"],
                one["tags"],
                one["location"],
                one["properties"]["roleDefinitionId"]
            ]));
        }
    }
    let mut names: Vec<_> =
        stack.entra.service_principals().into_iter().map(|one| one.display_name).collect();
    names.sort();
    json!([seen, names, stack.runtime.running().len()])
}

#[tokio::test]
async fn everything_in_a_file_is_made_by_its_provider() {
    let stack = Stack::start().await;
    let (status, answer) = stack.seed(SEED).await;
    assert_eq!(status, 201, "{answer}");
    let applications = answer["applications"].as_array().unwrap();
    assert_eq!(applications[0]["clientSecret"], "planted-client-secret");
    assert!(applications[1]["clientSecret"].as_str().unwrap().len() > 30, "drawn, and shown this once");
    assert_eq!(applications[1]["clientId"], "3f2504e0-4f89-11d3-9a0c-0305e82c3301");

    let shown = stack.get(&seeded("")).await.expect(200).body;
    assert_eq!((&shown["location"], &shown["tags"]["from"]), (&json!("westeurope"), &json!("seed")));
    let net = seeded("/providers/Microsoft.Network/virtualNetworks/net");
    let shown = stack.get(&format!("{net}/subnets/agents?api-version=2024-05-01")).await.expect(200).body;
    assert_eq!(shown["properties"]["addressPrefix"], "10.0.1.0/24");
    let images = seeded("/providers/Microsoft.ContainerRegistry/registries/seededimages");
    let credentials = stack.post(&format!("{images}/listCredentials"), json!({})).await.expect(200).body;
    assert_eq!(credentials["username"], "seededimages");
    stack.get(&format!("{images}/scopeMaps/pulling")).await.expect(200);
    assert_eq!(stack.runtime.running().len(), 1);
    let principal = stack
        .get(&seeded("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"))
        .await
        .expect(200)
        .body["properties"]["principalId"]
        .clone();
    let roles = seeded("/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()");
    let roles = stack.get(&roles).await.expect(200).body;
    let held: Vec<&Value> =
        roles["value"].as_array().unwrap().iter().map(|one| &one["properties"]["principalId"]).collect();
    assert!(held.contains(&&principal), "{roles}");
    assert!(held.contains(&&applications[0]["objectId"]), "that of the subscription: {roles}");
    stack.finish().await;
}

#[tokio::test]
async fn a_refused_entry_leaves_nothing_and_names_line_and_code() {
    let stack = Stack::start().await;
    let before = seen(&stack).await;
    let key_tables = |stack: &Stack| {
        let all = ["acr-registries", "acr-users", "arm.scope-maps", "arm.seeds", "container-groups"];
        let left = stack.store().documents(&all).unwrap().into_iter();
        left.map(|document| format!("{}/{}", document.table, document.key))
            .filter(|one| !one.contains("keys"))
            .collect::<Vec<_>>()
    };
    let none = key_tables(&stack);
    for (more, expected) in [
        ("- {principal: puller, role: nobodys, resourceGroup: seeded}", "RoleDefinitionDoesNotExist"),
        ("- {principalId: 00000000-0000-0000-0000-000000000001, role: Reader}", "PrincipalNotFound"),
    ] {
        let text = format!("{SEED}{more}\n");
        let (status, refused) = stack.seed(&text).await;
        assert_eq!(status, 400, "{refused}");
        let fault = &refused["faults"][0];
        assert!(fault["message"].as_str().unwrap().contains(expected), "{refused}");
        assert_eq!(fault["key"], "roleAssignments[2]");
        assert_eq!(fault["line"].as_u64().unwrap(), text.lines().count() as u64, "{refused}");
        assert_eq!(seen(&stack).await, before);
        assert_eq!(key_tables(&stack), none, "no registry, user, scope map or seed is left");
        assert!(stack.runtime.containers().is_empty());
    }
    // Control: without it the same file is taken, and then refused for what it made.
    assert_eq!(stack.seed(SEED).await.0, 201);
    let after = seen(&stack).await;
    assert_ne!(after, before);
    let (status, refused) = stack.seed("resourceGroups: [{name: seeded, location: westeurope}]\nregistries: [{name: seededimages, resourceGroup: seeded}]").await;
    assert_eq!(status, 400, "{refused}");
    assert!(refused["faults"][0]["message"].as_str().unwrap().starts_with("is there already"), "{refused}");
    assert_eq!(seen(&stack).await, after, "what was there before stays, its resource group too");
    stack.finish().await;
}

#[tokio::test]
async fn errors_are_the_providers_own() {
    let stack = Stack::start().await;
    let rg = "resourceGroups: [{name: a, location: westeurope}]\n";
    for (text, expected) in [
        ("resourceGroups: [{name: a, location: mars}]".to_owned(), "LocationNotAvailableForResourceGroup"),
        (format!("{rg}registries: [{{name: a-b, resourceGroup: a}}]"), "400 "),
        (format!("{rg}registries: [{{name: images, resourceGroup: a, sku: Gold}}]"), "400 "),
        (
            "registries: [{name: images, resourceGroup: nowhere, location: westeurope}]".to_owned(),
            "404 ResourceGroupNotFound",
        ),
        (
            "resources: [{type: A.B/c, name: d, apiVersion: yesterday}]".to_owned(),
            "400 InvalidApiVersionParameter",
        ),
        (
            format!(
                "{rg}resources: [{{type: Microsoft.Network/virtualNetworks/subnets, name: b/c, resourceGroup: a, apiVersion: 2024-05-01}}]"
            ),
            "404 ParentResourceNotFound",
        ),
    ] {
        let (status, refused) = stack.seed(&text).await;
        assert_eq!(status, 400, "{text}: {refused}");
        let message = refused["faults"][0]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{text}: {message}");
        stack.get(&format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/a")).await.expect(404);
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_reset_goes_back_to_the_seeds() {
    let stack = Stack::start().await;
    let answer = stack.seed(SEED).await.1;
    let secret = answer["applications"][1]["clientSecret"].clone();
    // The group of the test's own stack was made by a client, so a reset does not bring it back.
    stack.delete(&format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}")).await.expect(202);
    until("it is gone", || async {
        let status = stack.get(&format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}")).await.status;
        if status == 404 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let beginning = seen(&stack).await;
    let other = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}");
    stack.put(&other, json!({"location": "westeurope"})).await.expect(201);
    let started = stack.put(&group("more"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    stack.put(&registry("moreimages"), body).await.expect(201);
    let lock = seeded("/providers/Microsoft.Authorization/locks/stay?api-version=2020-05-01");
    stack.put(&lock, json!({"properties": {"level": "ReadOnly"}})).await.expect(201);
    assert_ne!(seen(&stack).await, beginning, "control");

    let (status, answer) = stack.reset().await;
    assert_eq!(status, 200, "{answer}");
    let mut gone: Vec<_> =
        answer["containerGroups"].as_array().unwrap().iter().map(Value::to_string).collect();
    gone.sort();
    assert_eq!(gone, ["\"agent\"", "\"more\""]);
    assert_eq!(seen(&stack).await, beginning);
    assert_eq!(stack.runtime.containers().len(), 1, "of the one group of the seed");
    stack.get(&lock).await.expect(404);
    let folder = stack.folder().join("blobs");
    let folders: Vec<_> = fs_err::read_dir(folder).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(folders, ["seededimages"], "nothing is left of the registries of before");
    assert_eq!(stack.journal("method=PUT").await.len(), 0, "seeds are not journaled");

    // After a crash the seeds are still known, and with them what was drawn for them.
    let stack = stack.crash().await;
    assert_eq!(stack.reset().await.0, 200);
    assert_eq!(seen(&stack).await, beginning);
    let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    assert!(!secret.as_str().unwrap().is_empty() && stack.opens(id, secret.as_str().unwrap()).await);
    assert!(!stack.opens(id, "another").await, "control");

    let forget = json!({"seeds": "forget"});
    assert_eq!(stack.control(reqwest::Method::POST, "/reset", forget).await.0, 200);
    let nothing = seen(&stack).await;
    assert_eq!(nothing, json!([[], ["owner"], 0]));
    assert_eq!(stack.reset().await.0, 200);
    assert_eq!(seen(&stack).await, nothing, "they are forgotten");
    stack.finish().await;
}

#[tokio::test]
async fn a_reset_whose_seed_does_not_fit_any_more_leaves_all_as_it_was() {
    let stack = Stack::start().await;
    // It needs the resource group that a client made.
    let images = format!(
        "registries: [{{name: seededimages, resourceGroup: {GROUP}, location: westeurope, adminUserEnabled: true}}]"
    );
    assert_eq!(stack.seed(&images).await.0, 201);
    let started = stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let path = format!("{}/listCredentials", registry("seededimages"));
    let credentials = stack.post(&path, json!({})).await.expect(200).body;
    let login =
        stack.get(&registry("seededimages")).await.expect(200).body["properties"]["loginServer"].clone();
    let blob = stack.folder().join("blobs/seededimages/blobs/aa");
    fs_err::write(&blob, "content").unwrap();
    let before = seen(&stack).await;

    let (status, refused) = stack.reset().await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("seed 1 cannot be applied again"), "{refused}");
    assert!(refused["faults"][0]["message"].as_str().unwrap().contains("ResourceGroupNotFound"), "{refused}");
    assert_eq!(seen(&stack).await, before);
    assert_eq!(stack.post(&path, json!({})).await.expect(200).body, credentials, "also its passwords");
    let again =
        stack.get(&registry("seededimages")).await.expect(200).body["properties"]["loginServer"].clone();
    assert_eq!(again, login, "and its port");
    assert_eq!(fs_err::read_to_string(&blob).unwrap(), "content");

    let stack = stack.crash().await;
    assert_eq!(seen(&stack).await, before);
    assert!(blob.exists());
    let forget = json!({"seeds": "forget"});
    assert_eq!(stack.control(reqwest::Method::POST, "/reset", forget).await.0, 200);
    assert!(!blob.exists() && stack.runtime.containers().is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn nobody_is_served_while_everything_is_replaced() {
    let stack = Stack::start().await;
    assert_eq!(stack.seed(SEED).await.0, 201);
    stack.runtime.hold_pulls();
    let path = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/new");
    let (reset, put) = tokio::join!(stack.reset(), async {
        until("the seed is being applied again", || async {
            let seeds: Vec<(String, Value)> = stack.store().list("arm.seeds").unwrap();
            if seeds[0].1["applied"] == false { Ok(()) } else { Err(seeds[0].1["made"].to_string()) }
        })
        .await;
        let body = json!({"location": "westeurope"});
        let asked = stack.put(&path, body);
        tokio::pin!(asked);
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut asked).await;
        assert!(early.is_err(), "answered in the middle of it");
        stack.runtime.release_pulls();
        asked.await
    });
    assert_eq!(reset.0, 200, "{}", reset.1);
    put.expect(201);
    stack.get(&path).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_seed_that_a_crash_interrupts_is_applied_by_the_next_start() {
    let stack = Stack::start().await;
    let before = seen(&stack).await;
    assert_eq!(stack.seed(SEED).await.0, 201);
    let whole = seen(&stack).await;
    // As a crash leaves it: kept, begun, not marked as applied.
    let mut kept: Value = stack.store().get("arm.seeds", "000001").unwrap().unwrap();
    kept["applied"] = json!(false);
    let (first, rest) = kept["made"].as_array().unwrap().split_at(4);
    let (first, rest) = (first.to_vec(), rest.to_vec());
    for made in rest.iter().rev().filter_map(|made| made.get("Resource")) {
        let path =
            format!("{}?api-version={}", made["id"].as_str().unwrap(), made["api_version"].as_str().unwrap());
        let status = stack.delete(&path).await.status;
        assert!(status < 300, "{path}: {status}");
    }
    kept["made"] = json!(first);
    stack.store().put("arm.seeds", "000001", &kept).unwrap();
    let half = seen(&stack).await;
    assert!(half != whole && half != before, "control");

    let stack = stack.crash().await;
    assert_eq!(stack.arm().finish_seeds().await.unwrap(), Vec::<String>::new());
    assert_eq!(seen(&stack).await, whole);
    assert_eq!(stack.arm().finish_seeds().await.unwrap(), Vec::<String>::new());
    let seeds: Vec<(String, Value)> = stack.store().list("arm.seeds").unwrap();
    assert_eq!(seeds.len(), 1);
    assert_eq!(seeds[0].1["applied"], true);
    stack.finish().await;
}
