use sha2::{Digest, Sha256};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::build::tests::options;
use crate::report::Silent;

const BYTES: &[u8] = b"a package";

fn name(version: &str) -> String {
    format!("vsts-agent-linux-x64-{version}.tar.gz")
}

fn hash() -> String {
    hex::encode(Sha256::digest(BYTES))
}

fn offer(server: &MockServer, minor: u32, sha256: &str) -> serde_json::Value {
    let name = name(&format!("4.{minor}.0"));
    serde_json::json!({
        "version": {"major": 4, "minor": minor, "patch": 0}, "filename": name,
        "downloadUrl": format!("{}/{name}", server.uri()), "hashValue": sha256,
    })
}

/// An organization whose newest agent is 4.271.0, and that offers 4.270.0 with a hash, or no more.
async fn organization(newest: &str, locked: Option<&str>) -> MockServer {
    let server = MockServer::start().await;
    let list = serde_json::json!({"count": 1, "value": [offer(&server, 271, newest)]});
    let packages = "/o/_apis/distributedtask/packages/agent";
    let answer = ResponseTemplate::new(200).set_body_json(list);
    Mock::given(path(packages)).and(query_param("$top", "1")).respond_with(answer).mount(&server).await;
    let answer = match locked {
        Some(hash) => ResponseTemplate::new(200).set_body_json(offer(&server, 270, hash)),
        None => ResponseTemplate::new(404),
    };
    Mock::given(path(format!("{packages}/linux-x64/4.270.0"))).respond_with(answer).mount(&server).await;
    for version in ["4.270.0", "4.271.0"] {
        let answer = ResponseTemplate::new(200).set_body_bytes(BYTES);
        Mock::given(method("GET"))
            .and(path(format!("/{}", name(version))))
            .respond_with(answer)
            .mount(&server)
            .await;
    }
    server
}

fn with_lock(folder: &tempfile::TempDir, server: &MockServer, lock: Lock) -> BuildOptions {
    let url = format!("{}/o", server.uri()).parse().unwrap();
    BuildOptions {
        package: PackageSource::Organization { url, token: "planted".into() },
        lock,
        ..options(folder)
    }
}

fn lock_file(folder: &tempfile::TempDir, server: &MockServer) -> PathBuf {
    let file = folder.path().join("agent.lock.json");
    let locked = serde_json::json!({"linux": {
        "version": "4.270.0", "fileName": name("4.270.0"), "sha256": hash(),
        "url": format!("{}/{}", server.uri(), name("4.270.0")),
    }});
    fs_err::write(&file, locked.to_string()).unwrap();
    file
}

#[tokio::test]
async fn the_locked_package_is_taken_also_when_it_is_offered_no_more() {
    for offered in [Some(hash()), None] {
        let server = organization(&hash(), offered.as_deref()).await;
        let folder = tempfile::tempdir().unwrap();
        let options = with_lock(&folder, &server, Lock::Obey(lock_file(&folder, &server)));
        let (version, _, sha256) = obtain(find(&options).await.unwrap(), &options, &Silent).await.unwrap();
        assert_eq!((version.to_string(), sha256), ("4.270.0".to_owned(), hash()));
    }
}

#[tokio::test]
async fn another_hash_under_the_locked_version_is_refused_before_any_download() {
    let server = organization(&hash(), Some(&"0".repeat(64))).await;
    let folder = tempfile::tempdir().unwrap();
    let options = with_lock(&folder, &server, Lock::Obey(lock_file(&folder, &server)));
    let error = find(&options).await.err().unwrap();
    assert!(matches!(error, BuildError::Lock(lock::LockError::Conflict { .. })), "{error}");
    assert!(error.hint().is_some() && !folder.path().join("cache").exists());
}

#[tokio::test]
async fn the_lock_moves_once_the_newest_package_is_there_and_right() {
    let folder = tempfile::tempdir().unwrap();
    let server = organization(&"1".repeat(64), None).await;
    let file = lock_file(&folder, &server);
    let before = fs_err::read(&file).unwrap();
    let options = with_lock(&folder, &server, Lock::Move(file.clone()));
    let error = obtain(find(&options).await.unwrap(), &options, &Silent).await.unwrap_err();
    assert!(matches!(error, BuildError::Download(_)), "{error}");
    assert_eq!(fs_err::read(&file).unwrap(), before, "a package with a wrong hash is not locked");

    let server = organization(&hash(), None).await;
    let options = with_lock(&folder, &server, Lock::Move(file.clone()));
    let found = find(&options).await.unwrap();
    assert!(
        matches!(&found, Found::Offered { note: Some(note), .. } if note.contains("4.270.0 becomes 4.271.0"))
    );
    obtain(found, &options, &Silent).await.unwrap();
    assert!(fs_err::read_to_string(&file).unwrap().contains("4.271.0"));
}

#[tokio::test]
async fn without_a_lock_file_the_newest_is_taken_and_the_way_to_pin_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = organization(&hash(), None).await;
    let file = folder.path().join("agent.lock.json");
    let options = with_lock(&folder, &server, Lock::Obey(file.clone()));
    let found = find(&options).await.unwrap();
    assert!(matches!(&found, Found::Offered { note: Some(note), .. } if note.contains("--update")));
    let (version, _, _) = obtain(found, &options, &Silent).await.unwrap();
    assert_eq!(version.to_string(), "4.271.0");
    assert!(!file.exists(), "only --update writes it");
}
