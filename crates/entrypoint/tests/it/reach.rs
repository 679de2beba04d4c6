//! `--reach`, the readiness probe.

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use wiremock::MockServer;

fn reach(url: &str) -> Option<i32> {
    let output = Command::new(env!("CARGO_BIN_EXE_mayfly-entrypoint"))
        .args(["--reach", url])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    output.status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_status_counts_as_there() {
    let server = MockServer::start().await;
    assert_eq!(reach(&server.uri()), Some(0), "the server answers 404 to all");
}

#[test]
fn nobody_there_is_69() {
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    assert_eq!(reach(&format!("http://{address}/")), Some(69));
}

/// Accepts connections and never answers: the time limit must end it.
#[test]
fn silence_is_69_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let begin = Instant::now();
    assert_eq!(reach(&format!("http://{}/", silent.local_addr().unwrap())), Some(69));
    assert!((4..10).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

#[test]
fn nonsense_is_64() {
    assert_eq!(reach("nonsense"), Some(64));
    assert_eq!(reach("ftp://127.0.0.1/"), Some(64));
}
