//! kill -9 of the sandbox loses nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn agents_jobs_and_queue_survive_a_killed_sandbox() -> Result<()> {
    let mut stack = Stack::builder().agents(4).start().await?;
    let running = stack.queue("sleep 12; echo went-on").await?;
    let busy = stack.job_state(&running, "running").await?["agent"].as_str().unwrap_or_default().to_owned();
    let before = stack.engine().by_agent(stack.instance()).await?;
    // Nobody but the busy agent could take it: it stays queued over the crash.
    let queued = stack
        .control(
            "POST",
            "/azdo/jobs",
            Some(serde_json::json!({
                "pool": "Default", "name": "queued", "steps": [{ "bash": "echo ran-later" }],
                "demands": [format!("Agent.Name -equals {busy}")],
            })),
        )
        .await?["jobId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let url = stack.variable("AZDO_URL").to_owned();

    stack.kill_sandbox().await?;
    ensure!(
        stack.engine().by_agent(stack.instance()).await? == before,
        "containers go on without the sandbox"
    );
    stack.sandbox_up().await?;
    ensure!(stack.variable("AZDO_URL") == url, "the address changed");
    let after = stack.engine().by_agent(stack.instance()).await?;
    let idle = |all: &std::collections::HashMap<String, String>| {
        let mut idle: Vec<_> =
            all.iter().filter(|(agent, _)| **agent != busy).map(|(_, id)| id.clone()).collect();
        idle.sort();
        idle
    };
    ensure!(idle(&before) == idle(&after), "idle agents keep their containers: {before:?} {after:?}");

    let done = stack.job_state(&running, "completed").await?;
    ensure!(done["result"] == "succeeded", "the running job was lost: {done}");
    let log = stack.control("GET", &format!("/azdo/jobs/{running}/log?from=0"), None).await?;
    ensure!(log.to_string().contains("went-on"), "{log}");
    let done = stack.job_state(&queued, "completed").await?;
    ensure!(done["result"] == "succeeded", "the queued job was lost: {done}");
    ensure!(stack.ok(&["status"]).await?.stdout.contains("mayfly-3"));
    stack.finish().await
}

/// A deployer's sandbox dies in the middle of a roll-out; the second run succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_that_lost_its_sandbox_can_be_repeated() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let mut deploying = stack.spawn(&["deploy", "--agents", "3"])?;
    stack
        .eventually("a container of the fleet is there", Duration::from_secs(60), async || {
            ensure!(!stack.engine().containers(stack.instance()).await?.is_empty());
            Ok(())
        })
        .await?;
    stack.kill_sandbox().await?;
    let failed = tokio::time::timeout(Duration::from_secs(120), deploying.wait()).await??;
    ensure!(failed.code() == Some(4) || failed.code() == Some(1), "{failed}");
    stack.sandbox_up().await?;
    stack.ok(&["deploy", "--agents", "3"]).await?;
    let agents = stack.engine().by_agent(stack.instance()).await?;
    ensure!(agents.len() == 3, "{agents:?}");
    stack.finish().await
}
