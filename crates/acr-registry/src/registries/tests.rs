use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::scene::{NAME, Scene, check_refused};

const WANTED: CreateRegistry = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };

#[tokio::test]
async fn a_registry_is_found_again_on_its_port_with_its_passwords_and_images() {
    let scene = Scene::new().await;
    let manifest = scene.image("team/agent", "1").await;
    let password = scene.password();
    assert!(scene.shutdown.stop(Duration::from_secs(5)).await);
    assert!(scene.admin(Method::GET, "/v2/").send().await.is_err(), "control: nobody serves it now");

    let shutdown = Shutdown::new();
    let again = scene.again(&shutdown);
    again.restore().await.unwrap();
    assert_eq!(again.get(NAME).unwrap().login_server, scene.server);
    assert_eq!(again.credentials(NAME).unwrap().1[0].expose_secret(), password);
    let answer = scene.admin(Method::GET, "/v2/team/agent/manifests/1").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), manifest);
    let token = scene.token(&["repository:team/agent:pull"]).await;
    assert!(!token.is_empty());
    assert!(shutdown.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn creating_again_changes_the_admin_user_alone() {
    let scene = Scene::new().await;
    let password = scene.password();
    let other_port = CreateRegistry { port: Some(1), ..CreateRegistry::USUAL };
    let again = scene.registries.create(&NAME.to_ascii_uppercase(), other_port).await.unwrap();
    assert_eq!((again.name.as_str(), again.login_server), (NAME, scene.server.clone()));
    assert_eq!(scene.registries.list().len(), 1);
    check_refused(scene.admin(Method::GET, "/v2/"), 401, "UNAUTHORIZED").await;
    scene.registries.create(NAME, WANTED).await.unwrap();
    assert_eq!(scene.password(), password);
    assert_eq!(scene.admin(Method::GET, "/v2/").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn both_passwords_work_and_a_replaced_one_does_not() {
    let scene = Scene::new().await;
    let login = async |password: &SecretString| {
        let request = scene.bare(Method::GET, "/v2/").basic_auth(NAME, Some(password.expose_secret()));
        request.send().await.unwrap().status().as_u16()
    };
    let (user, before) = scene.registries.credentials(NAME).unwrap();
    assert_eq!(user, NAME);
    assert_eq!((login(&before[0]).await, login(&before[1]).await), (200, 200));
    scene.registries.regenerate(NAME, 1).unwrap();
    let after = scene.registries.credentials(NAME).unwrap().1;
    assert_eq!((login(&before[0]).await, login(&before[1]).await, login(&after[1]).await), (200, 401, 200));
    assert!(matches!(scene.registries.regenerate(NAME, 2), Err(RegistryError::Password(2))));
    assert!(matches!(scene.registries.regenerate("other", 0), Err(RegistryError::Unknown(_))));
    assert!(!format!("{:?}", scene.registries).contains(after[0].expose_secret()));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let scene = Scene::new().await;
    let port = scene.server.rsplit_once(':').unwrap().1.parse().unwrap();
    let wanted = CreateRegistry { admin_enabled: true, port: Some(port), ..CreateRegistry::USUAL };
    let error = scene.registries.create("second", wanted).await.unwrap_err();
    let RegistryError::Listen { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains(&format!("127.0.0.1:{port}")), "{source}");
    assert!(scene.registries.get("second").is_none());
    scene.registries.create("second", WANTED).await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_registry() {
    let scene = Scene::new().await;
    scene.image("team/agent", "1").await;
    assert!(fs_err::read_dir(scene.folder.path()).unwrap().next().is_some());
    scene.registries.delete(NAME).await.unwrap();
    scene.registries.delete(NAME).await.unwrap();
    assert!(scene.registries.get(NAME).is_none());
    assert!(fs_err::read_dir(scene.folder.path()).unwrap().next().is_none());
    for table in ["acr-repositories/mayflytest", "acr-uploads/mayflytest", REGISTRIES] {
        assert!(scene.store.list::<serde_json::Value>(table).unwrap().is_empty(), "{table}");
    }
    let again = scene.again(&Shutdown::new());
    again.restore().await.unwrap();
    assert!(again.list().is_empty());
}

#[tokio::test]
async fn old_uploads_are_swept_and_young_ones_are_not() {
    let scene = Scene::new().await;
    let begin = async || {
        let answer = scene.admin(Method::POST, "/v2/a/blobs/uploads/").send().await.unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    let old = begin().await;
    scene.clock.advance(SignedDuration::from_hours(23));
    let young = begin().await;
    scene.clock.advance(SignedDuration::from_hours(2));
    let registry = scene.registries.find(NAME).unwrap();
    assert_eq!(registry.sweep_uploads().await.unwrap(), 1);
    check_refused(scene.admin(Method::GET, &old), 404, "BLOB_UPLOAD_UNKNOWN").await;
    assert_eq!(scene.admin(Method::GET, &young).send().await.unwrap().status(), 204);
}
