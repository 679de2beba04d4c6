//! A stop of the container: what the agent is told, when, and how it all ends.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::image::{CONFIGURE, Image, Run, WAIT, eventually, eventually_exists};
use crate::probe;

/// An agent that says how far it is, goes on until it is interrupted or let go, and tells which of both it was.
fn listener(says: &[&str]) -> String {
    let words: Vec<String> = says.iter().map(|line| format!("echo 'now: {line}'")).collect();
    format!(
        r#"trap 'touch "$probe/interrupted"; exit 0' INT
trap 'touch "$probe/terminated"; exit 0' TERM
{}
touch "$probe/ready"
while ! [ -e "$probe/go" ]; do read -r -t 0.05 <> <(:) || :; done
touch "$probe/finished""#,
        words.join("\n")
    )
}

const IDLE: &[&str] = &["Listening for Jobs"];
const BUSY: &[&str] = &["Listening for Jobs", "Running job: one"];

/// Running, and with everything read that the agent said before it was ready.
async fn running(image: &Image) -> Run {
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    run
}

#[tokio::test]
async fn an_idle_agent_is_asked_to_end_and_it_is_75() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        let image = Image::new().await;
        image.agent(CONFIGURE, &listener(IDLE));
        let run = running(&image).await;
        run.signal(signal);
        run.finish().await.expect_code(75).says("stopped before a job ran");
        assert!(image.probe("interrupted").exists(), "{signal}");
    }
}

/// The agent alone hears of it, by the signal that gives it all the time it needs.
#[tokio::test]
async fn no_other_process_of_the_agent_is_signalled() {
    let image = Image::new().await;
    let worker = r#"bash -c 'trap "touch $0/worker-signalled; exit" TERM INT; touch $0/worker; while :; do read -r -t 0.05 <> <(:) || :; done' "$probe" &
while ! [ -e "$probe/worker" ]; do read -r -t 0.05 <> <(:) || :; done"#;
    image.agent(CONFIGURE, &format!("{worker}\n{}", listener(IDLE)));
    let run = running(&image).await;
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
    assert!(image.probe("interrupted").exists());
    assert!(!image.probe("terminated").exists() && !image.probe("worker-signalled").exists());
}

#[tokio::test]
async fn a_job_may_finish_in_its_time() {
    let mut image = Image::new().await;
    image.set("AZDO_STOP_LIMIT", "60").agent(CONFIGURE, &listener(BUSY));
    let run = running(&image).await;
    run.signal(Signal::SIGTERM);
    eventually("the signal is taken", || probe::pending_signals(run.pid()).is_empty().then_some(())).await;
    fs_err::write(image.probe("go"), "").unwrap();
    let finished = run.finish().await.expect_code(0);
    finished.says("it may go on for 60 s");
    assert!(image.probe("finished").exists() && !image.probe("interrupted").exists());
}

#[tokio::test]
async fn a_job_that_takes_longer_is_cancelled() {
    let mut image = Image::new().await;
    image.set("AZDO_STOP_LIMIT", "1").agent(CONFIGURE, &listener(BUSY));
    let run = running(&image).await;
    let begin = Instant::now();
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(76).says("the job did not finish in its time");
    assert!((1..15).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    assert!(image.probe("interrupted").exists());
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_the_job() {
    let mut image = Image::new().await;
    image.set("AZDO_STOP_LIMIT", "600").agent(CONFIGURE, &listener(BUSY));
    let run = running(&image).await;
    run.signal(Signal::SIGTERM);
    eventually("the signal is taken", || probe::pending_signals(run.pid()).is_empty().then_some(())).await;
    let begin = Instant::now();
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(76).says("stop asked for again");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert!(image.probe("interrupted").exists());
}

#[tokio::test]
async fn a_third_signal_kills_what_does_not_end() {
    let mut image = Image::new().await;
    let deaf = r#"trap '' INT TERM
echo 'now: Running job: one'
touch "$probe/ready"
while :; do read -r -t 0.05 <> <(:) || :; done"#;
    image.set("AZDO_STOP_LIMIT", "600").agent(CONFIGURE, deaf);
    let run = running(&image).await;
    for _ in 0..3 {
        run.signal(Signal::SIGTERM);
        eventually("the signal is taken", || probe::pending_signals(run.pid()).is_empty().then_some(()))
            .await;
    }
    run.finish().await.expect_code(76).says("killing the agent");
}

#[tokio::test]
async fn an_agent_that_opens_its_session_is_told_when_it_has_it() {
    let image = Image::new().await;
    let slow = format!(
        r#"trap 'touch "$probe/too-early"; exit 0' INT
touch "$probe/opening"
while ! [ -e "$probe/session" ]; do read -r -t 0.05 <> <(:) || :; done
{}"#,
        listener(IDLE)
    );
    image.agent(CONFIGURE, &slow);
    let run = image.start();
    eventually_exists(image.probe("opening")).await;
    run.signal(Signal::SIGTERM);
    eventually("the signal is taken", || probe::pending_signals(run.pid()).is_empty().then_some(())).await;
    fs_err::write(image.probe("session"), "").unwrap();
    run.finish().await.expect_code(75).says("the agent has its session: telling it to end");
    assert!(image.probe("interrupted").exists() && !image.probe("too-early").exists());
}

/// Told at the very end of the registration, when nobody listens for it any more: no listener is started at all.
#[tokio::test]
async fn a_stop_between_registration_and_listener_is_not_lost() {
    let image = Image::new().await;
    image.agent(
        &format!("{CONFIGURE}\ntouch \"$probe/ready\"\nwhile ! [ -e \"$probe/go\" ]; do read -r -t 0.05 <> <(:) || :; done"),
        &listener(IDLE),
    );
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    // Held still, so that the end of the registration and the signal are there together when it goes on.
    run.signal(Signal::SIGSTOP);
    fs_err::write(image.probe("go"), "").unwrap();
    eventually("the registration ended", || {
        let children = probe::processes().into_iter().filter(|process| process.parent == run.pid());
        children.into_iter().all(|process| process.state == "Z").then_some(())
    })
    .await;
    run.signal(Signal::SIGTERM);
    run.signal(Signal::SIGCONT);
    run.finish().await.expect_code(75);
    assert!(!image.probe("finished").exists() && !image.probe("interrupted").exists());
}

/// A listener that fails before a job tells why in its own log, and nobody else can read it there.
#[tokio::test]
async fn a_failed_listener_shows_the_end_of_its_log_without_keys() {
    let image = Image::new().await;
    let key = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln";
    let fails = format!(
        "mkdir -p _diag; echo '[ERR Agent] VS30063: not authorized, bearer {key}' > _diag/Agent_20260101-000000-utc.log; exit 2"
    );
    image.agent(CONFIGURE, &fails);
    let finished = image.run().await.expect_code(70);
    finished.says("| [ERR Agent] VS30063: not authorized, bearer ***");
    assert!(!finished.stderr.contains(key));
}

/// The registration's log may even hold the token: the agent that wrote it had it.
#[tokio::test]
async fn a_failed_registration_shows_the_end_of_its_log_without_the_token() {
    let image = Image::new().await;
    let fails = r#"mkdir -p _diag
{ echo "[ERR Cfg] refused: $VSTS_AGENT_INPUT_TOKEN"; printf '[ERR Cfg] Basic '; printf ":$VSTS_AGENT_INPUT_TOKEN" | base64 -w0; echo; } > _diag/Agent_20260101-000000-utc.log
exit 1"#;
    image.agent(fails, WAIT);
    let finished = image.run().await.expect_code(70);
    finished.says("| [ERR Cfg] refused: ***");
    finished.says("| [ERR Cfg] Basic ***");
}

/// Control: after a job nothing of that folder is shown, since the job could have written anything into it.
#[tokio::test]
async fn nothing_that_a_job_could_write_is_shown() {
    let image = Image::new().await;
    let fails =
        "mkdir -p _diag; echo forged > _diag/Agent_20260101-000000-utc.log; echo 'Running job: one'; exit 2";
    image.agent(CONFIGURE, fails);
    let finished = image.run().await.expect_code(70);
    assert!(!finished.stderr.contains("forged"), "{}", finished.stderr);
}
