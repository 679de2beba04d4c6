//! The image: the same inputs give the same digest, nothing in it lends rights, and what is baked in stays as it is.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bollard::query_parameters::TopOptionsBuilder;
use e2e::{Answer, Stack};
use serde_json::Value;

const NOBODY_HAS_ANY: &str = "0000000000000000";

fn built(answer: &Answer) -> Result<Value> {
    serde_json::from_str(&answer.stdout).with_context(|| answer.text())
}

/// The lines of `/proc/<process>/status` that say who a process is and what it may do, as the host sees them.
fn rights(process: u64) -> Result<Vec<(String, String)>> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status"))?;
    let wanted = ["Name", "Uid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let pairs = status.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_job_runs_pid_1_alone_is_root() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let job = stack.queue("sleep 600 & echo started; sleep 599").await?;
    stack.job_state(&job, "running").await?;
    let container = stack.engine().by_agent(stack.instance()).await?;
    let container = container.get("mayfly-0").context("the agent's container runs")?.clone();
    let engine = &stack.engine().0;
    let inspected = engine
        .inspect_container(&container, None::<bollard::query_parameters::InspectContainerOptions>)
        .await?;
    let first = inspected.state.and_then(|state| state.pid).context("PID 1 is known")?;
    let options = || TopOptionsBuilder::default().ps_args("-eo pid,args").build();
    let processes = stack
        .eventually("the job's own process runs", Duration::from_secs(60), async || {
            let listed =
                engine.top_processes(&container, Some(options())).await?.processes.unwrap_or_default();
            ensure!(listed.iter().any(|row| row.join(" ").contains("sleep 600")), "{listed:?}");
            Ok(listed)
        })
        .await?;
    let mut seen = 0;
    for row in &processes {
        let process: u64 = row.first().context("a process has a number")?.trim().parse()?;
        if i64::try_from(process)? == first {
            let uid = rights(process)?;
            ensure!(
                uid.iter().any(|(name, value)| name == "Uid" && value.starts_with("0 ")),
                "control: {uid:?}"
            );
            continue;
        }
        // A short one may have ended since it was listed.
        let Ok(rights) = rights(process) else { continue };
        for (name, value) in &rights {
            match name.as_str() {
                "Name" => {}
                "Uid" => ensure!(value.split(' ').all(|uid| uid != "0"), "{row:?} has uid 0: {rights:?}"),
                _ => ensure!(value == NOBODY_HAS_ANY, "{row:?} has a capability: {rights:?}"),
            }
        }
        seen += 1;
    }
    ensure!(seen >= 3, "listener, worker and the job's processes are seen: {processes:?}");
    stack.control("POST", &format!("/azdo/jobs/{job}/cancel"), None).await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_inputs_are_pushed_under_the_same_digest() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let first = built(&stack.ok(&["build-image", "--push", "-o", "json"]).await?)?;
    let other = built(&stack.ok(&["build-image", "--push", "--tag", "again", "-o", "json"]).await?)?;
    for name in ["imageId", "repositoryDigest", "layers"] {
        ensure!(!first[name].is_null() && first[name] == other[name], "{name}: {first} {other}");
    }
    // Control: another time of creation is another image.
    let mut later = stack.command(&["build-image", "--push", "--tag", "later", "-o", "json"]);
    let later = later.env("SOURCE_DATE_EPOCH", "1700000000").output().await?;
    let later: Value = serde_json::from_slice(&later.stdout)?;
    ensure!(later["repositoryDigest"].is_string(), "{later}");
    ensure!(later["repositoryDigest"] != first["repositoryDigest"], "control: {later}");
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baked_cache_is_read_by_every_job_and_changed_by_none() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    let cache = tempfile::tempdir()?;
    fs_err::write(cache.path().join("package"), "as baked")?;
    let layer = format!("{}=/opt/cache/packages", cache.path().display());
    let image = built(&stack.ok(&["build-image", "--push", "--layer", &layer, "-o", "json"]).await?)?;
    let image = image["repositoryDigest"].as_str().context("a pushed image has a digest")?.to_owned();
    stack.set("MAYFLY_IMAGE", &image);
    stack.ok(&["deploy", "--agents", "1"]).await?;
    let script = "cd /opt/cache/packages; echo \"content=$(tr ' ' '-' < package)\"; \
        for what in 'echo x >> package' 'rm -f package' 'touch new' 'mv /opt/cache /opt/other'; do \
        if bash -c \"$what\" 2>/dev/null; then echo changed=yes; fi; done; \
        cp package $HOME/mine && echo x >> $HOME/mine && echo copied=yes; echo end=yes";
    for _ in 0..2 {
        let job = stack.job(script).await?;
        ensure!(job.value("content") == Some("as-baked"), "{}", job.text());
        ensure!(job.value("copied") == Some("yes"), "control: a copy is the job's own: {}", job.text());
        ensure!(job.value("changed").is_none() && job.value("end") == Some("yes"), "{}", job.text());
    }
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_not_the_locked_one_is_refused() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let folder = tempfile::tempdir()?;
    let lock = folder.path().join("agent.lock.json");
    let lock_word = lock.to_string_lossy().into_owned();
    let moved = stack.ok(&["build-image", "--lock", &lock_word, "--update"]).await?;
    ensure!(moved.stderr.contains("is locked"), "{moved:?}");
    let text = fs_err::read_to_string(&lock)?;
    let obeyed = stack.ok(&["build-image", "--lock", &lock_word]).await?;
    ensure!(obeyed.stderr.contains("by ") && fs_err::read_to_string(&lock)? == text, "{obeyed:?}");

    let mut locked: Value = serde_json::from_str(&text)?;
    locked["linux"]["sha256"] = Value::from("0".repeat(64));
    fs_err::write(&lock, locked.to_string())?;
    let refused = stack.mayfly(&["build-image", "--lock", &lock_word, "--tag", "refused"]).await?;
    if refused.code != 1 || !refused.stderr.contains("SHA-256") || !refused.stderr.contains("hint:") {
        bail!("{refused:?}");
    }
    let images = stack.engine().0.list_images(None::<bollard::query_parameters::ListImagesOptions>).await?;
    let is_left = |tag: &String| tag.ends_with(":refused");
    ensure!(!images.iter().any(|image| image.repo_tags.iter().any(is_left)), "an image is left");
    stack.finish().await
}
