use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::CreateRegistry;
use crate::manifest::OCI_INDEX;
use crate::scene::{DOCKER, NAME, Scene};

const OTHER: &str = "otherRegistry";

async fn scene() -> Scene {
    let scene = Scene::new().await;
    let wanted = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };
    scene.registries.create(OTHER, wanted).await.unwrap();
    scene
}

fn image(reference: &str, to: &[(&str, Option<&str>)]) -> ImportImage {
    let target = |(repository, tag): &(&str, Option<&str>)| ImportTarget {
        repository: (*repository).to_owned(),
        tag: tag.map(str::to_owned),
    };
    ImportImage {
        from: NAME.to_owned(),
        reader: Reader::Owner,
        repository: "team/agent".to_owned(),
        reference: reference.to_owned(),
        targets: to.iter().map(target).collect(),
        existing: ExistingTags::Refused,
    }
}

/// What the other registry answers its admin user.
async fn read(scene: &Scene, path: &str) -> (u16, Vec<u8>) {
    let server = scene.registries.get(OTHER).unwrap().login_server;
    let (user, [password, _]) = scene.registries.credentials(OTHER).unwrap();
    let request = scene.client.request(Method::GET, format!("https://{server}/v2/{path}"));
    let answer = request.basic_auth(user, Some(password.expose_secret())).header("accept", "*/*");
    let answer = answer.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn an_image_is_copied_with_all_that_it_refers_to() {
    let scene = scene().await;
    let text = scene.image("team/agent", "1").await;
    let digest = Digest::of(text.as_bytes());
    let to = [("copies/agent", Some("v1")), ("copies/bare", None)];
    scene.registries.import(OTHER, &image("1", &to)).await.unwrap();
    assert_eq!(read(&scene, "copies/agent/manifests/v1").await, (200, text.clone().into_bytes()));
    let layer = Digest::of(b"layer");
    assert_eq!(read(&scene, &format!("copies/agent/blobs/{layer}")).await, (200, b"layer".to_vec()));
    assert_eq!(read(&scene, &format!("copies/bare/manifests/{digest}")).await.0, 200);
    assert_eq!(read(&scene, "copies/bare/manifests/v1").await.0, 404);
    // The copy stays when what it came from goes.
    scene.admin(Method::DELETE, "/acr/v1/team/agent").send().await.unwrap();
    scene.clock.advance(jiff::SignedDuration::from_hours(25));
    for name in [NAME, OTHER] {
        scene.registries.find(name).unwrap().collect().await.unwrap();
    }
    assert_eq!(read(&scene, &format!("copies/agent/blobs/{layer}")).await.0, 200);
}

#[tokio::test]
async fn an_index_is_copied_with_its_images() {
    let scene = scene().await;
    let text = scene.image("team/agent", "1").await;
    let inner = Digest::of(text.as_bytes());
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{ "mediaType": DOCKER, "size": text.len(), "digest": inner.to_string() }],
    });
    let pushed = scene.put_manifest("team/agent", "all", OCI_INDEX, &index.to_string()).await;
    assert_eq!(pushed.status(), 201);
    let digest = Digest::of(index.to_string().as_bytes()).to_string();
    scene.registries.import(OTHER, &image(&digest, &[("agent", Some("all"))])).await.unwrap();
    assert_eq!(read(&scene, "agent/manifests/all").await, (200, index.to_string().into_bytes()));
    assert_eq!(read(&scene, &format!("agent/manifests/{inner}")).await.0, 200);
}

#[tokio::test]
async fn an_image_is_copied_within_its_registry() {
    let scene = Scene::new().await;
    let text = scene.image("team/agent", "1").await;
    scene.registries.import(NAME, &image("1", &[("other/agent", Some("2"))])).await.unwrap();
    let copied = scene.admin(Method::GET, "/v2/other/agent/manifests/2").header("accept", "*/*");
    assert_eq!(copied.send().await.unwrap().text().await.unwrap(), text);
}

#[tokio::test]
async fn a_tag_that_exists_is_moved_by_force_alone() {
    let scene = scene().await;
    scene.image("team/agent", "1").await;
    let second = scene.image("team/agent", "2").await;
    let to = [("agent", Some("v"))];
    scene.registries.import(OTHER, &image("1", &to)).await.unwrap();
    let refused =
        scene.registries.import(OTHER, &image("2", &[("new", Some("v")), to[0]])).await.unwrap_err();
    assert!(matches!(refused, ImportError::TagExists { .. }), "{refused}");
    assert_eq!(read(&scene, "new/manifests/v").await.0, 404, "nothing was copied");
    let forced = ImportImage { existing: ExistingTags::Moved, ..image("2", &to) };
    scene.registries.import(OTHER, &forced).await.unwrap();
    assert_eq!(read(&scene, "agent/manifests/v").await, (200, second.into_bytes()));
}

#[tokio::test]
async fn what_may_not_be_read_is_not_copied() {
    let scene = scene().await;
    scene.image("team/agent", "1").await;
    let by = |reader: Reader| ImportImage { reader, ..image("1", &[("agent", Some("1"))]) };
    let login =
        |password: &str| Reader::Login { username: NAME.to_owned(), password: password.to_owned().into() };
    for reader in [Reader::Anonymous, login("wrong")] {
        let refused = scene.registries.import(OTHER, &by(reader)).await.unwrap_err();
        assert!(matches!(refused, ImportError::Denied(_)), "{refused}");
    }
    scene.registries.import(OTHER, &by(login(&scene.password()))).await.unwrap();
    let absent = scene.registries.import(OTHER, &image("2", &[("agent", Some("2"))])).await.unwrap_err();
    assert!(matches!(absent, ImportError::Absent(_)), "{absent}");
    let nameless = scene.registries.import(OTHER, &image("1", &[("Agent", None)])).await.unwrap_err();
    assert!(matches!(nameless, ImportError::Name(_)), "{nameless}");
    let unknown = scene.registries.import("nowhere", &image("1", &[])).await.unwrap_err();
    assert!(matches!(unknown, ImportError::Registry(RegistryError::Unknown(_))), "{unknown}");
}
