//! "Content Discovery".

use serde_json::{Value, json};

use crate::scene::{IMAGE, INDEX, Scene, artifact, body, code, header, image, sha256};

async fn tags(scene: &Scene, path: &str) -> (Vec<String>, Option<String>) {
    let answer = scene.get(path).await;
    let link = Some(header(&answer, "link")).filter(|link| !link.is_empty());
    let body = body(answer, 200).await;
    let tags = body["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
    (tags.collect(), link)
}

/// The address in a `Link` header, which must say that it is the next page.
fn next(link: &str) -> String {
    link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
}

#[tokio::test]
async fn tags_must_be_answered_with_200_in_order() {
    let scene = Scene::new().await;
    for tag in ["b", "B", "a", "1", "_x"] {
        scene.image("team/agent", tag).await;
    }
    let body = body(scene.get("/v2/team/agent/tags/list").await, 200).await;
    assert_eq!(body, json!({ "name": "team/agent", "tags": ["1", "B", "_x", "a", "b"] }));
    assert_eq!(code(scene.get("/v2/other/tags/list").await, 404).await, "NAME_UNKNOWN");
}

#[tokio::test]
async fn n_tags_must_be_listed_and_the_rest_behind_a_link() {
    let scene = Scene::new().await;
    for tag in ["1", "2", "3", "4"] {
        scene.image("a", tag).await;
    }
    let (page, link) = tags(&scene, "/v2/a/tags/list?n=3").await;
    assert_eq!(page, ["1", "2", "3"]);
    assert_eq!(tags(&scene, &next(&link.unwrap())).await, (vec!["4".to_owned()], None));
    assert_eq!(tags(&scene, "/v2/a/tags/list?n=4").await.1, None, "nothing is behind it");
    assert_eq!(tags(&scene, "/v2/a/tags/list?n=100000").await.0.len(), 4);
    for bad in ["-1", "x", "1.5"] {
        let answer = scene.get(&format!("/v2/a/tags/list?n={bad}")).await;
        assert_eq!(code(answer, 400).await, "PAGINATION_NUMBER_INVALID");
    }
}

#[tokio::test]
async fn n_of_zero_must_list_nothing_and_link_nowhere() {
    let scene = Scene::new().await;
    scene.image("a", "1").await;
    assert_eq!(tags(&scene, "/v2/a/tags/list?n=0").await, (vec![], None));
    let answer = scene.get("/v2/_catalog?n=0").await;
    assert_eq!(header(&answer, "link"), "");
    assert_eq!(body(answer, 200).await, json!({ "repositories": [] }));
}

#[tokio::test]
async fn last_must_not_be_listed_itself() {
    let scene = Scene::new().await;
    for tag in ["1", "2", "3"] {
        scene.image("a", tag).await;
    }
    assert_eq!(tags(&scene, "/v2/a/tags/list?last=1").await.0, ["2", "3"]);
    assert_eq!(tags(&scene, "/v2/a/tags/list?n=1&last=1").await.0, ["2"]);
    assert_eq!(tags(&scene, "/v2/a/tags/list?last=15").await.0, ["2", "3"], "it need not be there");
    assert_eq!(tags(&scene, "/v2/a/tags/list?last=3").await, (vec![], None));
}

async fn referrers(scene: &Scene, path: &str) -> (Vec<Value>, Option<String>, String) {
    let answer = scene.get(path).await;
    assert_eq!(header(&answer, "content-type"), INDEX);
    let link = Some(header(&answer, "link")).filter(|link| !link.is_empty());
    let filters = header(&answer, "oci-filters-applied");
    let body = body(answer, 200).await;
    assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&json!(2), &json!(INDEX)));
    (body["manifests"].as_array().unwrap().clone(), link, filters)
}

#[tokio::test]
async fn referrers_must_be_an_index_with_type_and_annotations_of_each() {
    let scene = Scene::new().await;
    let (_, subject) = scene.image("a", "v1").await;
    let path = format!("/v2/a/referrers/{subject}");
    assert!(referrers(&scene, &path).await.0.is_empty());
    let (one, _) = scene.artifact("a", &artifact("x/one", &subject)).await;
    // Without a type of its own an image has its configuration's, and an index none.
    let mut untyped = artifact("", &subject);
    untyped.as_object_mut().unwrap().remove("artifactType");
    let (config, _) = scene.artifact("a", &untyped).await;
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [],
        "subject": { "mediaType": IMAGE, "size": 1, "digest": subject },
    });
    let (index, _) = scene.artifact("a", &index).await;
    let (listed, link, filters) = referrers(&scene, &path).await;
    assert_eq!((listed.len(), link, filters.as_str()), (3, None, ""));
    let find = |digest: &str| listed.iter().find(|entry| entry["digest"] == digest).unwrap();
    let size = artifact("x/one", &subject).to_string().len();
    assert_eq!(
        find(&one),
        &json!({
            "mediaType": IMAGE, "digest": one, "size": size,
            "artifactType": "x/one", "annotations": { "of": "x/one" },
        })
    );
    assert_eq!(find(&config)["artifactType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(find(&index)["mediaType"], INDEX);
    assert!(find(&index).get("artifactType").is_none());
    assert!(
        referrers(&scene, &format!("/v2/b/referrers/{subject}")).await.0.is_empty(),
        "of this repository"
    );
}

#[tokio::test]
async fn referrers_must_not_be_answered_with_404() {
    let scene = Scene::new().await;
    scene.image("a", "v1").await;
    for repository in ["a", "unknown"] {
        let path = format!("/v2/{repository}/referrers/{}", sha256(b"other"));
        assert_eq!(referrers(&scene, &path).await, (vec![], None, String::new()));
    }
}

#[tokio::test]
async fn referrers_of_what_is_no_digest_must_be_answered_with_400() {
    let scene = Scene::new().await;
    for bad in ["v1", "sha256:12", "md5:12"] {
        let answer = scene.get(&format!("/v2/a/referrers/{bad}")).await;
        assert_eq!(code(answer, 400).await, "DIGEST_INVALID", "{bad}");
    }
}

#[tokio::test]
async fn a_filter_on_the_type_must_be_named_when_it_was_applied() {
    let scene = Scene::new().await;
    let subject = sha256(b"subject");
    for kind in ["x/one", "x/two", "x/with+plus"] {
        scene.artifact("a", &artifact(kind, &subject)).await;
    }
    for (asked, found) in [("x/one", 1), ("x%2Fone", 1), ("x/with%2Bplus", 1), ("x/three", 0)] {
        let path = format!("/v2/a/referrers/{subject}?artifactType={asked}");
        let (listed, _, filters) = referrers(&scene, &path).await;
        assert_eq!((listed.len(), filters.as_str()), (found, "artifactType"), "{asked}");
    }
}

#[tokio::test]
async fn referrers_that_do_not_fit_one_index_must_be_behind_a_link() {
    let scene = Scene::new().await;
    let subject = sha256(b"subject");
    let mut pushed = Vec::new();
    for number in 0..5 {
        let mut document = artifact("x/with+plus", &subject);
        document["annotations"]["number"] = number.to_string().into();
        pushed.push(scene.artifact("a", &document).await.0);
    }
    pushed.sort();
    let mut path = format!("/v2/a/referrers/{subject}?n=2&artifactType=x/with%2Bplus");
    let mut seen = Vec::new();
    loop {
        let (listed, link, filters) = referrers(&scene, &path).await;
        assert_eq!(filters, "artifactType");
        seen.extend(listed.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()));
        let Some(link) = link else { break };
        path = next(&link);
    }
    assert_eq!(seen, pushed);
    // Four of more than a mebibyte each: together larger than any manifest may be.
    let large = "x".repeat(1_200_000);
    let subject = sha256(b"large");
    for number in 0..4 {
        let mut document = artifact("x/y", &subject);
        document["annotations"] = json!({ "number": number.to_string(), "large": large });
        assert_eq!(scene.artifact("a", &document).await.1.status(), 201);
    }
    let (listed, link, _) = referrers(&scene, &format!("/v2/a/referrers/{subject}")).await;
    assert_eq!(listed.len(), 3);
    assert_eq!(referrers(&scene, &next(&link.unwrap())).await.0.len(), 1);
}

#[tokio::test]
async fn the_catalog_lists_repositories_with_manifests() {
    let scene = Scene::new().await;
    for repository in ["b/c", "a", "d"] {
        scene.image(repository, "1").await;
    }
    scene.blob("uploads-only", b"x").await;
    let body = async |path: &str| body(scene.get(path).await, 200).await["repositories"].clone();
    assert_eq!(body("/v2/_catalog").await, json!(["a", "b/c", "d"]));
    let page = scene.get("/v2/_catalog?n=1&last=a").await;
    assert_eq!(body(&next(&header(&page, "link"))).await, json!(["d"]));
    assert_eq!(image("1")["schemaVersion"], 2);
}
