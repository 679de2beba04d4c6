//! The service orders an agent to update itself while a job waits: the job is not lost, and runs once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Stack, start_script};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

/// Registers as the naive script does, and runs the listener itself, so that its exit code is seen.
const CONFIGURE: &str = r#"
set -e
# An update renames folders, and a folder of an image's layer cannot be renamed for certain on an overlay.
cp -a /azp/agent /azp/own; cd /azp/own
export AGENT_ALLOW_RUNASROOT=1
./config.sh --unattended --agent "$AZP_AGENT_NAME" --url "$AZP_URL" --auth PAT --token "$AZP_TOKEN" \
  --pool "$AZP_POOL" --work /azp/work --replace --acceptTeeEula
echo configured
"#;
const LISTEN: &str = r#"
code=0
bin/Agent.Listener run --once || code=$?
echo "the listener ended with $code"
"#;

/// Offers the stub agent's package under a newer version.
async fn offer_a_newer_agent(stack: &Stack, folder: &tempfile::TempDir) -> Result<()> {
    let baked = fs_err::read_dir(&stack.artifacts().packages)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .context("the stub agent is packed")?;
    let newer: PathBuf = folder.path().join("vsts-agent-linux-x64-4.999.0.tar.gz");
    fs_err::copy(baked, &newer)?;
    let offered = stack.control("POST", "/azdo/packages", Some(json!({ "path": newer }))).await?;
    ensure!(offered["version"] == "4.999.0", "{offered}");
    Ok(())
}

async fn order_update(stack: &Stack, agent: &str) -> Result<()> {
    let path = format!("/azdo/agents/{agent}/update");
    let ordered = stack.control("POST", &path, Some(json!({}))).await?;
    ensure!(ordered["version"] == "4.999.0" && ordered["agents"] == 1, "{ordered}");
    Ok(())
}

async fn events(stack: &Stack, kind: &str) -> Result<Vec<Value>> {
    let all = stack.control("GET", "/azdo/events", None).await?;
    Ok(all.as_array().into_iter().flatten().filter(|event| event["kind"] == kind).cloned().collect())
}

/// A job that came to its end is received once, requeued not at all.
async fn ran_once(stack: &Stack, jobs: usize) -> Result<()> {
    for kind in ["jobQueued", "jobReceived", "jobCompleted"] {
        let found = events(stack, kind).await?;
        ensure!(found.len() == jobs, "{kind}: {found:?}");
    }
    let succeeded = events(stack, "jobCompleted").await?;
    ensure!(succeeded.iter().all(|event| event["result"] == "succeeded"), "{succeeded:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_told_to_update_itself_runs_the_job_that_waits() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let folder = tempfile::tempdir()?;
    offer_a_newer_agent(&stack, &folder).await?;
    order_update(&stack, "mayfly-0").await?;
    let waiting = stack.queue("echo 'the job behind the message'").await?;
    stack.job_state(&waiting, "completed").await?;

    // The same while a job runs: it goes on, and the one behind it runs in the next container.
    let running = stack.queue("echo begun\nsleep 4\necho whole").await?;
    stack.job_state(&running, "running").await?;
    order_update(&stack, "mayfly-0").await?;
    let next = stack.queue("echo 'the job behind the running one'").await?;
    for job in [&running, &next] {
        stack.job_state(job, "completed").await?;
    }
    ran_once(&stack, 3).await?;
    let reported = events(&stack, "updateReported").await?;
    ensure!(reported.is_empty(), "no agent began an update: {reported:?}");
    stack.finish().await
}

/// Control: without the variable the agent follows, leaves the job in the queue and ends with 4; the next container
/// runs the job. So the message does reach agents, and a job that is left is not lost either.
#[tokio::test(flavor = "multi_thread")]
async fn control_an_agent_that_follows_ends_with_4_and_the_job_goes_to_the_next_container() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let folder = tempfile::tempdir()?;
    offer_a_newer_agent(&stack, &folder).await?;
    // Registered, but not listening yet: message and job both wait for its first session.
    start_script(&stack, "naive-0", CONFIGURE, "configured").await?.rm().await?;
    order_update(&stack, "naive-0").await?;
    let job = stack.queue("echo 'the job that was left'").await?;

    let script = format!("{CONFIGURE}{LISTEN}");
    let first = start_script(&stack, "naive-0", &script, "the listener ended with").await?;
    let log = stack.engine().logs(first.id()).await?;
    ensure!(log.contains("the listener ended with 4"), "{log}");
    first.rm().await?;
    ensure!(!events(&stack, "updateReported").await?.is_empty(), "the update was begun");
    ensure!(events(&stack, "jobReceived").await?.is_empty(), "the first container took the job");
    let requeued = events(&stack, "jobRequeued").await?;
    ensure!(requeued.len() == 1, "the job was put back: {requeued:?}");

    let second = start_script(&stack, "naive-0", &script, "the listener ended with").await?;
    stack.job_state(&job, "completed").await?;
    let id = second.id().to_owned();
    stack
        .eventually("the second listener ends with 0", LIMIT, async || {
            let log = stack.engine().logs(&id).await?;
            ensure!(log.contains("the listener ended with 0"), "{log}");
            Ok(())
        })
        .await?;
    second.rm().await?;
    ran_once(&stack, 1).await?;
    stack.finish().await
}
