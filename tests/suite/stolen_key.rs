//! A stolen agent key dies with its agent: what a thief may do while the job runs, what is left afterwards, and that
//! each of it is seen.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Job, STEAL, Stack, StolenKey};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(90);

/// A job that prints its agent's key and then runs until it is cancelled.
async fn steal(stack: &Stack) -> Result<(String, StolenKey)> {
    let job = stack.queue(&format!("{STEAL}\nsleep 600")).await?;
    let page = stack
        .eventually("the key is in the log", LIMIT, async || {
            let page = stack.control("GET", &format!("/azdo/jobs/{job}/log?from=0"), None).await?;
            ensure!(page.to_string().contains("whole"), "{page}");
            Ok(page)
        })
        .await?;
    let log: Vec<String> = serde_json::from_value(page["lines"].clone())?;
    let key = StolenKey::read(&Job { result: String::new(), agent: String::new(), log })?;
    Ok((job, key))
}

/// Ends the job and waits until the agent listens with another key.
async fn end(stack: &Stack, job: &str) -> Result<()> {
    let before = agent(stack).await?["registrations"].as_u64();
    stack.control("POST", &format!("/azdo/jobs/{job}/cancel"), None).await?;
    stack
        .eventually("the agent is registered again and listens", LIMIT, async || {
            let agent = agent(stack).await?;
            ensure!(agent["registrations"].as_u64() > before && agent["online"] == true, "{agent}");
            Ok(())
        })
        .await
}

async fn agent(stack: &Stack) -> Result<Value> {
    Ok(stack.control("GET", "/azdo/agents", None).await?[0].clone())
}

/// The alarms of a kind, as a person sees them.
async fn alarms(stack: &Stack) -> Result<Vec<Value>> {
    let answer = stack.ok(&["sandbox", "events", "--alarms", "-o", "json"]).await?;
    Ok(serde_json::from_str(&answer.stdout)?)
}

fn of_kind<'a>(alarms: &'a [Value], kind: &str) -> Vec<&'a Value> {
    alarms.iter().filter(|alarm| alarm["kind"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_is_seen_while_its_job_runs_and_dead_afterwards() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    // Control: an honest job and the restart after it raise no alarm.
    let honest = stack.job("echo honest work").await?;
    ensure!(honest.result == "succeeded", "{honest:?}");
    let (job, key) = steal(&stack).await?;
    let quiet = alarms(&stack).await?;
    ensure!(quiet.is_empty(), "an alarm without a thief: {quiet:?}");

    // Control: while the job runs the key does get a token. The service keeps the thief from listening.
    let token = key.access_token().await?;
    ensure!(key.list_agents(&token).await?.status == 200, "the token is good");
    let refused = key.open_session(&token).await?;
    ensure!(
        refused.status == 409 && refused.body.contains("TaskAgentSessionConflictException"),
        "a second session: {refused:?}"
    );
    let seen = alarms(&stack).await?;
    let second = of_kind(&seen, "secondSession");
    ensure!(second.len() == 1 && second[0]["owner"] == "thief", "{seen:?}");
    ensure!(second[0]["openOwner"] != "thief" && second[0]["from"] != second[0]["openFrom"], "{seen:?}");
    let elsewhere = of_kind(&seen, "keyUsedElsewhere");
    ensure!(elsewhere.iter().any(|alarm| alarm["usedFor"] == "token"), "{seen:?}");
    ensure!(elsewhere.iter().all(|alarm| alarm["from"] != alarm["registeredFrom"]), "{seen:?}");

    end(&stack, &job).await?;
    let refused = key.token().await?;
    ensure!(refused.status == 400 && refused.body.contains("invalid_client"), "the old key: {refused:?}");
    let refused = key.open_session(&token).await?;
    ensure!(refused.status == 401, "a session with the old token: {refused:?}");
    // What is left by default, as the page on limits says.
    ensure!(key.list_agents(&token).await?.status == 200, "an old token is good until it expires");
    let seen = alarms(&stack).await?;
    for used_for in ["token", "accessToken"] {
        let dead = of_kind(&seen, "deadKeyUsed");
        ensure!(dead.iter().any(|alarm| alarm["usedFor"] == used_for), "{used_for}: {seen:?}");
    }
    let honest = stack.job("echo the next job is not disturbed").await?;
    ensure!(honest.result == "succeeded", "{honest:?}");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_switch_an_access_token_dies_with_its_key() -> Result<()> {
    let stack = Stack::builder().up(&["--old-token-after-replace", "refused"]).agents(1).start().await?;
    let (job, key) = steal(&stack).await?;
    let token = key.access_token().await?;
    ensure!(key.list_agents(&token).await?.status == 200, "control: the token is good while the job runs");
    end(&stack, &job).await?;
    let refused = key.list_agents(&token).await?;
    ensure!(refused.status == 401, "the old token: {refused:?}");
    let seen = alarms(&stack).await?;
    ensure!(!of_kind(&seen, "deadKeyUsed").is_empty(), "{seen:?}");
    stack.finish().await
}
