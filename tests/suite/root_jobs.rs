//! A job that is root in its container finds the registration token as little as any other.

use anyhow::{Context as _, Result, ensure};
use e2e::{Findings, Stack, search_script};

use crate::single::Single;

const MARK: &str = "nothing-of-this-name";

/// Further than an ordinary job gets: what only root may open, of the first process above all.
const AS_ROOT: &str = r#"for file in environ mem maps auxv stack; do
  if head -c 1 /proc/1/$file > /dev/null 2>&1; then echo "found pid1-$file yes"; else echo "found pid1-$file no"; fi
done
for number in 0 1 2 3 4 5 6 7 8 9; do
  if [ -r /proc/1/fd/$number ] && head -c 0 /proc/1/fd/$number 2>/dev/null; then echo "found pid1-fd yes"; fi
done
if head -c 1 /proc/self/environ > /dev/null; then echo "found own-environ yes"; fi
kill -9 1; kill -STOP 1; echo uid=$(id -u); grep -h Cap /proc/self/status; echo still-here"#;

fn of_token(findings: &Findings) -> Vec<&str> {
    findings
        .found()
        .into_iter()
        .filter(|route| route.starts_with("secret") || route.starts_with("pid1"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_job_finds_no_token_by_any_route() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let agent = Single::listening(&stack, "root", &[("AZDO_RUN_AS", "root")]).await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let job = stack.job(&format!("{}\n{AS_ROOT}", search_script(MARK, &token))).await?;
    let text = job.text();
    ensure!(text.contains("searched") && text.contains("still-here"), "{text}");
    ensure!(job.value("uid") == Some("0"), "the job is not root: {text}");
    let findings = Findings::read(job.log.iter().map(String::as_str));
    ensure!(of_token(&findings).is_empty(), "{:?}\n{text}", findings.found());
    // The control within: the same reader does open what is not closed.
    ensure!(findings.0.get("own-environ") == Some(&true), "{text}");
    let capabilities =
        job.log.iter().find(|line| line.contains("CapBnd")).context("the job tells its capabilities")?;
    ensure!(capabilities.trim_end().ends_with("00000000a80425fb"), "{capabilities}");
    let (code, said) = agent.end(&stack).await?;
    ensure!(code == 0, "{code}\n{said}");
    drop(agent);
    stack.finish().await
}

/// Control: the same hunt as root of a container whose first process has not closed itself.
#[tokio::test(flavor = "multi_thread")]
async fn control_the_naive_start_script_is_caught_as_root() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let agent = e2e::NaiveAgent::start(&stack, "naive-root", &[]).await?;
    let token = stack.variable("AZDO_TOKEN").to_owned();
    let job = stack.job(&format!("{}\n{AS_ROOT}", search_script(MARK, &token))).await?;
    let findings = Findings::read(job.log.iter().map(String::as_str));
    let found = of_token(&findings);
    for route in ["secret-files", "pid1-environ", "secret-environment-of-pid-1"] {
        ensure!(found.contains(&route), "the control must find {route}: {found:?}\n{}", job.text());
    }
    drop(agent);
    stack.finish().await
}
