//! Agent packages: metadata and download in pieces.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Ask, BASE, Server, quick};

const LIST: &str = "/_apis/distributedtask/packages/agent";

async fn server(folder: &tempfile::TempDir) -> Server {
    let files = ["linux-x64-4.270.0.tar.gz", "linux-x64-4.271.1.tar.gz", "win-x64-4.270.0.zip"];
    let paths = files.map(|name| folder.path().join(format!("vsts-agent-{name}")));
    for path in &paths {
        fs_err::write(path, format!("bytes of {}", path.file_name().unwrap().display())).unwrap();
    }
    Server::start_with(quick(), paths.to_vec()).await
}

#[tokio::test]
async fn packages_are_listed_newest_first_and_by_platform() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let newest = server.get(&format!("{LIST}?platform=linux-x64&$top=1")).await;
    let path = "_packages/agent/4.271.1/vsts-agent-linux-x64-4.271.1.tar.gz";
    let content = "bytes of vsts-agent-linux-x64-4.271.1.tar.gz";
    assert_eq!(newest["count"], 1);
    let package = &newest["value"][0];
    assert_eq!(package["version"], json!({"major": 4, "minor": 271, "patch": 1}));
    assert_eq!(package["downloadUrl"], format!("{BASE}/{path}"));
    assert_eq!(package["hashValue"], hex::encode(digest(&SHA256, content.as_bytes())));
    assert_eq!(package["filename"], "vsts-agent-linux-x64-4.271.1.tar.gz");

    let count = async |query: &str| server.get(&format!("{LIST}{query}")).await["count"].clone();
    assert_eq!(count("").await, 3);
    assert_eq!(count("?platform=linux-x64&top=5").await, 2);
    assert_eq!(count("/linux-x64?$top=1").await, 1);
    assert_eq!(count("?platform=osx-arm64").await, 0);
    let one: Value = server.get(&format!("{LIST}/win-x64/4.270.0")).await;
    assert_eq!(one["filename"], "vsts-agent-win-x64-4.270.0.zip");
    let none = server.as_user(Method::GET, &format!("{LIST}/win-x64/1.0.0")).answer().await;
    none.refused(404, "VssResourceNotFoundException");
    server.anonymous(Method::GET, LIST).answer().await.refused(401, "UnauthorizedRequestException");
}

#[tokio::test]
async fn an_archive_comes_whole_or_in_the_range_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let url = server.get(&format!("{LIST}?platform=win-x64")).await["value"][0]["downloadUrl"].clone();
    let path = url.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
    let content = "bytes of vsts-agent-win-x64-4.270.0.zip";
    // As the real download site, without a credential.
    let whole = server.anonymous(Method::GET, &path).answer().await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, content));
    assert_eq!(whole.header("content-length"), content.len().to_string());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let tag = whole.header("etag").to_owned();
    let range = |range: &str| server.anonymous(Method::GET, &path).header("range", range.to_owned());
    let rest = range("bytes=6-").header("if-range", &tag).answer().await;
    assert_eq!((rest.status.as_u16(), rest.text.as_str()), (206, &content[6..]));
    assert_eq!(rest.header("content-range"), format!("bytes 6-{}/{}", content.len() - 1, content.len()));
    let changed = range("bytes=6-").header("if-range", "\"other\"").answer().await;
    assert_eq!((changed.status.as_u16(), changed.text.as_str()), (200, content));
    let past = range("bytes=900-").answer().await;
    assert_eq!(
        (past.status.as_u16(), past.header("content-range")),
        (416, &*format!("bytes */{}", content.len()))
    );
    let head = server.anonymous(Method::HEAD, &path).answer().await;
    assert_eq!(head.header("content-length"), content.len().to_string());
    let none =
        server.anonymous(Method::GET, "/_packages/agent/4.270.0/..%2F..%2Fetc%2Fpasswd").answer().await;
    none.refused(404, "VssResourceNotFoundException");
}
