//! Wrong input: a clear error, the right exit code, nothing left over, and a second run that succeeds.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Answer, Stack};

fn says(answer: &Answer, code: i32, words: &[&str]) -> Result<()> {
    ensure!(answer.code == code, "exit code {} instead of {code}: {}", answer.code, answer.text());
    for word in words {
        ensure!(answer.stderr.contains(word), "`{word}` is missing in: {}", answer.stderr);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_cannot_work_is_refused_before_it_starts() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let (token, pool) = (stack.variable("AZDO_TOKEN").to_owned(), stack.variable("AZDO_POOL").to_owned());

    stack.set("AZDO_TOKEN", "not-the-token");
    says(&stack.mayfly(&["deploy", "--agents", "1"]).await?, 1, &["error:", "hint:"])?;
    stack.set("AZDO_TOKEN", &token);

    stack.set("AZDO_POOL", "Nowhere");
    says(&stack.mayfly(&["deploy", "--agents", "1"]).await?, 1, &["Nowhere"])?;
    stack.set("AZDO_POOL", &pool);

    says(&stack.mayfly(&["deploy", "--agents", "-1"]).await?, 2, &["--agents"])?;
    says(&stack.mayfly(&["deploy", "--agents", "1000"]).await?, 1, &["100", "quota"])?;
    says(&stack.mayfly(&["deploy", "--agents", "1", "--image", "repo/agent:latest"]).await?, 1, &["latest"])?;
    let nothing = stack.engine().containers(stack.instance()).await?;
    ensure!(nothing.is_empty(), "a refused deployment left {nothing:?}");

    stack.ok(&["deploy", "--agents", "1"]).await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_fails_with_its_name_and_leaves_nothing() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    let image = format!("{}/mayfly-agent:missing", stack.variable("ACR_LOGIN_SERVER"));
    let answer = stack.mayfly(&["deploy", "--agents", "1", "--image", &image]).await?;
    says(&answer, 1, &["missing"])?;
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty());
    stack.build_image().await?;
    stack.ok(&["deploy", "--agents", "1"]).await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_the_fleet_runs_is_named_by_the_agents() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    stack.control("POST", "/azdo/tokens/revoke", Some(serde_json::json!({ "token": token }))).await?;
    // The job that runs was taken with the agent's own key; its successor cannot register any more.
    stack.job("echo last").await?;
    stack
        .eventually("the agent says why it waits", Duration::from_secs(60), async || {
            let id = stack.engine().by_agent(stack.instance()).await?;
            let id = id.get("mayfly-0").cloned().unwrap_or_default();
            let log = stack.engine().logs(&id).await?;
            ensure!(log.contains("refused") && !log.contains(&token), "{log}");
            Ok(())
        })
        .await?;
    let state = stack.mayfly(&["status"]).await?;
    ensure!(state.code != 0 && state.stderr.contains("hint:"), "{state:?}");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sandbox_of_the_same_name_is_refused_by_name() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let answer = stack.mayfly(&["sandbox", "up", "--detach"]).await?;
    says(&answer, 3, &["already runs", stack.instance()])?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_environment_with_a_foreign_endpoint_changes_nothing() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.set("ARM_ENDPOINT", "https://management.azure.com");
    let image = format!("{}/mayfly-agent:1", stack.variable("ACR_LOGIN_SERVER"));
    says(
        &stack.mayfly(&["deploy", "--agents", "1", "--image", &image]).await?,
        3,
        &["management.azure.com"],
    )?;
    says(&stack.mayfly(&["scale", "--agents", "0"]).await?, 3, &["management.azure.com"])?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deployers_at_once_do_not_meet() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let first = stack.spawn(&["deploy", "--agents", "2"])?;
    let second = stack.spawn(&["deploy", "--agents", "2"])?;
    let (first, second) = tokio::try_join!(first.wait_with_output(), second.wait_with_output())?;
    let codes = [first.status.code(), second.status.code()];
    ensure!(codes.contains(&Some(0)), "one of them succeeds: {codes:?} {first:?} {second:?}");
    ensure!(
        codes.iter().all(|code| matches!(code, Some(0 | 3))),
        "the other is told: {codes:?} {first:?} {second:?}"
    );
    let agents = stack.engine().by_agent(stack.instance()).await?;
    ensure!(agents.len() == 2, "{agents:?}");
    stack.ok(&["deploy", "--agents", "2"]).await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_every_registration_ends_the_roll_out() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    for method in ["POST", "PUT"] {
        let fault = serde_json::json!([{ "method": method, "path_contains": "/agents", "status": 500, "count": 100_000 }]);
        stack.control("POST", "/azdo/faults", Some(fault)).await?;
    }
    let answer = stack.mayfly(&["deploy", "--agents", "1"]).await?;
    says(&answer, 1, &["mayfly-0", "70"])?;
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty(), "what failed is removed");
    stack.control("DELETE", "/azdo/faults", None).await?;
    stack.ok(&["deploy", "--agents", "1"]).await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_template_is_refused_with_its_place() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("template.json");
    let template = |resources: &str| {
        format!(
            r#"{{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0","resources":[{resources}]}}"#
        )
    };
    let group = |name: &str, extra: &str| {
        format!(
            r#"{{"type":"Microsoft.ContainerInstance/containerGroups","apiVersion":"2023-05-01","name":"{name}","location":"westeurope"{extra},"properties":{{}}}}"#
        )
    };
    for (resources, word) in [
        (group("[nope('x')]", ""), "nope"),
        (group("a", r#","copy":{"name":"c","count":-1}"#), "copy"),
        (group("[add('a', 1)]", ""), "add"),
    ] {
        fs_err::write(&file, template(&resources))?;
        let path = file.to_string_lossy().into_owned();
        says(&stack.mayfly(&["expand", &path]).await?, 1, &[word])?;
        let image = format!("{}/mayfly-agent:1", stack.variable("ACR_LOGIN_SERVER"));
        let words = ["deploy", "--agents", "0", "--template", &path, "--image", &image];
        let answer = stack.mayfly(&words).await?;
        ensure!(answer.code == 1 && answer.stderr.contains(word), "{answer:?}");
    }
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_or_absent_engine_is_named_with_the_remedy() -> Result<()> {
    let stack = Stack::builder().start().await?;
    for host in ["tcp://192.0.2.1:2375", "unix:///nowhere/docker.sock"] {
        let output = stack
            .command(&["sandbox", "up", "--instance", "other"])
            .env("DOCKER_HOST", host)
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(4) || output.status.code() == Some(1), "{host}: {output:?}");
        ensure!(text.contains("ocker") && text.contains("hint:"), "{host}: {text}");
    }
    stack.finish().await
}
