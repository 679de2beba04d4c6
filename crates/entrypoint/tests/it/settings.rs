//! Bad configuration: everything at once, nothing contacted, held where a restart would not help.

use std::os::unix::fs::chown;
use std::time::Instant;

use fs_err as fs;

use crate::image::{Image, UID, set_mode};

#[tokio::test]
async fn every_problem_is_reported_at_once_and_nothing_is_contacted() {
    let mut image = Image::new().await;
    image
        .set("AZDO_URL", "nonsense")
        .set("AZP_POOL", "Other")
        .set("AZDO_AGENT_NAME", "")
        .set("AZDO_CONFIG_TIMEOUT", "-1");
    image.unset("AZDO_TOKEN").set("AZDO_TOKEN_FILE", "/nowhere/token");
    let finished = image.run().await.expect_code(64);
    for text in [
        "5 problems",
        "AZDO_URL: is no URL",
        "AZDO_POOL: disagrees with AZP_POOL",
        "AZDO_AGENT_NAME: is set but empty",
        "AZDO_CONFIG_TIMEOUT: must be a whole number",
        "AZDO_TOKEN_FILE: cannot be read",
    ] {
        finished.says(text);
    }
    assert_eq!(image.server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn microsofts_names_are_enough() {
    let mut image = Image::new().await;
    for (ours, theirs) in [
        ("AZDO_URL", "AZP_URL"),
        ("AZDO_TOKEN", "AZP_TOKEN"),
        ("AZDO_POOL", "AZP_POOL"),
        ("AZDO_AGENT_NAME", "AZP_AGENT_NAME"),
    ] {
        let value = match ours {
            "AZDO_URL" => format!("{}/org", image.server.uri()),
            "AZDO_TOKEN" => image.token.clone(),
            "AZDO_POOL" => "Default".to_owned(),
            _ => "web-01".to_owned(),
        };
        image.unset(ours).set(theirs, &value);
    }
    image.run().await.expect_code(0);
    assert!(image.probed_environment("run.env").keys().all(|name| !name.starts_with("AZP_")));
}

#[tokio::test]
async fn a_token_file_must_be_closed_to_all_but_root_and_stays() {
    for (mode, owner, code) in
        [(0o600, 0, 0), (0o400, 0, 0), (0o640, 0, 64), (0o604, 0, 64), (0o600, UID, 64)]
    {
        let mut image = Image::new().await;
        let file = image.root().join("token");
        fs::write(&file, format!("{}\n", image.token)).unwrap();
        set_mode(&file, mode);
        chown(&file, Some(owner), None).unwrap();
        image.unset("AZDO_TOKEN").set("AZDO_TOKEN_FILE", file.to_str().unwrap());
        let finished = image.run().await.expect_code(code);
        if code == 64 {
            finished.says("AZDO_TOKEN_FILE: must be readable by root alone");
        } else {
            assert_eq!(image.probed_environment("configure.env")["VSTS_AGENT_INPUT_TOKEN"], image.token);
        }
        assert!(file.exists());
    }
}

#[tokio::test]
async fn a_variable_that_holds_the_token_is_not_passed_on() {
    let mut image = Image::new().await;
    let url = format!("https://x/?t={}", image.token);
    image.set("AZDO_PASS_ENV", "FEED").set("FEED", &url);
    image.run().await.expect_code(64).says("FEED: holds the token");
}

#[tokio::test]
async fn a_fatal_end_is_held_and_says_so() {
    let mut image = Image::new().await;
    image.set("AZDO_URL", "nonsense").set("AZDO_FATAL_HOLD", "2");
    let begin = Instant::now();
    let finished = image.run().await.expect_code(64);
    assert!(begin.elapsed().as_secs() >= 2, "{:?}", begin.elapsed());
    finished.says("holding for 2 s");
    assert_eq!(finished.lines().pop().unwrap()["holdSeconds"], 2);
}

#[tokio::test]
async fn a_stop_ends_the_hold() {
    let mut image = Image::new().await;
    image.set("AZDO_URL", "nonsense").set("AZDO_FATAL_HOLD", "600");
    let run = image.start();
    crate::image::eventually("the hold", || {
        // Its last line is out when the process sleeps in the hold: signals are waited for from then on.
        let process = crate::probe::process(run.pid())?;
        (process.state == "S" && image.root().join("var/lib/mayfly/started").exists()).then_some(())
    })
    .await;
    run.signal(nix::sys::signal::Signal::SIGTERM);
    run.finish().await.expect_code(64);
}

#[tokio::test]
async fn without_root_nothing_runs() {
    let mut image = Image::new().await;
    image
        .through(&["setpriv", "--reuid", "10001", "--regid", "10001", "--clear-groups"])
        .set("AZDO_FATAL_HOLD", "600");
    image.run().await.expect_code(64).says("not started as root");
}

#[tokio::test]
async fn an_image_file_that_others_may_write_is_refused() {
    let image = Image::new().await;
    set_mode(&image.root().join("etc/mayfly/image.json"), 0o666);
    image.run().await.expect_code(64).says("must be a regular file of root that nobody else may write");
}

#[tokio::test]
async fn arguments_are_refused() {
    for arguments in [&["run"][..], &["--token", "x"], &["--resume", "7"], &["--resume", "0"]] {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_mayfly-entrypoint"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
    }
    let help =
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_mayfly-entrypoint")).arg("--help").assert().success();
    let help = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    assert!(help.contains("AZDO_FATAL_HOLD") && help.contains("73  used writable layer"), "{help}");
}
