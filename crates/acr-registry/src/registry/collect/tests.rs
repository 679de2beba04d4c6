use std::collections::BTreeSet;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::digest::Digest;
use crate::scene::{DOCKER, NAME, Scene, check_refused};

const DAY: SignedDuration = SignedDuration::from_hours(25);

async fn files(scene: &Scene) -> usize {
    scene.registries.find(NAME).unwrap().content.blobs().await.unwrap().len()
}

#[tokio::test]
async fn layers_go_a_day_after_their_last_manifest() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    let text = scene.image("a", "1").await;
    scene.clock.advance(DAY);
    assert_eq!(registry.collect().await.unwrap(), 0);
    assert_eq!(files(&scene).await, 3, "control: manifest, configuration and layer are there");
    let digest = Digest::of(text.as_bytes());
    let delete = scene.admin(Method::DELETE, &format!("/v2/a/manifests/{digest}"));
    assert_eq!(delete.send().await.unwrap().status(), 202);
    assert_eq!((registry.collect().await.unwrap(), files(&scene).await), (0, 2), "they may be pushed again");
    scene.clock.advance(DAY);
    assert_eq!((registry.collect().await.unwrap(), files(&scene).await), (2, 0));
    let layer = format!("/v2/a/blobs/{}", Digest::of(b"layer"));
    check_refused(scene.admin(Method::GET, &layer), 404, "BLOB_UNKNOWN").await;
    scene.image("a", "1").await;
    assert_eq!(files(&scene).await, 3);
}

#[tokio::test]
async fn a_layer_that_a_client_has_seen_waits_for_its_manifest() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    let digest = scene.blob("a", b"seen").await;
    let other = scene.blob("a", b"not seen").await;
    scene.clock.advance(SignedDuration::from_hours(20));
    let seen = scene.admin(Method::HEAD, &format!("/v2/a/blobs/{digest}")).send().await.unwrap();
    assert_eq!(seen.status(), 200);
    scene.clock.advance(SignedDuration::from_hours(10));
    assert_eq!(registry.collect().await.unwrap(), 1);
    let kept = |digest: &Digest| scene.admin(Method::HEAD, &format!("/v2/a/blobs/{digest}"));
    assert_eq!(kept(&digest).send().await.unwrap().status(), 200);
    assert_eq!(kept(&other).send().await.unwrap().status(), 404, "control: it would have gone");
}

#[tokio::test]
async fn files_of_nobody_are_removed_and_shared_ones_are_not() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    scene.image("a", "1").await;
    scene.image("b", "1").await;
    let lost = Digest::of(b"a crash came between the file and its record");
    registry.content.write(uuid::Uuid::from_u128(1), &lost, b"x").await.unwrap();
    assert_eq!(registry.collect().await.unwrap(), 1);
    assert!(!registry.content.blobs().await.unwrap().contains(&lost));
    assert_eq!(scene.admin(Method::DELETE, "/acr/v1/a").send().await.unwrap().status(), 202);
    scene.clock.advance(DAY);
    registry.collect().await.unwrap();
    for digest in [Digest::of(b"layer"), Digest::of(b"{}")] {
        let kept = scene.admin(Method::GET, &format!("/v2/b/blobs/{digest}")).send().await.unwrap();
        assert_eq!(kept.status(), 200, "the other repository has it");
    }
}

#[tokio::test]
async fn manifests_of_an_earlier_version_are_read_before_anything_is_collected() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    let text = scene.image("a", "1").await;
    // As the earlier version wrote it.
    let digest = Digest::of(text.as_bytes()).to_string();
    let old = json!({
        "manifests": { digest.clone(): { "media_type": DOCKER, "pushed": "2026-01-01T00:00:00Z" } },
        "tags": { "1": { "digest": digest, "moved": "2026-01-01T00:00:00Z" } },
        "blobs": [Digest::of(b"layer").to_string(), Digest::of(b"{}").to_string()],
    });
    scene.store.put("acr-repositories/mayflytest", "a", &old).unwrap();
    scene.clock.advance(DAY);
    assert_eq!(registry.collect().await.unwrap(), 0);
    scene.clock.advance(DAY);
    assert_eq!(registry.collect().await.unwrap(), 0);
    assert_eq!(files(&scene).await, 3);
    let shown = scene.admin(Method::GET, "/acr/v1/a/_manifests").send().await.unwrap();
    let shown: serde_json::Value = shown.json().await.unwrap();
    assert_eq!(shown["manifests"][0]["imageSize"], 7);
}

/// Clients push, delete and mount the same few layers in three repositories, while the collector works without a pause.
/// Afterwards every manifest that is there has all that it refers to. Time passes by what the clients do: by the
/// machine's own it would be years on a slow one, and all that is uploaded too old for its manifest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_clients_push_and_delete_at_once() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    let done = tokio_util::sync::CancellationToken::new();
    let collector = async {
        let mut removed = 0;
        while !done.is_cancelled() {
            removed += registry.collect().await.unwrap();
            tokio::task::yield_now().await;
        }
        removed
    };
    let client = async |number: usize| {
        let mut pushed = 0;
        for round in 0..12 {
            let repository = ["a", "b", "c"][(number + round) % 3];
            let layer = format!("layer {}", (number * 5 + round) % 4);
            let (config, layer) =
                (scene.blob(repository, b"{}").await, scene.blob(repository, layer.as_bytes()).await);
            let text = manifest(&config, &layer, number % 2);
            scene.clock.advance(SignedDuration::from_hours(5));
            let answer = scene.put_manifest(repository, &format!("t{number}"), DOCKER, &text).await;
            // What was uploaded may have grown old before its manifest came, or be deleted by another.
            pushed += usize::from(answer.status() == 201);
            assert!(answer.status() == 201 || answer.status() == 400, "{}", answer.status());
            let digest = Digest::of(text.as_bytes());
            if round % 2 == 0 {
                let path = format!("/v2/{repository}/manifests/{digest}");
                scene.admin(Method::DELETE, &path).send().await.unwrap();
            }
        }
        pushed
    };
    let clients = async {
        let pushed = futures_util::future::join_all((0..6).map(client)).await;
        done.cancel();
        pushed.into_iter().sum::<usize>()
    };
    let (removed, pushed) = tokio::join!(collector, clients);
    assert!(pushed > 12 && removed > 0, "{pushed} manifests were taken, {removed} files went");
    let mut checked = 0;
    for (name, repository) in registry.catalogue.list().unwrap() {
        for (digest, record) in &repository.manifests {
            let wanted: BTreeSet<_> = record.details.as_ref().unwrap().manifest.references().collect();
            for blob in wanted {
                let path = format!("/v2/{name}/blobs/{blob}");
                let answer = scene.admin(Method::GET, &path).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{name}: {digest} has lost {blob}");
                assert_eq!(Digest::of(&answer.bytes().await.unwrap()), *blob);
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "control: manifests are left to be checked");
}

fn manifest(config: &Digest, layer: &Digest, odd: usize) -> String {
    json!({
        "schemaVersion": 2, "mediaType": DOCKER,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": config.to_string() },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 7, "digest": layer.to_string() }],
        "annotations": { "odd": odd.to_string() },
    })
    .to_string()
}
