use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use service_kit::{Batch, Shutdown};

use super::*;
use crate::CreateRegistry;
use crate::scene::{NAME, Scene};

const WANTED: CreateRegistry = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };

/// Everything in it: registry and name with length.
fn content(frozen: &Frozen) -> BTreeSet<(String, String, u64)> {
    let mut found = BTreeSet::new();
    let each = frozen.each(|registry, name, length, bytes| {
        let mut content = Vec::new();
        bytes.read_to_end(&mut content)?;
        assert_eq!(content.len() as u64, length);
        assert_eq!(Digest::from_file_name(name), Some(Digest::of(&content)), "{name}");
        found.insert((registry.to_owned(), name.to_owned(), length));
        Ok(())
    });
    each.unwrap();
    found
}

fn folders(scene: &Scene) -> Vec<String> {
    let entries = fs_err::read_dir(scene.folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn files_stay_as_they_were_while_they_are_held_and_one_registry_is_left_out() {
    let scene = Scene::new().await;
    scene.image("team/agent", "1").await;
    scene.registries.create("other", WANTED).await.unwrap();
    let (given, frozen) = scene.registries.freeze("OTHER", || 7).await.unwrap();
    assert_eq!(given, 7);
    let before = content(&frozen);
    assert_eq!(before.len(), 3, "manifest, configuration, layer: {before:?}");
    assert!(before.iter().all(|(registry, ..)| registry == "mayflytest"));

    // What comes and goes afterwards is nothing to it.
    scene.blob("team/agent", b"later").await;
    scene.registries.delete(NAME).await.unwrap();
    assert_eq!(content(&frozen), before);
    assert_eq!(folders(&scene).len(), 2, "control: its own folder, and that of the other registry");
    drop(frozen);
    assert_eq!(folders(&scene), ["other"]);
    let ((), nothing) = scene.registries.freeze("other", || ()).await.unwrap();
    assert!(content(&nothing).is_empty());
}

#[tokio::test]
async fn it_is_read_when_nobody_is_between_a_file_and_its_record() {
    let scene = Scene::new().await;
    let registry = scene.registries.find(NAME).unwrap();
    let pushing = registry.placing().await.unwrap();
    let frozen = scene.registries.freeze("", || scene.registries.list().len());
    tokio::pin!(frozen);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut frozen).await;
    assert!(early.is_err(), "somebody is putting a file in its place");
    drop(pushing);
    assert_eq!(frozen.await.unwrap().0, 1);
}

#[tokio::test]
async fn staged_files_take_the_place_of_all_others_also_after_a_crash() {
    for crashed in [false, true] {
        let scene = Scene::new().await;
        let manifest = scene.image("team/agent", "1").await;
        scene.registries.create("own", WANTED).await.unwrap();
        let read = || scene.store.documents(&["acr-"]).unwrap();
        let (documents, frozen) = scene.registries.freeze("own", read).await.unwrap();
        let staged = scene.registries.stage().unwrap();
        staged.registry("mayflytest").unwrap();
        let copied = frozen.each(|registry, name, _, bytes| {
            staged.write(registry, name, |out| io::copy(bytes, out).map(|_| ()))
        });
        copied.unwrap();
        drop(frozen);
        scene.registries.delete(NAME).await.unwrap();
        scene.registries.create("late", WANTED).await.unwrap();
        let empty = scene.registries.create(NAME, WANTED).await.unwrap();
        assert_ne!(empty.login_server, scene.server, "control: another one of this name");

        scene.registries.halt("own").await;
        let batch = documents.into_iter().fold(Batch::new().clear("acr-"), Batch::document);
        scene.store.write(Registries::with_content(batch, Some(&staged.keep())).unwrap()).unwrap();
        let again = Shutdown::new();
        let registries = if crashed {
            assert!(scene.shutdown.stop(Duration::from_secs(5)).await);
            let registries = scene.again(&again);
            registries.restore().await.unwrap();
            registries
        } else {
            let aside = scene.registries.take_in("own").await.unwrap();
            scene.registries.resume().await.unwrap();
            scene.registries.drop_content(&aside).await.unwrap();
            scene.registries.clone()
        };
        assert_eq!(registries.list().len(), 2);
        let password = registries.credentials(NAME).unwrap().1;
        let request = scene.bare(Method::GET, "/v2/team/agent/manifests/1");
        let request = request.basic_auth(NAME, Some(secrecy::ExposeSecret::expose_secret(&password[0])));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), manifest, "{crashed}");
        assert_eq!(folders(&scene), ["mayflytest", "own"], "{crashed}: nothing of the others is left");
    }
}

#[tokio::test]
async fn only_files_of_a_registry_that_is_awaited_are_staged_and_what_is_not_kept_goes() {
    let scene = Scene::new().await;
    let staged = scene.registries.stage().unwrap();
    staged.registry("one").unwrap();
    let name = Digest::of(b"content").hex().to_owned();
    let write = |registry: &str, name: &str| staged.write(registry, name, |out| out.write_all(b"content"));
    for (registry, name) in [("other", name.as_str()), ("one", "..data"), ("one", "content")] {
        let refused = write(registry, name).unwrap_err().to_string();
        assert!(refused.contains("is no file of a registry"), "{refused}");
    }
    write("one", &name).unwrap();
    assert!(write("one", &name).is_err(), "it is there twice");
    assert_eq!(folders(&scene).len(), 2);
    drop(staged);
    assert_eq!(folders(&scene), ["mayflytest"]);
}

#[tokio::test]
async fn what_cannot_be_served_is_told_before() {
    let scene = Scene::new().await;
    let held = Store::in_memory();
    let own: serde_json::Value = scene.store.get(REGISTRIES, "mayflytest").unwrap().unwrap();
    held.put(REGISTRIES, "mayflytest", &own).unwrap();
    assert_eq!(scene.registries.check(&held, "").unwrap(), ["mayflytest"], "its port is free then");
    let refused = scene.registries.check(&held, NAME).unwrap_err();
    assert!(matches!(refused, RegistryError::Listen { .. }), "the one that stays has it: {refused}");
    held.put(REGISTRIES, "broken", &"none").unwrap();
    assert!(matches!(scene.registries.check(&held, ""), Err(RegistryError::Store { .. })));
}
