//! Settings, exit codes, and the life of one agent.

use std::process::{Command, Stdio};

use fs_err as fs;

use crate::image::{Image, eventually};
use crate::probe;

#[tokio::test]
async fn every_problem_is_reported_at_once() {
    let mut image = Image::new().await;
    image.set("AZDO_URL", "nonsense").set("AZP_POOL", "Other").set("AZDO_AGENT_NAME", "");
    image.set("AZDO_CONFIG_TIMEOUT", "-1");
    let finished = image.run().await.expect_code(64);
    for text in [
        "4 problems",
        "AZDO_URL: is no URL",
        "AZDO_POOL: disagrees with AZP_POOL",
        "AZDO_AGENT_NAME: is set but empty",
        "AZDO_CONFIG_TIMEOUT: must be a whole number",
    ] {
        finished.says(text);
    }
}

#[tokio::test]
async fn names_of_variables_have_no_case() {
    let mut image = Image::new().await;
    image.unset("AZDO_POOL").set("azdo_Pool", "Nowhere");
    image.run().await.expect_code(77).says("pool `Nowhere` does not exist");
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_77() {
    let mut image = Image::new().await;
    image.set("AZDO_TOKEN", "not-a-token-of-anybody");
    image.run().await.expect_code(77).says("refused the token");
}

#[tokio::test]
async fn a_server_that_is_away_is_69() {
    let mut image = Image::new().await;
    // The port of the discard service, where nobody listens.
    image.set("AZDO_URL", "http://127.0.0.1:9/acme").set("AZDO_SERVER_WAIT", "1");
    image.run().await.expect_code(69).says("no answer from");
}

#[tokio::test]
async fn an_agent_that_does_not_start_is_70() {
    let image = Image::new().await;
    let listener = image.file("agent/bin/Agent.Listener.exe");
    fs::remove_file(&listener).unwrap();
    fs::write(&listener, "no program").unwrap();
    image.run().await.expect_code(70);
}

#[tokio::test]
async fn one_job_then_the_layer_is_used() {
    let image = Image::new().await;
    let job = image.queue("echo hello").await;
    let finished = image.run().await.expect_code(0);
    let lines = finished.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        (lines[0]["event"].as_str(), lines[0]["agent"].as_str()),
        (Some("start"), Some(image.agent.as_str()))
    );
    finished.says("Running job: ");
    assert_eq!(image.job(&job).await["result"], "succeeded");
    image.run().await.expect_code(73).says("was already used");
}

#[tokio::test]
async fn arguments_are_refused() {
    for arguments in [&["run"][..], &["--token", "x"], &["--resume", "7"], &["--resume", "0"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_mayfly-entrypoint"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
    }
}

/// A process that the job starts and leaves, in a loop without an end.
#[tokio::test]
async fn no_process_outlives_the_job() {
    let image = Image::new().await;
    let mark = format!("survivor-{}", image.agent);
    let survivor = format!("start \"\" /b cmd /c \"for /l %%i in (1,0,2) do @rem {mark}\" <nul >nul 2>nul");
    image.queue_waiting(&survivor).await;
    let run = image.start();
    eventually("the job", || image.file("ready").exists().then_some(())).await;
    // Control: it runs while the job does.
    eventually("the survivor", || (!probe::with_argument(&mark).is_empty()).then_some(())).await;
    fs::write(image.file("go"), "").unwrap();
    run.finish().await.expect_code(0);
    assert_eq!(probe::with_argument(&mark), [0_u32; 0]);
}

/// The agent's own scripts, which the entrypoint does without, hand its exit code on.
#[tokio::test]
async fn the_agents_scripts_hand_on_its_exit_code() {
    let image = Image::new().await;
    for script in ["config.cmd", "run.cmd"] {
        let status = Command::new("cmd")
            .args(["/c", script, "--once", "--nonsense"])
            .current_dir(image.file("agent"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.code().is_some_and(|code| code != 0), "{script}: {status}");
    }
}
