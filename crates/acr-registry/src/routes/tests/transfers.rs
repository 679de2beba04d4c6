//! Blobs on their way in and out.

use reqwest::{Body, Method, Response};

use crate::digest::Digest;
use crate::scene::{Scene, check_refused};

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn begin(scene: &Scene, repository: &str) -> String {
    let answer = scene.admin(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(header(&answer, "range"), "0-0");
    let location = header(&answer, "location").to_owned();
    assert!(location.ends_with(header(&answer, "docker-upload-uuid")), "{location}");
    location
}

async fn check_blob(scene: &Scene, repository: &str, content: &[u8]) {
    let path = format!("/v2/{repository}/blobs/{}", Digest::of(content));
    let answer = scene.admin(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), content);
}

fn uploads_left(scene: &Scene) -> usize {
    fs_err::read_dir(scene.folder.path().join("mayflytest/uploads")).unwrap().count()
}

#[tokio::test]
async fn a_blob_arrives_in_one_request_or_in_two() {
    let scene = Scene::new().await;
    scene.blob("a", b"in one").await;
    check_blob(&scene, "a", b"in one").await;

    let location = begin(&scene, "a").await;
    let digest = Digest::of(b"in two");
    let put = scene.admin(Method::PUT, &format!("{location}?digest={digest}")).body("in two");
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "location"), format!("/v2/a/blobs/{digest}"));
    assert_eq!(header(&answer, "docker-content-digest"), digest.to_string());
    check_blob(&scene, "a", b"in two").await;
    scene.blob("a", b"in two").await;
    assert_eq!(uploads_left(&scene), 0);
}

#[tokio::test]
async fn chunks_must_follow_each_other() {
    let scene = Scene::new().await;
    let location = begin(&scene, "a").await;
    let patch = |range: &str, body: &'static str| {
        scene.admin(Method::PATCH, &location).header("content-range", range).body(body)
    };
    let answer = patch("0-3", "0123").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "range")), (202, "0-3"));
    // A gap, an overlap, and a chunk that is not as long as it says.
    for range in ["5-8", "3-6", "0-3"] {
        let answer = patch(range, "4567").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "range")), (416, "0-3"), "{range}");
        assert_eq!(header(&answer, "location"), location);
    }
    check_refused(patch("4-9", "4567"), 400, "SIZE_INVALID").await;
    for range in ["x", "4", "7-4", "bytes 4-"] {
        check_refused(patch(range, "4567"), 400, "BLOB_UPLOAD_INVALID").await;
    }
    let status = scene.admin(Method::GET, &location).send().await.unwrap();
    assert_eq!((status.status().as_u16(), header(&status, "range")), (204, "0-3"));
    assert_eq!(patch("4-7", "4567").send().await.unwrap().status(), 202);
    let digest = Digest::of(b"0123456789");
    let put = scene.admin(Method::PUT, &format!("{location}?digest={digest}"));
    assert_eq!(put.header("content-range", "8-9").body("89").send().await.unwrap().status(), 201);
    check_blob(&scene, "a", b"0123456789").await;
}

#[tokio::test]
async fn a_stream_without_a_length_is_taken_and_goes_on_after_a_break() {
    let scene = Scene::new().await;
    let location = begin(&scene, "a").await;
    let piece = vec![7_u8; 300_000];
    let pieces = |count: usize| {
        let piece = piece.clone();
        Body::wrap_stream(futures_util::stream::iter(
            (0..count).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
        ))
    };
    let answer = scene.admin(Method::PATCH, &location).body(pieces(3)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "range")), (202, "0-899999"));

    // The client dies in the middle: what arrived may stay, and the status tells how much that is.
    let broken =
        futures_util::stream::iter([Ok(piece.clone()), Err(std::io::Error::other("the client dies"))]);
    let sent = scene.admin(Method::PATCH, &location).body(Body::wrap_stream(broken)).send().await;
    assert!(sent.is_err());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut received;
    loop {
        // The server may still be busy with the dead client's request; only its own view of the size counts.
        let status = scene.admin(Method::GET, &location).send().await.unwrap();
        let range = header(&status, "range").to_owned();
        received = range.strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
        let probe =
            scene.admin(Method::PATCH, &location).header("content-range", format!("{received}-{received}"));
        let answer = probe.body(vec![7_u8]).send().await.unwrap();
        if answer.status() == 202 {
            received += 1;
            break;
        }
        assert!(std::time::Instant::now() < deadline, "last answer: {}", answer.status());
    }
    assert!((900_001..=1_200_001).contains(&received), "{received}");
    let whole = vec![7_u8; received];
    let put = scene.admin(Method::PUT, &format!("{location}?digest={}", Digest::of(&whole)));
    assert_eq!(put.send().await.unwrap().status(), 201);
    check_blob(&scene, "a", &whole).await;
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let scene = Scene::new().await;
    let location = begin(&scene, "a").await;
    let wrong = Digest::of(b"something else");
    let put = |query: &str| scene.admin(Method::PUT, &format!("{location}{query}")).body("content");
    check_refused(put(""), 400, "DIGEST_INVALID").await;
    check_refused(put("?digest=md5:12"), 400, "DIGEST_INVALID").await;
    assert_eq!(uploads_left(&scene), 1, "control: the upload is there");
    check_refused(put(&format!("?digest={wrong}")), 400, "DIGEST_INVALID").await;
    check_refused(scene.admin(Method::GET, &location), 404, "BLOB_UPLOAD_UNKNOWN").await;
    let one = scene.admin(Method::POST, &format!("/v2/a/blobs/uploads/?digest={wrong}")).body("content");
    check_refused(one, 400, "DIGEST_INVALID").await;
    assert_eq!(uploads_left(&scene), 0);
    check_refused(scene.admin(Method::GET, &format!("/v2/a/blobs/{wrong}")), 404, "BLOB_UNKNOWN").await;
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository_and_can_be_given_up() {
    let scene = Scene::new().await;
    let location = begin(&scene, "a").await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    check_refused(scene.admin(Method::PATCH, &elsewhere).body("x"), 404, "BLOB_UPLOAD_UNKNOWN").await;
    assert_eq!(scene.admin(Method::DELETE, &location).send().await.unwrap().status(), 204);
    check_refused(scene.admin(Method::PATCH, &location).body("x"), 404, "BLOB_UPLOAD_UNKNOWN").await;
    assert_eq!(uploads_left(&scene), 0);
}

#[tokio::test]
async fn a_blob_is_read_through_repositories_that_have_it() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"shared").await;
    check_refused(scene.admin(Method::GET, &format!("/v2/b/blobs/{digest}")), 404, "BLOB_UNKNOWN").await;
    let mount =
        |from: &str| scene.admin(Method::POST, &format!("/v2/b/blobs/uploads/?mount={digest}&from={from}"));
    // What cannot be mounted is uploaded.
    assert_eq!(mount("nowhere").send().await.unwrap().status(), 202);
    check_refused(mount("NOWHERE"), 400, "NAME_INVALID").await;
    let answer = mount("a").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "location"), format!("/v2/b/blobs/{digest}"));
    check_blob(&scene, "b", b"shared").await;

    let delete = |repository: &str| scene.admin(Method::DELETE, &format!("/v2/{repository}/blobs/{digest}"));
    assert_eq!(delete("a").send().await.unwrap().status(), 202);
    check_refused(delete("a"), 404, "BLOB_UNKNOWN").await;
    check_blob(&scene, "b", b"shared").await;
    assert_eq!(delete("b").send().await.unwrap().status(), 202);
    let file = scene.folder.path().join("mayflytest/blobs").join(digest.hex());
    assert!(!file.exists(), "the last repository takes the file with it");
}

#[tokio::test]
async fn a_part_of_a_blob_can_be_read() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let get = async |range: &str| {
        let answer = scene.admin(Method::GET, &path).header("range", range).send().await.unwrap();
        let (status, range) = (answer.status().as_u16(), header(&answer, "content-range").to_owned());
        (status, range, answer.text().await.unwrap())
    };
    assert_eq!(get("bytes=2-4").await, (206, "bytes 2-4/10".into(), "234".into()));
    assert_eq!(get("bytes=-2").await, (206, "bytes 8-9/10".into(), "89".into()));
    let (status, range, _) = get("bytes=10-").await;
    assert_eq!((status, range.as_str()), (416, "bytes */10"));
    let head = scene.admin(Method::HEAD, &path).send().await.unwrap();
    assert_eq!((header(&head, "content-length"), header(&head, "accept-ranges")), ("10", "bytes"));
    assert_eq!(header(&head, "docker-content-digest"), digest.to_string());
}
