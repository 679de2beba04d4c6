use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header as has_header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const QUICK: Patience = Patience { attempts: 3, pause: Duration::from_millis(1) };
const NAME: &str = "vsts-agent-linux-x64-4.270.0.tar.gz";

#[derive(Default)]
struct Heard {
    steps: Mutex<Vec<String>>,
    done: AtomicU64,
}

impl Reporter for Heard {
    fn step(&self, message: &str) {
        self.steps.lock().unwrap().push(message.to_owned());
    }
    fn log(&self, _: &str) {}
    fn progress(&self, done: u64, _: Option<u64>) {
        self.done.store(done, Ordering::SeqCst);
    }
}

fn archive() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn package(base: &str) -> AgentPackage {
    AgentPackage {
        version: "4.270.0".parse().unwrap(),
        file_name: NAME.into(),
        download_url: format!("{base}/{NAME}").parse().unwrap(),
        sha256: hex::encode(Sha256::digest(archive())),
    }
}

async fn get(base: &str, cache: &TempDir) -> (Result<PathBuf, DownloadError>, Heard) {
    let heard = Heard::default();
    let result = fetch(&package(base), cache.path(), None, QUICK, &heard).await;
    (result, heard)
}

/// Names in the cache, without lock files.
fn left(cache: &TempDir) -> Vec<String> {
    let folder = fs_err::read_dir(cache.path().join("packages")).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.strip_suffix(".lock").is_none());
    names.sort();
    names
}

#[tokio::test]
async fn a_package_is_downloaded_once() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_bytes(archive());
    Mock::given(method("GET")).respond_with(answer).expect(1).mount(&server).await;
    let cache = tempfile::tempdir().unwrap();
    let (first, heard) = get(&server.uri(), &cache).await;
    assert_eq!(fs_err::read(first.unwrap()).unwrap(), archive());
    assert_eq!(heard.done.load(Ordering::SeqCst), archive().len() as u64);
    let (second, heard) = get(&server.uri(), &cache).await;
    second.unwrap();
    assert!(heard.steps.lock().unwrap()[0].contains("in the cache"));
    assert_eq!(left(&cache), [NAME]);
}

#[tokio::test]
async fn two_at_a_time_download_once() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_bytes(archive()).set_delay(Duration::from_millis(100));
    Mock::given(method("GET")).respond_with(answer).expect(1).mount(&server).await;
    let cache = tempfile::tempdir().unwrap();
    let base = server.uri();
    let ((one, _), (two, _)) = tokio::join!(get(&base, &cache), get(&base, &cache));
    assert_eq!(one.unwrap(), two.unwrap());
}

#[tokio::test]
async fn a_wrong_hash_leaves_nothing_and_a_changed_cache_is_replaced() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_string("something else");
    let wrong = Mock::given(method("GET")).respond_with(answer).mount_as_scoped(&server).await;
    let cache = tempfile::tempdir().unwrap();
    let (result, _) = get(&server.uri(), &cache).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DownloadError::Hash { .. }) && !error.is_retryable(), "{error}");
    assert!(left(&cache).is_empty(), "{:?}", left(&cache));
    drop(wrong);

    fs_err::write(cache.path().join("packages").join(NAME), "half a file").unwrap();
    let answer = ResponseTemplate::new(200).set_body_bytes(archive());
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    let (result, heard) = get(&server.uri(), &cache).await;
    assert_eq!(fs_err::read(result.unwrap()).unwrap(), archive());
    assert!(heard.steps.lock().unwrap()[0].contains("replacing it"));
}

#[tokio::test]
async fn answers_that_are_no_archive_are_refused() {
    let cases = [
        (ResponseTemplate::new(404), false),
        (ResponseTemplate::new(500), true),
        (ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), false),
        (ResponseTemplate::new(206).set_body_string("x"), true),
    ];
    for (answer, retryable) in cases {
        let server = MockServer::start().await;
        let times = if retryable { 3 } else { 1 };
        Mock::given(method("GET")).respond_with(answer).expect(times).mount(&server).await;
        let cache = tempfile::tempdir().unwrap();
        let (result, _) = get(&server.uri(), &cache).await;
        let error = result.unwrap_err();
        assert!(matches!(error, DownloadError::Refused { .. }), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(left(&cache).is_empty());
    }
}

/// Serves the archive and hangs up after `cut` bytes, again and again. Honours ranges only while `etag` holds.
async fn cutting(etag: &'static str, cut: usize, ranges: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let mut read = 0;
            while !request[..read].windows(4).any(|end| end == b"\r\n\r\n") {
                read += stream.read(&mut request[read..]).await.unwrap();
            }
            let head = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
            let header = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            let range = header("range:").unwrap_or_default();
            ranges.lock().unwrap().push(range.clone());
            let body = archive();
            let start: usize = range
                .strip_prefix("bytes=")
                .filter(|_| header("if-range:").as_deref() == Some(etag))
                .and_then(|range| range.trim_end_matches('-').parse().ok())
                .unwrap_or(0);
            let rest = &body[start..];
            let status = if start > 0 {
                format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{}/{}",
                    body.len() - 1,
                    body.len()
                )
            } else {
                "200 OK".to_owned()
            };
            let head = format!("HTTP/1.1 {status}\r\nETag: {etag}\r\nContent-Length: {}\r\n\r\n", rest.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&rest[..rest.len().min(cut)]).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    base
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let base = cutting("\"v1\"", 300_000, ranges.clone()).await;
    let cache = tempfile::tempdir().unwrap();
    let (result, _) = get(&base, &cache).await;
    assert_eq!(fs_err::read(result.unwrap()).unwrap(), archive());
    let ranges = ranges.lock().unwrap().clone();
    assert_eq!(ranges, ["", "bytes=300000-", "bytes=600000-"], "each try asks for the rest alone");
    assert_eq!(left(&cache), [NAME]);
}

#[tokio::test]
async fn a_later_run_takes_up_what_an_earlier_one_left() {
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let base = cutting("\"v1\"", 200_000, ranges.clone()).await;
    let cache = tempfile::tempdir().unwrap();
    let (result, _) = get(&base, &cache).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DownloadError::Broken { done: 600_000, .. }), "{error}");
    assert_eq!(
        left(&cache),
        [format!("{NAME}.part"), format!("{NAME}.part.json")],
        "half a file is not a package"
    );
    let (result, _) = get(&base, &cache).await;
    assert_eq!(fs_err::read(result.unwrap()).unwrap(), archive());
    assert_eq!(ranges.lock().unwrap().last().unwrap(), "bytes=600000-");
}

#[tokio::test]
async fn a_weak_tag_is_no_ground_to_join_bytes() {
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let base = cutting("W/\"v1\"", 300_000, ranges.clone()).await;
    let cache = tempfile::tempdir().unwrap();
    let (result, _) = get(&base, &cache).await;
    assert!(matches!(result.unwrap_err(), DownloadError::Broken { .. }));
    assert_eq!(*ranges.lock().unwrap(), ["", "", ""], "each try starts over");
}

#[tokio::test]
async fn a_server_that_ignores_the_range_is_read_from_the_start() {
    let server = MockServer::start().await;
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("packages");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::write(folder.join(format!("{NAME}.part")), "old bytes").unwrap();
    let wanted = package(&server.uri());
    let state =
        PartState { url: wanted.download_url, sha256: wanted.sha256, validator: Some("\"old\"".into()) };
    fs_err::write(folder.join(format!("{NAME}.part.json")), serde_json::to_vec(&state).unwrap()).unwrap();
    Mock::given(method("GET"))
        .and(has_header("range", "bytes=9-"))
        .and(has_header("if-range", "\"old\""))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(archive()))
        .expect(1)
        .mount(&server)
        .await;
    let (result, _) = get(&server.uri(), &cache).await;
    assert_eq!(fs_err::read(result.unwrap()).unwrap(), archive());
}
