//! Azure DevOps by HTTPS, with a certificate of the sandbox's own authority: agents that are given it work as by HTTP, and
//! one that is not says why it does not.

use anyhow::{Context as _, Result, ensure};
use e2e::{GroupOf, Stack};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn agents_register_and_run_jobs_by_https() -> Result<()> {
    let stack = Stack::builder().up(&["--azdo-https"]).agents(2).start().await?;
    ensure!(stack.variable("AZDO_URL").starts_with("https://"), "{}", stack.variable("AZDO_URL"));
    let script =
        "echo \"url=$SYSTEM_COLLECTIONURI\"; echo \"ca=$AGENT_CAINFO\"; echo \"store=$SSL_CERT_FILE\"";
    let job = stack.job(script).await?;
    ensure!(job.result == "succeeded", "{job:?}");
    let url = format!("{}/", stack.variable("AZDO_URL"));
    ensure!(job.value("url") == Some(url.as_str()), "the job is told the HTTPS address: {}", job.text());
    ensure!(job.value("ca") == Some("/etc/mayfly/azdo-ca.pem"), "{}", job.text());
    ensure!(job.value("store") == Some("/etc/mayfly/trusted-ca.pem"), "{}", job.text());

    // Nothing of the agents went by HTTP.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let refused = http.get(stack.variable("AZDO_URL")).send().await;
    ensure!(
        refused.is_err_and(|error| error.is_connect()),
        "control: a client without the authority gets nowhere"
    );
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
    ensure!(agents["count"] == 2 && !agents.to_string().contains("http://"), "{agents}");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_the_authority_ends_and_names_what_is_missing() -> Result<()> {
    let mut stack = Stack::builder().up(&["--azdo-https"]).start().await?;
    stack.build_image().await?;
    let mut group = agent(&stack, "stranger-0");
    stack.put_group("stranger-0", &group).await?;
    let log = stack.group_said("stranger-0", "exit code 64").await?;
    ensure!(log.contains("is not trusted") && log.contains("AZDO_CA_FILE"), "it says what to do: {log}");

    let authority = fs_err::read_to_string(stack.variable("AZDO_CA_FILE"))?;
    group.variables.push(("AZDO_CA_CERTIFICATE".to_owned(), authority));
    stack.put_group("stranger-0", &group).await?;
    let job = stack.job("echo ran=here").await?;
    ensure!(job.agent == "stranger-0" && job.value("ran") == Some("here"), "with it, it works: {job:?}");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organization_answers_at_both_addresses() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let record: Value = serde_json::from_slice(&fs_err::read(stack.folder().join("sandbox.json"))?)?;
    let https = record["azdoHttpsUrl"].as_str().context("the record names the HTTPS address")?;
    let root = reqwest::Certificate::from_pem(&fs_err::read(stack.folder().join("ca.pem"))?)?;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build()?;
    let path = "/_apis/connectionData";
    let request = client.get(format!("{https}{path}")).basic_auth("", Some(stack.variable("AZDO_TOKEN")));
    let sealed: Value = request.send().await?.error_for_status()?.json().await?;
    let plain = stack.azdo("GET", path).await?;
    ensure!(sealed["instanceId"] == plain["instanceId"], "{sealed} {plain}");
    let point = |data: &Value| data["locationServiceData"]["accessMappings"][0]["accessPoint"].clone();
    ensure!(point(&sealed) == format!("{https}/"), "{sealed}");
    ensure!(point(&plain) == format!("{}/", stack.variable("AZDO_URL")), "{plain}");
    stack.finish().await
}

/// A group whose container is told everything but whom to trust.
fn agent(stack: &Stack, name: &str) -> GroupOf {
    let mut variables = vec![("AZDO_AGENT_NAME".to_owned(), name.to_owned())];
    for place in ["AZDO_URL", "AZDO_POOL"] {
        variables.push((place.to_owned(), stack.variable(place).to_owned()));
    }
    let secrets = vec![("AZDO_TOKEN".to_owned(), stack.variable("AZDO_TOKEN").to_owned())];
    GroupOf { variables, secrets, ..GroupOf::default() }
}
