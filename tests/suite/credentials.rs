//! What registers an agent, other than a token: a service principal, of whose secret a job learns nothing, and a managed
//! identity, which every job can use and which is refused for that.

use anyhow::{Context as _, Result, ensure};
use e2e::{AZURE_DEVOPS, Findings, GroupOf, Stack, search_script};
use serde_json::{Value, json};

const MARK: &str = "nothing-of-this-name";

/// A group whose container is told where to register, and what else is given.
fn agent(stack: &Stack, name: &str, variables: &[(&str, &str)], secrets: &[(&str, &str)]) -> GroupOf {
    let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let mut all = vec![("AZDO_AGENT_NAME".to_owned(), name.to_owned())];
    for place in ["AZDO_URL", "AZDO_POOL"] {
        all.push((place.to_owned(), stack.variable(place).to_owned()));
    }
    all.extend(variables.iter().map(owned));
    GroupOf { variables: all, secrets: secrets.iter().map(owned).collect(), ..GroupOf::default() }
}

fn identified(id: &str) -> Value {
    json!({ "type": "UserAssigned", "userAssignedIdentities": { id: {} } })
}

/// What a job does that looks for a credential: the metadata service's form of the endpoint needs no secret.
fn use_the_groups_token(stack: &Stack) -> String {
    let (endpoint, url) = (stack.variable("MAYFLY_IDENTITY_ENDPOINT"), stack.variable("AZDO_URL"));
    let pool = stack.variable("AZDO_POOL");
    format!(
        r#"answer=$(curl -s -H Metadata:true '{endpoint}?api-version=2018-02-01&resource={AZURE_DEVOPS}')
token=${{answer#*\"access_token\":\"}}; token=${{token%%\"*}}
echo "length=${{#token}}"
echo "status=$(curl -s -o /tmp/pools -w '%{{http_code}}' -u ":$token" '{url}/_apis/distributedtask/pools?poolName={pool}&actionFilter=manage')"
echo "pools=$(grep -o '"count":[0-9]*' /tmp/pools)""#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_registers_an_agent_and_its_job_finds_no_secret() -> Result<()> {
    let mut stack = Stack::builder().up(&["--entra-in-containers"]).start().await?;
    stack.build_image().await?;
    let application =
        stack.control("POST", "/entra/applications", Some(json!({ "displayName": "agents" }))).await?;
    let text = |name: &str| application[name].as_str().map(ToOwned::to_owned).context(name.to_owned());
    let (client, secret) = (text("clientId")?, text("clientSecret")?);
    let variables = [
        ("AZDO_CLIENT_ID", client.as_str()),
        ("AZDO_TENANT_ID", stack.variable("AZURE_TENANT_ID")),
        ("AZDO_AUTHORITY_HOST", stack.variable("AZDO_AUTHORITY_HOST")),
    ];
    let group = agent(&stack, "principal-0", &variables, &[("AZDO_CLIENT_SECRET", &secret)]);
    stack.put_group("principal-0", &group).await?;
    stack.group_said("principal-0", "exit code 77").await.context("control: as nobody it is refused")?;

    stack.add_member(&application["objectId"], "manage").await?;
    stack.put_group("principal-0", &group).await?;
    let job = stack.job(&search_script(MARK, &secret)).await?;
    ensure!(job.agent == "principal-0" && job.text().contains("searched"), "{job:?}");
    let findings = Findings::read(job.log.iter().map(String::as_str));
    ensure!(findings.found().iter().all(|route| !route.starts_with("secret")), "{:?}", findings.found());
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_is_refused_unless_it_is_accepted_that_jobs_can_read_it() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let identity = stack.make_identity("agents").await?;
    stack.add_member(&identity["principalId"], "manage").await?;
    let client = identity["clientId"].as_str().context("an identity has a client id")?;
    let mut group = agent(&stack, "identity-0", &[("AZDO_IDENTITY", client)], &[]);
    group.identity = Some(identified(&stack.identity_id("agents")));
    stack.put_group("identity-0", &group).await?;
    let log = stack.group_said("identity-0", "exit code 64").await?;
    ensure!(log.contains("AZDO_ALLOW_JOB_READABLE_IDENTITY"), "it says what to do: {log}");

    group.variables.push(("AZDO_ALLOW_JOB_READABLE_IDENTITY".to_owned(), "1".to_owned()));
    stack.put_group("identity-0", &group).await?;
    let job = stack.job(&use_the_groups_token(&stack)).await?;
    ensure!(job.agent == "identity-0", "{job:?}");
    ensure!(
        job.value("pools") == Some(r#""count":1"#),
        "control: a job can register agents then: {}",
        job.text()
    );
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_beside_the_token_must_be_unable_to_register_agents() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let puller = stack.make_identity("puller").await?;
    stack.let_pull(&puller["principalId"]).await?;
    let id = stack.identity_id("puller");
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let mut group = agent(&stack, "pulled-0", &[], &[("AZDO_TOKEN", &token)]);
    group.identity = Some(identified(&id));
    group.pull_as = Some(id);
    stack.put_group("pulled-0", &group).await?;
    let job = stack.job(&use_the_groups_token(&stack)).await?;
    ensure!(job.agent == "pulled-0", "the agent starts: {job:?}");
    let length: usize = job.value("length").context("the job told")?.parse()?;
    ensure!(length > 100, "a job can read its group's token: {}", job.text());
    ensure!(job.value("status") == Some("401"), "and it is good for nothing: {}", job.text());

    stack.add_member(&puller["principalId"], "manage").await?;
    stack.put_group("pulled-0", &group).await?;
    stack.group_said("pulled-0", "exit code 64").await.context("with the right to register it is refused")?;
    stack.finish().await
}
