//! One job, one container: two jobs on one agent run in two containers under one name with two keys.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::Stack;

/// Prints which container runs the job, and the agent's own key, as a thief would take it along.
const STEAL: &str = r#"echo "container=$(cat /etc/hostname)"
echo "credentials=$(base64 -w0 /azp/agent/.credentials)"
base64 -w 500 /azp/agent/.credentials_rsaparams | sed 's/^/key=/'
echo whole"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_job_gets_a_container_and_a_key_of_its_own() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let first = stack.job(STEAL).await?;
    let second = stack.job(STEAL).await?;
    ensure!(first.agent == second.agent && first.agent == "mayfly-0", "{} {}", first.agent, second.agent);
    ensure!(first.value("container") != second.value("container"), "one container ran both jobs");
    let key = |job: &e2e::Job| job.values("key").concat();
    ensure!(!key(&first).is_empty() && key(&first) != key(&second), "the agent's key stayed the same");

    let old = e2e::StolenKey::read(&first)?;
    let refused = old.token().await?;
    ensure!(
        refused.status == 400 && refused.body.contains("invalid_client"),
        "the old key still works: {refused:?}"
    );
    stack.finish().await
}

/// Control: the key of the agent that listens now does get a token, so the refusal above means something.
#[tokio::test(flavor = "multi_thread")]
async fn control_the_present_key_does_get_a_token() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    // The job sleeps, so that its agent is not replaced before the theft is tried.
    let script = format!("{STEAL}\nsleep 20");
    let job = stack.queue(&script).await?;
    let log = stack
        .eventually("the key is in the log", Duration::from_secs(60), async || {
            let page = stack.control("GET", &format!("/azdo/jobs/{job}/log?from=0"), None).await?;
            ensure!(page.to_string().contains("whole"), "{page}");
            Ok(page)
        })
        .await?;
    let lines: Vec<String> = serde_json::from_value(log["lines"].clone())?;
    let running = e2e::Job { result: String::new(), agent: String::new(), log: lines };
    let accepted = e2e::StolenKey::read(&running)?.token().await?;
    ensure!(accepted.status == 200, "{accepted:?}");
    stack.finish().await
}
