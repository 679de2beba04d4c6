//! "Push".

use reqwest::Method;
use serde_json::json;

use crate::scene::{IMAGE, INDEX, Scene, artifact, body, code, header, image, sha256, sha512};

async fn patch(scene: &Scene, location: &str, range: &str, chunk: &'static str) -> reqwest::Response {
    let request = scene.ask(Method::PATCH, location).header("content-range", range);
    request.header("content-type", "application/octet-stream").body(chunk).send().await.unwrap()
}

async fn check_blob(scene: &Scene, location: &str, content: &str) {
    let answer = scene.get(location).await;
    assert_eq!(answer.status(), 200, "the location of a blob is where it is pulled from");
    assert_eq!(answer.text().await.unwrap(), content);
}

#[tokio::test]
async fn post_must_answer_202_with_a_location_that_holds_a_unique_id() {
    let scene = Scene::new().await;
    let (one, other) = (scene.begin("a").await, scene.begin("a").await);
    assert_ne!(one, other);
    let id = one.rsplit('/').next().unwrap();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{one}");
}

#[tokio::test]
async fn post_then_put_must_answer_201_with_the_blobs_location() {
    let scene = Scene::new().await;
    let location = scene.begin("a").await;
    let digest = sha256(b"content");
    let put = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).body("content");
    let answer = put.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "docker-content-digest")), (201, digest));
    check_blob(&scene, &header(&answer, "location"), "content").await;
}

#[tokio::test]
async fn a_single_post_must_answer_201_with_the_blobs_location() {
    let scene = Scene::new().await;
    let post = scene.ask(Method::POST, &format!("/v2/a/blobs/uploads/?digest={}", sha256(b"content")));
    let answer = post.body("content").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    check_blob(&scene, &header(&answer, "location"), "content").await;
}

#[tokio::test]
async fn an_invalid_or_unknown_digest_is_answered_with_400_and_leaves_nothing() {
    let scene = Scene::new().await;
    let uploads = || fs_err::read_dir(scene.folder.path().join("conformance/uploads")).unwrap().count();
    for digest in ["sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e", "x", ""] {
        let post = scene.ask(Method::POST, &format!("/v2/a/blobs/uploads/?digest={digest}")).body("content");
        assert_eq!(code(post.send().await.unwrap(), 400).await, "DIGEST_INVALID", "{digest}");
    }
    let wrong = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"other"));
    let answer = scene.ask(Method::POST, &wrong).body("content").send().await.unwrap();
    assert_eq!(code(answer, 400).await, "DIGEST_INVALID");
    let answer = scene.ask(Method::POST, "/v2/a/blobs/uploads/?digest-algorithm=md5").send().await.unwrap();
    assert_eq!(code(answer, 400).await, "DIGEST_INVALID");
    assert_eq!(uploads(), 0);
    scene.begin("a").await;
    assert_eq!(uploads(), 1, "control: an upload can be seen");
}

#[tokio::test]
async fn chunks_must_be_answered_with_202_location_and_range_and_the_end_with_201() {
    let scene = Scene::new().await;
    let mut location = scene.begin("a").await;
    for (range, chunk, end) in [("0-3", "0123", "0-3"), ("4-7", "4567", "0-7")] {
        let answer = patch(&scene, &location, range, chunk).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "range").as_str()), (202, end));
        location = header(&answer, "location");
    }
    let status = scene.get(&location).await;
    assert_eq!((status.status().as_u16(), header(&status, "range").as_str()), (204, "0-7"));
    assert_eq!(header(&status, "location"), location);
    let digest = sha256(b"0123456789");
    let end = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).header("content-range", "8-9");
    let answer = end.body("89").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    check_blob(&scene, &header(&answer, "location"), "0123456789").await;
    assert_eq!(code(scene.get(&location).await, 404).await, "BLOB_UPLOAD_UNKNOWN", "the upload is over");
}

#[tokio::test]
async fn a_chunk_out_of_order_must_be_answered_with_416() {
    let scene = Scene::new().await;
    let location = scene.begin("a").await;
    assert_eq!(patch(&scene, &location, "1-4", "1234").await.status(), 416, "the first begins with 0");
    assert_eq!(patch(&scene, &location, "0-3", "0123").await.status(), 202);
    for range in ["0-3", "3-6", "5-8"] {
        let answer = patch(&scene, &location, range, "4567").await;
        assert_eq!((answer.status().as_u16(), header(&answer, "range").as_str()), (416, "0-3"), "{range}");
    }
    let digest = sha256(b"012345");
    let end = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).header("content-range", "5-6");
    assert_eq!(end.body("45").send().await.unwrap().status(), 416);
    let end = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).header("content-range", "4-5");
    assert_eq!(end.body("45").send().await.unwrap().status(), 201, "it goes on where it was");
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let scene = Scene::new().await;
    let location = scene.begin("a").await;
    assert_eq!(patch(&scene, &location, "0-3", "0123").await.status(), 202);
    assert_eq!(scene.delete(&location).await.status(), 204);
    assert_eq!(code(scene.get(&location).await, 404).await, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(code(scene.delete(&location).await, 404).await, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_mount_must_answer_201_with_the_blobs_location_and_else_begins_an_upload() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"content").await;
    let mount = async |query: &str| {
        scene.ask(Method::POST, &format!("/v2/b/blobs/uploads/?{query}")).send().await.unwrap()
    };
    let answer = mount(&format!("mount={digest}&from=nowhere")).await;
    assert_eq!(answer.status(), 202);
    let location = header(&answer, "location");
    let put = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).body("content");
    assert_eq!(put.send().await.unwrap().status(), 201, "what cannot be mounted is uploaded");
    scene.delete(&format!("/v2/b/blobs/{digest}")).await;
    assert_eq!(mount(&format!("mount={digest}")).await.status(), 202, "nobody says from where");
    let answer = mount(&format!("mount={digest}&from=a")).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "location"), format!("/v2/b/blobs/{digest}"));
    check_blob(&scene, &header(&answer, "location"), "content").await;
}

#[tokio::test]
async fn a_manifest_must_be_answered_with_201_and_a_location_and_kept_byte_for_byte() {
    let scene = Scene::new().await;
    scene.image("a", "other").await;
    let text = format!("\n{:#}  \n", image("v1"));
    let answer = scene.put("/v2/a/manifests/v1", &format!("{IMAGE}; charset=utf-8"), &text).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "docker-content-digest"), sha256(text.as_bytes()));
    check_blob(&scene, &header(&answer, "location"), &text).await;
    let again = scene.put("/v2/a/manifests/v1", IMAGE, &text).await;
    assert_eq!(again.status(), 201, "twice is once");
}

#[tokio::test]
async fn a_manifest_that_refers_to_what_is_not_there_must_be_answered_with_manifest_blob_unknown() {
    let scene = Scene::new().await;
    let answer = scene.put("/v2/a/manifests/v1", IMAGE, &image("v1").to_string()).await;
    let refused = body(answer, 400).await;
    assert_eq!(refused["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(refused["errors"][0]["detail"].as_array().unwrap().len(), 2);
    let entry = json!({ "mediaType": IMAGE, "size": 1, "digest": sha256(b"other") });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    let answer = scene.put("/v2/a/manifests/v1", INDEX, &index.to_string()).await;
    assert_eq!(code(answer, 400).await, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_subject_that_is_not_there_must_be_accepted_and_named_in_the_answer() {
    let scene = Scene::new().await;
    let subject = sha256(b"not there");
    let (_, answer) = scene.artifact("a", &artifact("x/y", &subject)).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "oci-subject")), (201, subject.clone()));
    let mut index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    index["subject"] = json!({ "mediaType": IMAGE, "size": 1, "digest": subject });
    let (_, answer) = scene.artifact("a", &index).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "oci-subject")), (201, subject));
    let (_, answer) =
        scene.artifact("a", &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] })).await;
    assert_eq!(header(&answer, "oci-subject"), "", "control: without a subject");
}

#[tokio::test]
async fn a_manifest_of_4_mebibytes_is_taken_and_a_larger_one_answered_with_413() {
    let scene = Scene::new().await;
    scene.image("a", "other").await;
    let text = image("v1").to_string();
    let sized = |size: usize| format!("{text}{}", " ".repeat(size - text.len()));
    let limit = 4 * 1024 * 1024;
    assert_eq!(scene.put("/v2/a/manifests/v1", IMAGE, &sized(limit)).await.status(), 201);
    let answer = scene.put("/v2/a/manifests/v1", IMAGE, &sized(limit + 1)).await;
    assert_eq!(code(answer, 413).await, "SIZE_INVALID");
}

#[tokio::test]
async fn tags_of_a_push_by_digest_must_be_named_in_the_answer() {
    let scene = Scene::new().await;
    let (text, digest) = scene.image("a", "v1").await;
    let answer = scene.put(&format!("/v2/a/manifests/{digest}?tag=1.2.3&tag=latest"), IMAGE, &text).await;
    assert_eq!(answer.status(), 201);
    let named: Vec<_> = answer.headers().get_all("oci-tag").iter().map(|tag| tag.to_str().unwrap()).collect();
    assert_eq!(named, ["1.2.3", "latest"]);
    assert_eq!(scene.head("/v2/a/manifests/latest").await.status(), 200);
    let bad = scene.put(&format!("/v2/a/manifests/{digest}?tag=-"), IMAGE, &text).await;
    assert_eq!(code(bad, 400).await, "TAG_INVALID");
}

#[tokio::test]
async fn blobs_and_manifests_may_be_named_by_sha512() {
    let scene = Scene::new().await;
    let (config, layer) = (sha512(b"{}"), sha512(b"layer"));
    for (digest, content) in [(&config, "{}"), (&layer, "layer")] {
        let post =
            scene.ask(Method::POST, "/v2/a/blobs/uploads/?digest-algorithm=sha512").send().await.unwrap();
        let location = header(&post, "location");
        let put = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).body(content);
        let answer = put.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "docker-content-digest")),
            (201, digest.clone())
        );
        check_blob(&scene, &header(&answer, "location"), content).await;
    }
    let mut document = image("v1");
    document["config"]["digest"] = config.into();
    document["layers"][0]["digest"] = layer.into();
    let text = document.to_string();
    let digest = sha512(text.as_bytes());
    let answer = scene.put(&format!("/v2/a/manifests/{digest}"), IMAGE, &text).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "docker-content-digest")), (201, digest.clone()));
    check_blob(&scene, &format!("/v2/a/manifests/{digest}"), &text).await;
    let wrong = scene.put(&format!("/v2/a/manifests/{}", sha512(b"other")), IMAGE, &text).await;
    assert_eq!(code(wrong, 400).await, "DIGEST_INVALID");
}

#[tokio::test]
async fn an_index_may_hold_layers_as_build_caches_do() {
    let scene = Scene::new().await;
    let digest = scene.blob("a", b"cache").await;
    let entry = json!({ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 5, "digest": digest });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    assert_eq!(scene.put("/v2/a/manifests/cache", INDEX, &index.to_string()).await.status(), 201);
}
