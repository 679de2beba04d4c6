//! `AZDO_HEALTH`: the process itself answers, whoever asks and however badly.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::image::{CONFIGURE, Image, eventually, eventually_exists};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Status and body, or nothing where nobody answers.
fn ask(port: u16) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

async fn says(port: u16, status: u16, state: &str) {
    eventually(&format!("{status} {state}"), || {
        ask(port).filter(|(code, body)| *code == status && body.contains(&format!("\"state\":\"{state}\"")))
    })
    .await;
}

/// Goes on one step for each file that the test writes.
const STEPS: &str = r#"trap 'while ! [ -e "$probe/leave" ]; do read -r -t 0.05 <> <(:) || :; done; exit 0' INT
step() { while ! [ -e "$probe/$1" ]; do read -r -t 0.05 <> <(:) || :; done; }
touch "$probe/ready"; step listen; echo 'now: Listening for Jobs'; step work; echo 'now: Running job: one'; step never"#;

#[tokio::test]
async fn it_follows_the_agent_through_its_life() {
    let mut image = Image::new().await;
    let port = free_port();
    image.set("AZDO_HEALTH", &format!("127.0.0.1:{port}")).set("AZDO_STOP_LIMIT", "600");
    let wait = r#"while ! [ -e "$probe/configure" ]; do read -r -t 0.05 <> <(:) || :; done"#;
    image.agent(&format!("{wait}\n{CONFIGURE}"), STEPS);
    let run = image.start();
    says(port, 503, "registering").await;
    fs_err::write(image.probe("configure"), "").unwrap();
    eventually_exists(image.probe("ready")).await;
    says(port, 503, "starting").await;
    fs_err::write(image.probe("listen"), "").unwrap();
    says(port, 200, "listening").await;
    fs_err::write(image.probe("work"), "").unwrap();
    says(port, 200, "running").await;
    let (_, body) = ask(port).unwrap();
    assert!(body.contains("web-01") && !body.contains(&image.token), "{body}");
    run.signal(Signal::SIGTERM);
    says(port, 503, "draining").await;
    fs_err::write(image.probe("leave"), "").unwrap();
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(76);
}

/// Whoever connects and says nothing keeps neither the agent's output nor its end from being seen.
#[tokio::test]
async fn silent_clients_do_not_disturb_the_supervision() {
    let mut image = Image::new().await;
    let port = free_port();
    image.set("AZDO_HEALTH", &format!("127.0.0.1:{port}"));
    image.agent(CONFIGURE, STEPS);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    let silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    fs_err::write(image.probe("listen"), "").unwrap();
    says(port, 200, "listening").await;
    fs_err::write(image.probe("leave"), "").unwrap();
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
    drop(silent);
}

#[tokio::test]
async fn an_address_that_is_taken_is_bad_configuration() {
    let mut image = Image::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    image.set("AZDO_HEALTH", &taken.local_addr().unwrap().to_string());
    image.run().await.expect_code(64).says("AZDO_HEALTH: cannot listen at");
}

/// Control: without the variable the process listens nowhere.
#[tokio::test]
async fn it_is_off_by_default() {
    let image = Image::new().await;
    image.agent(CONFIGURE, STEPS);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    let sockets = fs_err::read_dir(format!("/proc/{}/fd", run.pid())).unwrap().flatten();
    let sockets = sockets.filter_map(|entry| fs_err::read_link(entry.path()).ok());
    let sockets: Vec<_> = sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect();
    assert!(sockets.is_empty(), "{sockets:?}");
    fs_err::write(image.probe("leave"), "").unwrap();
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
}
