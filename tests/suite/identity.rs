//! Identities of container groups and service principals: who gets a token, what it is good for, and that a job gets
//! none that registers agents.

use anyhow::{Context, Result, ensure};
use e2e::{AZURE_DEVOPS, GroupOf, Stack, said};
use serde_json::{Value, json};

/// Prints what the identity endpoint of this container is known by, and what it answers.
const ASK: &str = r#"
ask() { curl -s -o /tmp/answer -w '%{http_code}' -H "X-IDENTITY-HEADER: $2" "$1?api-version=2019-08-01&resource=499b84ac-1321-427f-aa17-267ca6975798"; }
echo "endpoint=${IDENTITY_ENDPOINT:-none}"; echo "header=${IDENTITY_HEADER:-none}"
echo "status=$(ask "${IDENTITY_ENDPOINT:-$ENDPOINT}" "${IDENTITY_HEADER:-$HEADER}")"
echo "answer=$(cat /tmp/answer)"
echo "metadata=$(curl -s -o /dev/null -w '%{http_code}' -H Metadata:true "${IDENTITY_ENDPOINT:-$ENDPOINT}?api-version=2018-02-01&resource=499b84ac-1321-427f-aa17-267ca6975798")"
echo asked; sleep 600
"#;

/// A call of Azure DevOps with a token that is not the stack's own; status and body.
async fn azdo_as(stack: &Stack, token: &str, path: &str) -> Result<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}{path}", stack.variable("AZDO_URL"));
    let answer = client.get(url).basic_auth("VstsAgent", Some(token)).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// How many pools somebody may register agents in.
async fn manageable(stack: &Stack, token: &str) -> Result<u64> {
    let path = "/_apis/distributedtask/pools?poolName=Default&actionFilter=manage";
    let (status, body) = azdo_as(stack, token, path).await?;
    ensure!(status == 200, "{status} {body}");
    serde_json::from_str::<Value>(&body)?["count"].as_u64().context("a list has a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_tokens_for_its_own_identity_and_nobody_elses_container_does() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let script = Some(ASK.to_owned());
    let own = GroupOf {
        script: script.clone(),
        identity: Some(json!({ "type": "SystemAssigned" })),
        ..GroupOf::default()
    };
    let shown = stack.put_group("own", &own).await?;
    let log = stack.group_said("own", "asked").await?;
    ensure!(said(&log, "status")? == "200", "{log}");
    ensure!(said(&log, "metadata")? == "200", "no secret is needed at the container's own address: {log}");
    let answer: Value = serde_json::from_str(said(&log, "answer")?)?;
    let token = answer["access_token"].as_str().context("a token")?;
    ensure!(answer["resource"] == AZURE_DEVOPS && answer["expires_on"].is_string(), "{answer}");

    // Its secret in another container, and on the host: from another address it is worth nothing.
    let (endpoint, header) = (said(&log, "endpoint")?, said(&log, "header")?);
    let thief = GroupOf {
        script,
        variables: vec![("ENDPOINT".into(), endpoint.into()), ("HEADER".into(), header.into())],
        ..GroupOf::default()
    };
    stack.put_group("thief", &thief).await?;
    let stolen = stack.group_said("thief", "asked").await?;
    ensure!(said(&stolen, "endpoint")? == "none" && said(&stolen, "header")? == "none", "{stolen}");
    ensure!(said(&stolen, "status")? == "401" && stolen.contains("unknown_source"), "{stolen}");
    ensure!(said(&stolen, "metadata")? == "401", "another address is another container: {stolen}");
    ensure!(endpoint == stack.variable("MAYFLY_IDENTITY_ENDPOINT"));
    let url = format!("{endpoint}?api-version=2019-08-01&resource={AZURE_DEVOPS}");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let from_host = client.get(url).header("X-IDENTITY-HEADER", header).send().await?;
    ensure!(from_host.status() == 401, "{}", from_host.text().await?);

    // What the token may do is Azure DevOps' to say, not Entra's.
    let (status, body) = azdo_as(&stack, token, "/_apis/connectionData").await?;
    ensure!(status == 401 && body.contains("TF401444"), "{status} {body}");
    stack.add_member(&shown["identity"]["principalId"], "read").await?;
    ensure!(manageable(&stack, token).await? == 0);
    stack.add_member(&shown["identity"]["principalId"], "manage").await?;
    ensure!(manageable(&stack, token).await? == 1, "control: it counts once it is given");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_pulls_images_registers_no_agents() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let puller = stack.make_identity("puller").await?;
    let id = stack.identity_id("puller");
    let group = GroupOf {
        script: Some(ASK.to_owned()),
        identity: Some(json!({ "type": "UserAssigned", "userAssignedIdentities": { id.as_str(): {} } })),
        pull_as: Some(id),
        ..GroupOf::default()
    };
    let refused = stack.put_group("puller", &group).await.unwrap_err().to_string();
    ensure!(refused.contains("InaccessibleImage"), "without a role it pulls nothing: {refused}");
    stack.let_pull(&puller["principalId"]).await?;
    stack.put_group("puller", &group).await?;
    let log = stack.group_said("puller", "asked").await?;
    let answer: Value = serde_json::from_str(said(&log, "answer")?)?;
    let token = answer["access_token"].as_str().context("a job can read its group's token")?;
    let (status, body) = azdo_as(&stack, token, "/_apis/distributedtask/pools").await?;
    ensure!(status == 401, "the organization does not know it: {status} {body}");
    stack.add_member(&puller["principalId"], "manage").await?;
    ensure!(manageable(&stack, token).await? == 1, "control: as an administrator of the pool it could");
    stack.finish().await
}

/// Asks Entra for a token from inside a container, and shows what came.
const LOG_IN: &str = r#"
code=$(curl -s -m 5 -o /tmp/answer -w '%{http_code}' "$AUTHORITY/$TENANT/oauth2/v2.0/token" -d grant_type=client_credentials \
  -d "client_id=$CLIENT" --data-urlencode "client_secret=$SECRET" -d scope=499b84ac-1321-427f-aa17-267ca6975798/.default)
echo "status=$code"; echo "answer=$(cat /tmp/answer 2>/dev/null)"; echo asked; sleep 600
"#;

#[tokio::test(flavor = "multi_thread")]
async fn containers_reach_entra_only_where_that_was_asked_for() -> Result<()> {
    let mut stack = Stack::builder().up(&["--entra-in-containers"]).start().await?;
    stack.build_image().await?;
    let application =
        stack.control("POST", "/entra/applications", Some(json!({ "displayName": "agents" }))).await?;
    let text = |name: &str| application[name].as_str().unwrap_or_default().to_owned();
    let inside = stack.variable("AZDO_AUTHORITY_HOST").to_owned();
    let outside = stack.variable("AZURE_AUTHORITY_HOST").to_owned();
    for (name, authority) in [("inside", &inside), ("outside", &outside)] {
        let group = GroupOf {
            script: Some(LOG_IN.to_owned()),
            variables: vec![
                ("AUTHORITY".into(), authority.clone()),
                ("TENANT".into(), stack.variable("AZURE_TENANT_ID").into()),
                ("CLIENT".into(), text("clientId")),
            ],
            secrets: vec![("SECRET".into(), text("clientSecret"))],
            ..GroupOf::default()
        };
        stack.put_group(name, &group).await?;
    }
    let log = stack.group_said("inside", "asked").await?;
    ensure!(said(&log, "status")? == "200", "{log}");
    let answer: Value = serde_json::from_str(said(&log, "answer")?)?;
    stack.add_member(&application["objectId"], "manage").await?;
    ensure!(manageable(&stack, answer["access_token"].as_str().context("a token")?).await? == 1);
    let log = stack.group_said("outside", "asked").await?;
    ensure!(said(&log, "status")? == "000", "what listens on localhost is not there: {log}");
    stack.finish().await
}
