//! A stop signal drains: whenever it comes, the container ends in its time, with the code that says what happened, and
//! leaves no session behind.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::Stack;

use crate::single::{Single, within};

async fn stack() -> Result<Stack> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    Ok(stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_agent_ends_at_once_and_deletes_its_session() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::listening(&stack, "idle", &[]).await?;
    let before = agent.agent(&stack).await?.context("the agent is registered")?;
    ensure!(before["online"] == true, "control: there is a session to delete: {before}");
    let begin = Instant::now();
    agent.stop(&stack, 30).await?;
    within(begin, 10)?;
    let (code, said) = agent.end(&stack).await?;
    ensure!(code == 75, "{code}\n{said}");
    agent.left_no_session(&stack).await?;
    drop(agent);
    stack.finish().await
}

/// Control: a platform that kills without a word leaves a session behind, which the service holds against the next container.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_killed_agent_leaves_its_session() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::listening(&stack, "killed", &[]).await?;
    agent.signal(&stack, "SIGKILL").await?;
    let (code, said) = agent.end(&stack).await?;
    ensure!(code == 137, "{code}\n{said}");
    let left = agent.left_no_session(&stack).await;
    ensure!(left.is_err(), "the control must find a session");
    drop(agent);
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_finishes_in_its_time() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::listening(&stack, "busy", &[("AZDO_STOP_LIMIT", "60")]).await?;
    let job = stack.queue("sleep 8; echo went-on").await?;
    stack.job_state(&job, "running").await?;
    agent.says(&stack, "Running job").await?;
    agent.stop(&stack, 90).await?;
    let (code, said) = agent.end(&stack).await?;
    ensure!(code == 0 && said.contains("it may go on for 60 s"), "{code}\n{said}");
    let done = stack.job_state(&job, "completed").await?;
    ensure!(done["result"] == "succeeded", "{done}");
    agent.left_no_session(&stack).await?;
    drop(agent);
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_longer_is_cancelled() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::listening(&stack, "slow", &[("AZDO_STOP_LIMIT", "3")]).await?;
    let job = stack.queue("sleep 600").await?;
    stack.job_state(&job, "running").await?;
    agent.says(&stack, "Running job").await?;
    let begin = Instant::now();
    agent.stop(&stack, 90).await?;
    within(begin, 50)?;
    let (code, said) = agent.end(&stack).await?;
    ensure!(code == 76 && said.contains("did not finish in its time"), "{code}\n{said}");
    let done = stack.job_state(&job, "completed").await?;
    ensure!(done["result"] != "succeeded", "{done}");
    agent.left_no_session(&stack).await?;
    drop(agent);
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::listening(&stack, "hurried", &[("AZDO_STOP_LIMIT", "600")]).await?;
    let job = stack.queue("sleep 600").await?;
    stack.job_state(&job, "running").await?;
    agent.says(&stack, "Running job").await?;
    agent.signal(&stack, "SIGTERM").await?;
    agent.says(&stack, "it may go on for 600 s").await?;
    let begin = Instant::now();
    agent.signal(&stack, "SIGTERM").await?;
    let (code, said) = agent.end(&stack).await?;
    within(begin, 30)?;
    ensure!(code == 76 && said.contains("stop asked for again"), "{code}\n{said}");
    agent.left_no_session(&stack).await?;
    drop(agent);
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_the_registration_ends_it() -> Result<()> {
    let stack = stack().await?;
    let agent = Single::start(&stack, "early", &[], "registering agent").await?;
    let begin = Instant::now();
    agent.stop(&stack, 30).await?;
    within(begin, 10)?;
    let (code, said) = agent.end(&stack).await?;
    // On a fast machine the registration may have ended before the signal came.
    ensure!(code == 75, "{code}\n{said}");
    agent.left_no_session(&stack).await?;
    drop(agent);
    stack.finish().await
}
