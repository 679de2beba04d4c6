//! From registration to the end of the one job.

use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::image::{CONFIGURE, Image, RUN, WAIT, eventually, eventually_exists};
use crate::probe;

#[tokio::test]
async fn one_job_from_start_to_end() {
    let image = Image::new().await;
    let finished = image.run().await.expect_code(0);
    let lines = finished.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (start, end) = (&lines[0], &lines[1]);
    assert_eq!(start["event"], "start");
    assert_eq!(start["agent"], "web-01");
    assert_eq!(start["agentId"], 7);
    assert_eq!(start["pool"], "Default");
    assert_eq!(start["url"], format!("{}/org", image.server.uri()));
    assert_eq!(start["image"], "registry/agent@sha256:1234");
    assert_eq!(start["container"], fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    assert!(start["started"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(
        (&end["agent"], &end["agentId"], &end["reason"]),
        (&json!("web-01"), &json!(7), &json!("the listener ended"))
    );
    assert!(end["durationSeconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(image.probed("run.arguments"), "run\n--once\n");
    // What the agent prints is in the log, with the token masked.
    finished.says("configured with ***");
    finished.says("Running job: one");
}

#[tokio::test]
async fn the_registration_gets_its_arguments_by_environment() {
    let mut image = Image::new().await;
    let work = image.root().join("elsewhere/work");
    image.set("AZDO_WORK", work.to_str().unwrap());
    image.run().await.expect_code(0);
    let environment = image.probed_environment("configure.env");
    let inputs: Vec<(&str, &str)> = environment
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("VSTS_AGENT_INPUT_")?, value.as_str())))
        .collect();
    let url = format!("{}/org", image.server.uri());
    assert_eq!(
        inputs,
        [
            ("ACCEPTTEEEULA", "true"),
            ("AGENT", "web-01"),
            ("AUTH", "PAT"),
            ("POOL", "Default"),
            ("REPLACE", "true"),
            ("TOKEN", image.token.as_str()),
            ("UNATTENDED", "true"),
            ("URL", url.as_str()),
            ("WORK", work.to_str().unwrap()),
        ]
    );
    assert!(work.is_dir());
}

#[tokio::test]
async fn a_failed_registration_is_70_and_shows_why() {
    let image = Image::new().await;
    image.agent(r#"echo "no luck with $VSTS_AGENT_INPUT_TOKEN" >&2; exit 1"#, RUN);
    let finished = image.run().await.expect_code(70);
    finished.says("no luck with ***");
    finished.says("the registration of the agent failed (exit code 1)");
    assert!(!image.probe("run.env").exists());
    assert_eq!(finished.lines().len(), 1);
}

#[tokio::test]
async fn a_registration_that_spins_is_killed_with_all_of_its_processes() {
    let mut image = Image::new().await;
    let mark = format!("98{}.5", std::process::id());
    image.agent(&format!("trap '' TERM\nsleep {mark} &\nsetsid sleep {mark} &\nwhile :; do :; done"), RUN);
    image.set("AZDO_CONFIG_TIMEOUT", "1");
    let begin = Instant::now();
    image.run().await.expect_code(70).says("did not end within 1 s and was killed");
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    assert!(probe::with_argument(&mark).is_empty());
}

#[tokio::test]
async fn a_registration_leaves_no_process_to_the_job() {
    let image = Image::new().await;
    let mark = format!("97{}.5", std::process::id());
    let configure = format!("{CONFIGURE}\nsetsid sleep {mark} > /dev/null 2>&1 &");
    image.agent(&configure, WAIT);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    assert!(probe::with_argument(&mark).is_empty());
    fs_err::write(image.probe("go"), "").unwrap();
    run.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_listener_that_fails_is_70() {
    for (script, text) in [
        ("exit 2", "the listener failed (exit code 2)"),
        ("exit 4", "the server wants a newer agent"),
        ("kill -9 $$", "the listener failed (signal 9)"),
    ] {
        let image = Image::new().await;
        image.agent(CONFIGURE, script);
        let finished = image.run().await.expect_code(70);
        finished.says(text);
        assert_eq!(finished.lines().len(), 2);
    }
}

#[tokio::test]
async fn a_stop_during_the_registration_is_75_and_kills_it() {
    let image = Image::new().await;
    image.agent(WAIT, RUN);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
    assert!(!image.probe("run.env").exists());
}

/// Output that is not a whole line, and much of it, does not disturb the last line.
#[tokio::test]
async fn output_of_the_agent_stays_off_stdout() {
    let image = Image::new().await;
    image.agent(CONFIGURE, r#"head -c 300000 /dev/zero | tr '\0' x; echo; echo '{"event":"end","exitCode":99}'; printf unfinished"#);
    let finished = image.run().await.expect_code(0);
    assert_eq!(finished.lines().len(), 2);
    finished.says("unfinished\n");
    assert_eq!(finished.stderr.matches('x').count() / 1000, 300);
}

#[tokio::test]
async fn orphans_are_adopted_and_collected() {
    let image = Image::new().await;
    let orphans = r#"for i in 1 2 3 4 5 6 7 8; do
  ( ( while read -r _ _ _ parent _ < /proc/$BASHPID/stat && [ "$parent" != "$PPID" ]; do :; done; echo $parent >> "$probe/adopted" ) & )
done"#;
    image.agent(CONFIGURE, &format!("{orphans}\n{WAIT}"));
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    let adopted = eventually("eight adopted orphans", || {
        let text = fs_err::read_to_string(image.probe("adopted")).ok()?;
        (text.lines().count() == 8).then_some(text)
    })
    .await;
    assert!(adopted.lines().all(|parent| parent == run.pid().to_string()), "{adopted}");
    eventually("no zombie", || {
        let ours = probe::processes().into_iter().filter(|process| process.parent == run.pid());
        (ours.filter(|process| process.state == "Z").count() == 0).then_some(())
    })
    .await;
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
}

/// A job's process that left the group, ignores signals and holds the agent's output open.
fn survivor(mark: &str) -> String {
    format!("setsid bash -c 'trap \"\" TERM HUP; exec sleep {mark}' &\n{RUN}")
}

#[tokio::test]
async fn survivors_of_the_job_end_with_it() {
    let image = Image::new().await;
    let mark = format!("96{}.5", std::process::id());
    image.agent(CONFIGURE, &survivor(&mark));
    let begin = Instant::now();
    image.run().await.expect_code(0);
    assert!(begin.elapsed().as_secs() < 20);
    assert!(probe::with_argument(&mark).is_empty());
}

/// In a process namespace of its own the binary is PID 1, as in a container, and the kernel does the killing.
#[tokio::test]
async fn as_pid_1_it_ends_with_the_listener() {
    let mut image = Image::new().await;
    let mark = format!("95{}.5", std::process::id());
    image.agent(CONFIGURE, &survivor(&mark));
    image.through(&["unshare", "--pid", "--fork", "--mount-proc"]);
    let finished = image.run().await.expect_code(0);
    assert_eq!(finished.lines().len(), 2);
    eventually("no survivor", || probe::with_argument(&mark).is_empty().then_some(())).await;
}
