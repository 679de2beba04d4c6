//! Scaling never kills a running job, and agents that stay keep their container.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn three_to_five_to_one_to_none_while_jobs_run() -> Result<()> {
    let mut stack = Stack::builder().agents(3).start().await?;
    let at_first = stack.engine().by_agent(stack.instance()).await?;
    ensure!(at_first.len() == 3, "{at_first:?}");

    // The token differs at each step: an agent that stays must not be touched for that.
    let second = another_token(&stack).await?;
    stack.set("AZDO_TOKEN", &second);
    stack.ok(&["scale", "--agents", "5"]).await?;
    let five = stack.engine().by_agent(stack.instance()).await?;
    ensure!(five.len() == 5 && kept(&at_first, &five) == 3, "{at_first:?} {five:?}");

    // Each agent runs a job when the fleet shrinks.
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(stack.queue(&format!("sleep 6; echo done-{number}")).await?);
    }
    for job in &jobs {
        stack.job_state(job, "running").await?;
    }
    let third = another_token(&stack).await?;
    stack.set("AZDO_TOKEN", &third);
    stack.ok(&["scale", "--agents", "1"]).await?;
    for job in &jobs {
        let done = stack.job_state(job, "completed").await?;
        ensure!(done["result"] == "succeeded", "a job was lost: {done}");
    }
    let left = stack
        .eventually("one container is left", Duration::from_secs(20), async || {
            let left = stack.engine().by_agent(stack.instance()).await?;
            ensure!(left.len() == 1, "{left:?}");
            Ok(left)
        })
        .await?;
    ensure!(left.contains_key("mayfly-0"), "the lowest stays: {left:?}");

    stack.ok(&["scale", "--agents", "0"]).await?;
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
    ensure!(agents["count"] == 0, "registrations are left as live keys: {agents}");
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty());
    stack.finish().await
}

/// Control: deploying the whole fleet again under the default `identical_put` does kill a job.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_plain_redeployment_kills_a_running_job() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let before = stack.engine().by_agent(stack.instance()).await?;
    let job = stack.queue("sleep 60; echo survived").await?;
    stack.job_state(&job, "running").await?;
    e2e::redeploy_the_whole_fleet(&stack, &["mayfly-0"]).await?;
    let after = stack
        .eventually("the container was replaced", Duration::from_secs(60), async || {
            let after = stack.engine().by_agent(stack.instance()).await?;
            ensure!(after.get("mayfly-0").is_some_and(|id| Some(id) != before.get("mayfly-0")), "{after:?}");
            Ok(after)
        })
        .await?;
    ensure!(kept(&before, &after) == 0);
    let page = stack.control("GET", &format!("/azdo/jobs/{job}/log?from=0"), None).await?;
    ensure!(!page.to_string().contains("survived"));
    stack.finish().await
}

/// The deployer dies between disabling and deleting; the next run puts the agent to work again.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drain_is_taken_back_by_the_next_run() -> Result<()> {
    let stack = Stack::builder().agents(2).start().await?;
    let jobs = [stack.queue("sleep 15").await?, stack.queue("sleep 15").await?];
    for job in &jobs {
        stack.job_state(job, "running").await?;
    }
    let mut scaling = stack.spawn(&["scale", "--agents", "1"])?;
    stack
        .eventually("an agent is disabled", Duration::from_secs(30), async || {
            let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
            ensure!(agents.to_string().contains("\"enabled\":false"), "{agents}");
            Ok(())
        })
        .await?;
    scaling.kill().await?;
    let answer = stack.ok(&["scale", "--agents", "2"]).await?;
    ensure!(answer.text().contains("mayfly-1"), "it names what it enabled again: {}", answer.text());
    for job in &jobs {
        ensure!(stack.job_state(job, "completed").await?["result"] == "succeeded");
    }
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
    ensure!(!agents.to_string().contains("\"enabled\":false"), "{agents}");
    let both = [stack.queue("sleep 3").await?, stack.queue("sleep 3").await?];
    let mut ran = Vec::new();
    for job in &both {
        ran.push(stack.job_state(job, "completed").await?["agent"].to_string());
    }
    ran.sort();
    ensure!(ran == ["\"mayfly-0\"", "\"mayfly-1\""], "both agents take jobs: {ran:?}");
    stack.finish().await
}

/// A registry and a stranger's group survive Complete mode, because it is refused while they are there.
#[tokio::test(flavor = "multi_thread")]
async fn complete_mode_deletes_nothing_that_is_not_of_the_fleet() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    e2e::stranger(&stack, "mayfly-agents", "stranger").await?;
    let answer = stack.mayfly(&["deploy", "--agents", "1", "--mode", "complete"]).await?;
    ensure!(answer.code == 3, "{answer:?}");
    ensure!(answer.stderr.contains("stranger"), "it lists what is in the way: {}", answer.stderr);
    let path = "/resourceGroups/mayfly-agents/providers/Microsoft.ContainerInstance/containerGroups/stranger";
    ensure!(stack.arm("GET", path, "2023-05-01").await?["name"] == "stranger");
    let registry = format!(
        "/resourceGroups/{}/providers/Microsoft.ContainerRegistry/registries/{}",
        stack.variable("ACR_REGISTRY_GROUP"),
        stack.variable("ACR_REGISTRY_NAME")
    );
    ensure!(stack.arm("GET", &registry, "2023-07-01").await?["name"] == stack.variable("ACR_REGISTRY_NAME"));

    stack.arm("DELETE", path, "2023-05-01").await?;
    stack
        .eventually("the stranger is gone", Duration::from_secs(20), async || {
            ensure!(stack.arm("GET", path, "2023-05-01").await.is_err());
            Ok(())
        })
        .await?;
    stack.ok(&["deploy", "--agents", "1", "--mode", "complete"]).await?;
    ensure!(stack.arm("GET", &registry, "2023-07-01").await.is_ok(), "the registry is gone");
    stack.finish().await
}

async fn another_token(stack: &Stack) -> Result<String> {
    let token = format!("second{}", e2e::random_word(46));
    stack.control("POST", "/azdo/tokens", Some(serde_json::json!({ "token": token }))).await?;
    Ok(token)
}

fn kept(before: &HashMap<String, String>, after: &HashMap<String, String>) -> usize {
    before.iter().filter(|(agent, id)| after.get(*agent) == Some(id)).count()
}
