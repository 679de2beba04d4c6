//! "Content Management".

use crate::scene::{Scene, artifact, body, code, sha256};

#[tokio::test]
async fn a_deleted_tag_must_be_answered_with_202_and_then_with_404() {
    let scene = Scene::new().await;
    let (_, digest) = scene.image("a", "v1").await;
    assert_eq!(scene.delete("/v2/a/manifests/v1").await.status(), 202);
    assert_eq!(code(scene.get("/v2/a/manifests/v1").await, 404).await, "MANIFEST_UNKNOWN");
    assert_eq!(scene.get(&format!("/v2/a/manifests/{digest}")).await.status(), 200, "the manifest stays");
    assert_eq!(body(scene.get("/v2/a/tags/list").await, 200).await["tags"], serde_json::json!([]));
    assert_eq!(code(scene.delete("/v2/a/manifests/v1").await, 404).await, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_deleted_manifest_must_be_answered_with_202_and_then_with_404_under_every_tag() {
    let scene = Scene::new().await;
    let (text, digest) = scene.image("a", "v1").await;
    scene.put("/v2/a/manifests/v2", crate::scene::IMAGE, &text).await;
    scene.image("a", "other").await;
    assert_eq!(scene.delete(&format!("/v2/a/manifests/{digest}")).await.status(), 202);
    for reference in ["v1", "v2", digest.as_str()] {
        let answer = scene.get(&format!("/v2/a/manifests/{reference}")).await;
        assert_eq!(code(answer, 404).await, "MANIFEST_UNKNOWN", "{reference}");
    }
    assert_eq!(scene.get("/v2/a/manifests/other").await.status(), 200);
}

#[tokio::test]
async fn a_manifest_of_an_unknown_repository_must_be_answered_with_404() {
    let scene = Scene::new().await;
    let path = format!("/v2/a/manifests/{}", sha256(b"x"));
    assert_eq!(code(scene.delete(&path).await, 404).await, "NAME_UNKNOWN");
    scene.image("a", "v1").await;
    assert_eq!(code(scene.delete(&path).await, 404).await, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_deleted_blob_must_be_answered_with_202_and_then_with_404() {
    let scene = Scene::new().await;
    let path = format!("/v2/a/blobs/{}", scene.blob("a", b"content").await);
    let shared = format!("/v2/b/blobs/{}", scene.blob("b", b"content").await);
    assert_eq!(scene.delete(&path).await.status(), 202);
    assert_eq!(code(scene.get(&path).await, 404).await, "BLOB_UNKNOWN");
    assert_eq!(code(scene.delete(&path).await, 404).await, "BLOB_UNKNOWN");
    assert_eq!(scene.get(&shared).await.text().await.unwrap(), "content", "the other repository has it");
}

#[tokio::test]
async fn what_is_about_a_manifest_goes_with_it() {
    let scene = Scene::new().await;
    let (_, image) = scene.image("a", "v1").await;
    let (signature, _) = scene.artifact("a", &artifact("x/sbom", &image)).await;
    let (about_it, _) = scene.artifact("a", &artifact("x/signature", &signature)).await;
    scene.image("a", "other").await;
    assert_eq!(scene.delete(&format!("/v2/a/manifests/{image}")).await.status(), 202);
    for gone in [signature, about_it] {
        assert_eq!(scene.head(&format!("/v2/a/manifests/{gone}")).await.status(), 404);
    }
    assert_eq!(scene.head("/v2/a/manifests/other").await.status(), 200);
}
