//! Whoever uses the image does not get at the registration token.

use anyhow::{Context, Result, ensure};
use e2e::{Findings, NaiveAgent, Stack, search_script};

const MARK: &str = "nothing-of-this-name";

fn secret_routes(findings: &Findings) -> Vec<&str> {
    findings.found().into_iter().filter(|route| route.starts_with("secret")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_finds_no_token_by_any_route() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let job = stack.job(&search_script(MARK, &token)).await?;
    ensure!(job.text().contains("searched"), "{}", job.text());
    let findings = Findings::read(job.log.iter().map(String::as_str));
    ensure!(secret_routes(&findings).is_empty(), "{:?}\n{}", findings.found(), job.text());
    let who = stack
        .job("echo uid=$(id -u); grep -h Cap /proc/self/status; grep NoNewPrivs /proc/self/status")
        .await?;
    ensure!(who.value("uid") != Some("0"), "a job has uid 0");
    for line in who.log.iter().filter(|line| line.contains("Cap")) {
        ensure!(line.trim_end().ends_with("0000000000000000"), "a job has a capability: {line}");
    }
    ensure!(who.text().lines().any(|line| line.contains("NoNewPrivs:") && line.trim_end().ends_with('1')));
    stack.finish().await
}

/// Control: under the naive start script the same probes find it, and it reaches the server as a capability.
#[tokio::test(flavor = "multi_thread")]
async fn control_the_naive_start_script_is_caught() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let agent = NaiveAgent::start(&stack, "naive-0", &[]).await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let job = stack.job(&search_script(MARK, &token)).await?;
    let findings = Findings::read(job.log.iter().map(String::as_str));
    for route in ["secret-environment-of-any-process", "secret-files"] {
        ensure!(findings.0.get(route) == Some(&true), "the control must find {route}: {}", job.text());
    }
    drop(agent);
    stack.finish().await
}

/// Control: a start script that forgets one name uploads the token for all to read.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_forgotten_variable_becomes_a_capability() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let agent = NaiveAgent::start(&stack, "naive-0", &[("MY_TOKEN", &token)]).await?;
    let capabilities =
        stack.azdo("GET", "/_apis/distributedtask/pools/1/agents?includeCapabilities=true").await?;
    ensure!(capabilities.to_string().contains(&token), "the control must show the token: {capabilities}");
    drop(agent);
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_of_the_services_shows_it() -> Result<()> {
    let stack = Stack::builder().agents(2).start().await?;
    let secrets = [stack.variable("AZDO_TOKEN").to_owned(), stack.variable("ACR_PASSWORD").to_owned()];
    let mut seen = Vec::new();
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents?includeCapabilities=true").await?;
    ensure!(agents["count"] == 2, "{agents}");
    seen.push(("capabilities", agents.to_string()));
    let group = "/resourceGroups/mayfly-agents/providers";
    for (what, path, version) in [
        ("container groups", format!("{group}/Microsoft.ContainerInstance/containerGroups"), "2023-05-01"),
        ("deployments", format!("{group}/Microsoft.Resources/deployments"), "2022-09-01"),
        (
            "operations",
            "/resourceGroups/mayfly-agents/deployments/mayfly-mayfly/operations".to_owned(),
            "2022-09-01",
        ),
    ] {
        let body = stack.arm("GET", &path, version).await.with_context(|| what.to_owned())?;
        ensure!(
            body["value"].as_array().is_some_and(|list| !list.is_empty()),
            "{what}: nothing listed: {body}"
        );
        seen.push((what, body.to_string()));
    }
    seen.push(("journal", stack.control("GET", "/azdo/journal", None).await?.to_string()));
    seen.push(("agent log", stack.ok(&["logs", "mayfly-0"]).await?.text()));
    for (file, text) in e2e::texts_below(&stack.folder())? {
        // The one file that holds credentials, for its owner's eyes alone.
        if !file.ends_with("sandbox.json") {
            seen.push(("state folder", text));
        }
    }
    for (what, text) in &seen {
        for secret in &secrets {
            ensure!(!text.contains(secret.as_str()), "{what} shows a secret");
        }
    }
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_layers_nor_history_nor_configuration_of_the_image_hold_it() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let (repository, tag) = stack.local_image();
    let image = format!("{repository}:{tag}");
    let export = e2e::everything_in(stack.engine(), &image).await?;
    ensure!(export.len() > 1_000_000, "an image of {} bytes was not exported whole", export.len());
    for name in ["AZDO_TOKEN", "ACR_PASSWORD", "AZURE_CLIENT_SECRET"] {
        ensure!(!e2e::holds(&export, stack.variable(name).as_bytes()), "{name} is in the image");
    }
    ensure!(e2e::holds(&export, b"mayfly-entrypoint"), "control: what is in the image is found");
    stack.finish().await
}
