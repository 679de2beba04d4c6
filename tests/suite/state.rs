//! Where a sandbox keeps its state: in a folder that outlives it, or nowhere.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Answer, Stack};
use serde_json::json;
use tokio::process::Command;

fn says(answer: &Answer, code: i32, words: &[&str]) -> Result<()> {
    ensure!(answer.code == code, "exit code {} instead of {code}: {}", answer.code, answer.text());
    for word in words {
        ensure!(answer.stderr.contains(word), "`{word}` is missing in: {}", answer.stderr);
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs_err::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_in_a_folder_of_its_own_outlives_down_and_has_one_writer() -> Result<()> {
    let kept = tempfile::tempdir()?;
    let folder = kept.path().join("state");
    let state = folder.to_str().context("a path of this test is text")?;
    let mut stack = Stack::builder().up(&["--state", state]).agents(1).start().await?;
    ensure!(stack.job("echo one").await?.result == "succeeded");
    let variables = ["AZDO_URL", "AZDO_TOKEN", "ARM_ENDPOINT", "AZURE_CLIENT_SECRET", "ACR_PASSWORD"];
    let before = variables.map(|name| stack.variable(name).to_owned());
    let second = stack.mayfly(&["--instance", "second", "sandbox", "up", "--state", state]).await?;
    says(&second, 3, &["is in use by process", stack.instance(), "since", "hint:"])?;

    stack.ok(&["sandbox", "down"]).await?;
    ensure!(!stack.folder().exists(), "the instance's folder is left");
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty(), "containers are left");
    ensure!(names(&folder)?.contains(&"state.redb".to_owned()), "control: the state is there");

    stack.sandbox_up().await?;
    ensure!(variables.map(|name| stack.variable(name).to_owned()) == before, "it is another sandbox");
    // The agent's group is made again from the registry's image, and registers in the place of the one before.
    let job = stack.job("echo two").await?;
    ensure!((job.result.as_str(), job.agent.as_str()) == ("succeeded", "mayfly-0"), "{job:?}");
    let jobs = stack.control("GET", "/azdo/jobs", None).await?;
    ensure!(jobs.as_array().is_some_and(|jobs| jobs.len() == 2), "the first job is forgotten: {jobs}");
    let elsewhere = stack.mayfly(&["sandbox", "up"]).await?;
    says(&elsewhere, 3, &["already runs as process"])?;
    stack.finish().await?;
    ensure!(folder.join("state.redb").exists());
    Ok(())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn of_a_sandbox_without_a_state_nothing_outlives_its_process() -> Result<()> {
    let stack = Stack::builder().up(&["--ephemeral"]).agents(1).start().await?;
    ensure!(stack.job("echo one").await?.result == "succeeded");
    let folder = stack.folder();
    let files = names(&folder)?;
    ensure!(!files.iter().any(|name| name.starts_with("state.")), "{files:?}");
    ensure!(!stack.engine().containers(stack.instance()).await?.is_empty(), "control: there is an agent");
    let process = stack.variable("MAYFLY_SANDBOX_PID").to_owned();
    ensure!(Command::new("kill").arg(&process).status().await?.success());
    stack
        .eventually("nothing is left", Duration::from_secs(60), async || {
            ensure!(!folder.exists(), "{:?}", names(&folder));
            Ok(())
        })
        .await?;
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty());
    ensure!(stack.engine().networks(stack.instance()).await?.is_empty());
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_clock_is_moved_and_a_sandbox_without_agents_goes_to_a_file_and_back() -> Result<()> {
    let mut stack = Stack::builder().up(&["--clock", "virtual"]).start().await?;
    let work = tempfile::tempdir()?;
    let file = work.path().join("snapshot");
    let path = file.to_str().context("a path of this test is text")?;
    let before = stack.queue("echo before").await?;
    stack.ok(&["sandbox", "snapshot", path]).await?;
    let after = stack.queue("echo after").await?;
    stack.ok(&["sandbox", "restore", path]).await?;
    stack.control("GET", &format!("/azdo/jobs/{before}"), None).await?;
    ensure!(stack.control("GET", &format!("/azdo/jobs/{after}"), None).await.is_err(), "it is still there");
    fs_err::write(&file, &fs_err::read(&file)?[..300])?;
    says(&stack.mayfly(&["sandbox", "restore", path]).await?, 1, &["cut off", "nothing was changed"])?;

    let time = async |stack: &Stack| -> Result<jiff::Timestamp> {
        let shown = stack.control("GET", "/clock", None).await?;
        Ok(shown["now"].as_str().context("a time")?.parse()?)
    };
    let early = time(&stack).await?;
    stack.ok(&["sandbox", "clock", "advance", "240s"]).await?;
    ensure!(time(&stack).await?.duration_since(early).as_secs() >= 240);
    // It is as far ahead after a crash, and cannot go back.
    stack.kill_sandbox().await?;
    stack.sandbox_up().await?;
    ensure!(time(&stack).await?.duration_since(early).as_secs() >= 240);
    stack.kill_sandbox().await?;
    says(&stack.mayfly(&["sandbox", "up"]).await?, 3, &["was moved forward by 240 s", "--clock virtual"])?;
    stack.sandbox_up().await?;

    let machine = Stack::builder().start().await?;
    says(
        &machine.mayfly(&["sandbox", "clock", "advance", "1s"]).await?,
        3,
        &["machine's own", "--clock virtual"],
    )?;
    says(&machine.mayfly(&["sandbox", "session", "expire", "--agent", "nobody"]).await?, 1, &["no agent"])?;
    let revoked = machine.variable("AZDO_TOKEN").to_owned();
    fs_err::write(&file, &revoked)?;
    machine.ok(&["sandbox", "token", "revoke", path]).await?;
    let refused = machine.control("POST", "/azdo/tokens/revoke", Some(json!({ "token": "none" }))).await;
    ensure!(refused.is_err(), "control: a token that nobody has cannot be revoked");
    machine.finish().await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_goes_to_a_file_and_back_with_both_sides_or_neither() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let work = tempfile::tempdir()?;
    let at = |name: &str| Ok::<_, anyhow::Error>(work.path().join(name).to_str().context("text")?.to_owned());
    let (file, azdo, key) = (at("snapshot")?, at("azdo")?, at("key")?);
    let container = async || -> Result<String> {
        let shown = stack.control("GET", "/groups", None).await?;
        let id = shown["groups"][0]["containers"][0]["containerId"].as_str();
        Ok(id.with_context(|| format!("a container in {shown}"))?.to_owned())
    };
    let there = async |group: &str| -> Result<bool> {
        let groups = stack.arm("GET", "/resourcegroups", "2021-04-01").await?;
        let groups = groups["value"].as_array().context("a list of groups")?;
        Ok(groups.iter().any(|one| one["name"] == group))
    };
    let put = async |group: &str| {
        let body = json!({"location": "westeurope"});
        stack.arm_with("PUT", &format!("/resourcegroups/{group}"), "2021-04-01", Some(body)).await
    };
    ensure!(stack.job("echo one").await?.result == "succeeded");
    put("kept").await?;
    let first = container().await?;
    stack.ok(&["sandbox", "snapshot", &file]).await?;
    stack.ok(&["sandbox", "snapshot", &azdo, "--of", "azdo", "--key-file", &key]).await?;

    stack.ok(&["scale", "--agents", "0"]).await?;
    put("late").await?;
    let late = stack.queue("echo late").await?;
    ensure!(stack.engine().containers(stack.instance()).await?.is_empty(), "control: the agent is gone");
    let cut = at("cut")?;
    let whole = fs_err::read(&file)?;
    fs_err::write(&cut, &whole[..whole.len() - 1])?;
    says(&stack.mayfly(&["sandbox", "restore", &cut]).await?, 1, &["cut off", "nothing was changed"])?;
    ensure!(there("late").await?, "Azure was changed");
    stack.control("GET", &format!("/azdo/jobs/{late}"), None).await?;

    let restored = stack.ok(&["sandbox", "restore", &file]).await?;
    ensure!(restored.stdout.contains("restored: 1 agents, 1 jobs, 0 of them running"), "{}", restored.text());
    ensure!(restored.stdout.contains("1 container groups that run"), "{}", restored.text());
    ensure!(there("kept").await? && !there("late").await?);
    ensure!(stack.control("GET", &format!("/azdo/jobs/{late}"), None).await.is_err(), "it is still there");
    let job = stack.job("echo two").await?;
    ensure!((job.result.as_str(), job.agent.as_str()) == ("succeeded", "mayfly-0"), "{job:?}");
    ensure!(container().await? != first, "a container of before");
    // The container of a job that ended goes after the next one was made.
    stack
        .eventually("one container is left", Duration::from_secs(60), async || {
            let containers = stack.engine().containers(stack.instance()).await?;
            ensure!(containers.len() == 1, "{containers:?}");
            Ok(())
        })
        .await?;
    stack.ok(&["status"]).await?;

    // A file of one side leaves the other as it is.
    put("later").await?;
    let one = stack.ok(&["sandbox", "restore", &azdo, "--key-file", &key]).await?;
    ensure!(!one.stdout.contains("resource groups") && there("later").await?, "{}", one.text());

    // Another sandbox has another subscription, and takes what does not depend on it.
    let other = Stack::builder().start().await?;
    says(&other.mayfly(&["sandbox", "restore", &file]).await?, 3, &["was sealed with the key"])?;
    stack.ok(&["sandbox", "snapshot", &file, "--key-file", &key]).await?;
    let restore = ["sandbox", "restore", &file, "--key-file", &key];
    says(
        &other.mayfly(&restore).await?,
        3,
        &["it is of the subscription", "--of azdo", "nothing was changed"],
    )?;
    ensure!(other.control("GET", "/azdo/jobs", None).await? == json!([]), "its Azure DevOps was changed");
    other.ok(&[&restore[..], &["--of", "azdo"]].concat()).await?;
    ensure!(other.control("GET", "/azdo/jobs", None).await? != json!([]));
    other.finish().await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_seed_file_fills_both_sides_or_neither_and_each_is_reset_alone() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let work = tempfile::tempdir()?;
    let file = work.path().join("seed.yml");
    let path = file.to_str().context("a path of this test is text")?;
    let there = async |group: &str| -> Result<bool> {
        let groups = stack.arm("GET", "/resourcegroups", "2021-04-01").await?;
        let groups = groups["value"].as_array().context("a list of groups")?;
        Ok(groups.iter().any(|one| one["name"] == group))
    };
    let listens = async |pool: &str| -> Result<bool> {
        let pools = stack
            .azdo("GET", &format!("/_apis/distributedtask/pools?poolName={pool}&api-version=7.1"))
            .await?;
        Ok(pools["count"] == 1)
    };

    // What Azure DevOps refuses is known when Azure is made already.
    let seed =
        "resourceGroups:\n- {name: shop, location: westeurope}\nagents:\n- {name: one, pool: Seeded}\n";
    fs_err::write(&file, seed)?;
    says(
        &stack.mayfly(&["sandbox", "seed", path]).await?,
        2,
        &["nothing was changed", "seed.yml:4", "Seeded"],
    )?;
    ensure!(!there("shop").await?, "what was made of a refused seed is left");
    fs_err::write(&file, format!("{seed}pools: [Seeded]\n"))?;
    let seeded = stack.ok(&["sandbox", "seed", path]).await?;
    ensure!(seeded.stderr.contains("1 agents, 0 jobs, 1 things in Azure"), "{}", seeded.text());
    ensure!(there("shop").await? && listens("Seeded").await?);

    stack.ok(&["sandbox", "reset", "--of", "azdo", "--forget-seeds"]).await?;
    ensure!(there("shop").await? && !listens("Seeded").await?);
    stack
        .arm_with("PUT", "/resourcegroups/later", "2021-04-01", Some(json!({"location": "westeurope"})))
        .await?;
    ensure!(there("later").await?, "control: the group is made");
    stack.ok(&["sandbox", "reset", "--of", "arm"]).await?;
    ensure!(there("shop").await? && !there("later").await?);
    stack.ok(&["sandbox", "reset", "--of", "arm", "--forget-seeds"]).await?;
    ensure!(!there("shop").await?);
    // The sandbox's own registry takes images as before.
    stack.ok(&["status"]).await?;
    stack.finish().await
}
