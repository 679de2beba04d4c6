//! Nothing of one job is there for the next: files, processes, environment, caches.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Findings, NaiveAgent, Stack, litter_script, search_script};

const MARK: &str = "litter-4f1c9a";

fn litter_routes(findings: &Findings) -> Vec<&str> {
    findings.found().into_iter().filter(|route| route.starts_with("litter")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_job_on_the_same_agent_finds_nothing_of_the_last() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let first = stack.job(&litter_script(MARK)).await?;
    ensure!(first.result == "succeeded" && first.text().contains("littered"), "{first:?}");
    let second = stack.job(&search_script(MARK, &token)).await?;
    ensure!(second.text().contains("searched"), "the search did not come to its end: {}", second.text());
    ensure!(second.agent == first.agent, "one agent, by name: {} and {}", first.agent, second.agent);
    let findings = Findings::read(second.log.iter().map(String::as_str));
    ensure!(findings.0.len() >= 12, "every route reports: {findings:?}");
    ensure!(litter_routes(&findings).is_empty(), "left over: {:?}\n{}", findings.found(), second.text());
    ensure!(!findings.0["writable-program-folder"], "a job could replace a program for its successor");
    stack.finish().await
}

/// The same probes under the naive start script and Docker's own restart policy: they do find what was left.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_restarted_layer_does_leak() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let agent = NaiveAgent::start(&stack, "naive-0", &[]).await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    stack.job(&litter_script(MARK)).await?;
    let second =
        tokio::time::timeout(Duration::from_secs(90), stack.job(&search_script(MARK, &token))).await??;
    let findings = Findings::read(second.log.iter().map(String::as_str));
    ensure!(findings.0["litter-files"], "the control must find the file: {}", second.text());
    drop(agent);
    stack.finish().await
}

/// The same image under `docker run --restart always`: its second start finds a used layer and runs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_used_layer_is_refused() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let container = e2e::start_product(&stack, "restarted-0").await?;
    let job = stack.job("echo first").await?;
    ensure!(job.result == "succeeded" && job.agent == "restarted-0", "{job:?}");
    let id = container.id().to_owned();
    stack
        .eventually("the second start ends with 73", Duration::from_secs(60), async || {
            let log = stack.engine().logs(&id).await?;
            ensure!(log.contains("\"exitCode\":73"), "{log}");
            Ok(())
        })
        .await?;
    drop(container);
    stack.finish().await
}
