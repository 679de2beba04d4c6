//! "Pull".

use reqwest::Method;

use crate::scene::{IMAGE, Scene, code, header, sha256};

#[tokio::test]
async fn get_of_the_base_must_answer_200() {
    let scene = Scene::new().await;
    let answer = scene.get("/v2/").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn get_of_a_manifest_must_answer_200_with_the_manifest_and_its_digest() {
    let scene = Scene::new().await;
    let (text, digest) = scene.image("team/agent", "v1").await;
    for reference in ["v1", digest.as_str()] {
        let answer = scene.get(&format!("/v2/team/agent/manifests/{reference}")).await;
        assert_eq!(answer.status(), 200, "{reference}");
        assert_eq!(header(&answer, "docker-content-digest"), digest);
        assert_eq!(header(&answer, "content-type"), IMAGE, "as it was pushed, without parameters");
        assert_eq!(answer.text().await.unwrap(), text);
    }
}

#[tokio::test]
async fn get_of_a_manifest_that_is_not_there_must_answer_404() {
    let scene = Scene::new().await;
    assert_eq!(code(scene.get("/v2/team/agent/manifests/v1").await, 404).await, "NAME_UNKNOWN");
    scene.image("team/agent", "v1").await;
    let other = sha256(b"other");
    for reference in ["v2", other.as_str()] {
        let answer = scene.get(&format!("/v2/team/agent/manifests/{reference}")).await;
        assert_eq!(code(answer, 404).await, "MANIFEST_UNKNOWN");
        assert_eq!(scene.head(&format!("/v2/team/agent/manifests/{reference}")).await.status(), 404);
    }
}

#[tokio::test]
async fn get_of_a_blob_must_answer_200_with_the_blob_and_its_digest() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"content").await;
    let answer = scene.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "docker-content-digest")), (200, digest));
    assert_eq!(answer.text().await.unwrap(), "content");
}

#[tokio::test]
async fn get_of_a_blob_that_is_not_there_must_answer_404() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"content").await;
    for path in [format!("/v2/b/blobs/{digest}"), format!("/v2/a/blobs/{}", sha256(b"other"))] {
        assert_eq!(code(scene.get(&path).await, 404).await, "BLOB_UNKNOWN");
        assert_eq!(scene.head(&path).await.status(), 404);
    }
}

#[tokio::test]
async fn head_must_answer_200_with_digest_and_size_and_nothing_else() {
    let scene = Scene::new().await;
    let (text, digest) = scene.image("a", "v1").await;
    let layer = sha256(b"layer");
    for (path, digest, size) in [
        ("/v2/a/manifests/v1".to_owned(), &digest, text.len()),
        (format!("/v2/a/manifests/{digest}"), &digest, text.len()),
        (format!("/v2/a/blobs/{layer}"), &layer, 5),
    ] {
        let answer = scene.head(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "docker-content-digest"), *digest);
        assert_eq!(header(&answer, "content-length"), size.to_string());
        assert!(answer.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_part_of_a_blob_can_be_read_as_rfc_9110_has_it() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(header(&scene.head(&path).await, "accept-ranges"), "bytes");
    for (range, status, part, text) in [
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=5-", 206, "bytes 5-9/10", "56789"),
        ("bytes=-2", 206, "bytes 8-9/10", "89"),
        ("bytes=0-99", 206, "bytes 0-9/10", "0123456789"),
    ] {
        let answer = scene.ask(Method::GET, &path).header("range", range).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "content-range").as_str()), (status, part));
        assert_eq!(answer.text().await.unwrap(), text);
    }
    let outside = scene.ask(Method::GET, &path).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!((outside.status().as_u16(), header(&outside, "content-range").as_str()), (416, "bytes */10"));
}

#[tokio::test]
async fn names_must_match_the_grammar() {
    let scene = Scene::new().await;
    for name in ["a", "a0", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0"] {
        assert_eq!(code(scene.get(&format!("/v2/{name}/tags/list")).await, 404).await, "NAME_UNKNOWN");
    }
    for name in ["A", "a..b", "a___b", "-a", "a-", "a//b", ".a"] {
        assert_eq!(
            code(scene.get(&format!("/v2/{name}/tags/list")).await, 400).await,
            "NAME_INVALID",
            "{name}"
        );
    }
    for tag in ["-a".to_owned(), ".a".into(), "a".repeat(129), "a%20b".into()] {
        assert_eq!(
            code(scene.get(&format!("/v2/a/manifests/{tag}")).await, 400).await,
            "TAG_INVALID",
            "{tag}"
        );
    }
}
