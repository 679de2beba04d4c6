//! Azure in a file, and back again.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::sync::mpsc;

use arm_emulator::{Incoming, SNAPSHOT_HOLDS};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::{SnapshotReader, StoreDocument};

use crate::stack::{GROUP, SUBSCRIPTION, Stack, group, group_body, registry, until};
use crate::webhooks::Images;

const OWN_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const SEED: &str = "
applications: [{name: deployer, clientId: 3f2504e0-4f89-11d3-9a0c-0305e82c3301, clientSecret: planted-client-secret}]
resourceGroups: [{name: seeded, location: westeurope, tags: {from: seed}}]
roleAssignments: [{principal: deployer, role: Contributor}]
";

fn resource_group(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}")
}

/// What a client sees of everything.
async fn seen(stack: &Stack) -> Value {
    let mut seen = Vec::new();
    for path in [
        format!("/subscriptions/{SUBSCRIPTION}/resourcegroups"),
        format!("/subscriptions/{SUBSCRIPTION}/resources"),
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments"),
    ] {
        seen.push(stack.get(&path).await.expect(200).body["value"].clone());
    }
    let mut names: Vec<_> =
        stack.entra.service_principals().into_iter().map(|one| one.display_name).collect();
    names.sort();
    json!([seen, names])
}

async fn run(stack: &Stack, name: &str, body: Value) -> String {
    let started = stack.put(&group(name), body).await.expect(201);
    stack.ended(&started).await;
    container(stack, name).await
}

/// The engine's id of the container of a group that runs.
async fn container(stack: &Stack, name: &str) -> String {
    let key = group(name).to_lowercase();
    until("its container runs", || async {
        let running = stack.runtime.running();
        let found = running.iter().find(|one| one.labels.group == key);
        found.map(|one| one.id.clone()).ok_or_else(|| format!("{running:?}"))
    })
    .await
}

async fn log(stack: &Stack, name: &str) -> String {
    let shown = stack.get(&format!("{}/containers/main/logs", group(name))).await.expect(200).body;
    shown["content"].as_str().unwrap().to_owned()
}

fn without_restarts() -> Value {
    let mut body = group_body("web:1");
    body["properties"]["restartPolicy"] = json!("Never");
    body
}

/// Everything that is kept but for what groups and registries note of what they do.
fn stored(stack: &Stack) -> Vec<StoreDocument> {
    stack.store().documents(&["arm.", "entra.", "acr-", "container-groups"]).unwrap()
}

/// What is in the folder of the registries.
fn folders(stack: &Stack) -> BTreeSet<String> {
    let entries = fs_err::read_dir(stack.folder().join("blobs")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn incoming(stack: &Stack, file: &[u8]) -> Incoming {
    let mut file = SnapshotReader::open(BufReader::new(file), stack.store().key()).unwrap();
    file.expect(SNAPSHOT_HOLDS).unwrap();
    let incoming = stack.arm().read_snapshot(&mut file).unwrap();
    file.finish().unwrap();
    incoming
}

#[tokio::test]
async fn everything_comes_back_and_stays_over_a_crash() {
    let stack = Stack::start().await;
    assert_eq!(stack.seed(SEED).await.0, 201);
    let images = Images::of(&stack, "keptimages").await;
    let digest = images.push("team/web", "1").await.0;
    let first = run(&stack, "agent", group_body("web:1")).await;
    stack.runtime.write_log(&first, "said before\n");
    run(&stack, "once", without_restarts()).await;
    let before = seen(&stack).await;
    let file = stack.snapshot().await;

    // What happens afterwards is undone.
    for path in [group("agent"), registry("keptimages"), resource_group("seeded")] {
        let status = stack.delete(&path).await.status;
        assert!(status < 300, "{path}: {status}");
    }
    until("it is gone", || async {
        let status = stack.get(&resource_group("seeded")).await.status;
        if status == 404 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let late = run(&stack, "late", group_body("web:1")).await;
    // The same name, and not the same registry.
    let other = Images::of(&stack, "keptimages").await;
    other.push("team/other", "1").await;
    Images::of(&stack, "lateimages").await.push("team/web", "1").await;
    let id = "3f2504e0-4f89-11d3-9a0c-0305e82c3301".parse().unwrap();
    stack.entra.unregister(id).unwrap();
    assert_ne!(seen(&stack).await, before, "control: something happened");

    let (status, restored) = stack.restore(&file).await;
    assert_eq!(status, 200, "{restored}");
    assert_eq!(restored["resourceGroups"], 2);
    assert_eq!(restored["registries"], json!(["keptimages"]));
    assert_eq!(restored["containerGroups"], json!(["agent", "once"]), "also where a restart is no policy");
    assert!(stack.journal("").await.is_empty());
    let mut stack = stack;
    for _ in 0..2 {
        assert_eq!(seen(&stack).await, before);
        assert!(stack.opens("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "planted-client-secret").await);
        let again = container(&stack, "agent").await;
        assert_ne!(again, first, "a new container");
        container(&stack, "once").await;
        let all = stack.runtime.containers();
        assert!(all.len() == 2 && all.iter().all(|one| one.id != late), "{all:?}");
        let pulled = images.pull("team/web", "1").await;
        assert_eq!(pulled, (200, digest.clone()), "on its port, with its password");
        assert_eq!(images.pull("team/other", "1").await.0, 404);
        assert_eq!(folders(&stack), BTreeSet::from(["keptimages".to_owned()]), "nothing of the way is left");
        stack = stack.crash().await;
    }
    // The seeds came back as well.
    assert_eq!(stack.reset().await.0, 200);
    stack.get(&resource_group("seeded")).await.expect(200);
    stack.get(&registry("keptimages")).await.expect(404);
    stack.finish().await;
}

#[tokio::test]
async fn what_ended_or_was_stopped_stays_so_and_logs_are_those_of_the_snapshot() {
    let stack = Stack::start().await;
    let ended = run(&stack, "ended", without_restarts()).await;
    stack.runtime.write_log(&ended, "done\n");
    stack.runtime.exit(&ended, 0);
    run(&stack, "stopped", group_body("web:1")).await;
    stack.post(&format!("{}/stop", group("stopped")), json!({})).await.expect(204);
    let runs = run(&stack, "runs", group_body("web:1")).await;
    stack.runtime.write_log(&runs, "first run\n");
    let state = async |stack: &Stack, name: &str| {
        let shown = stack.get(&group(name)).await.expect(200).body;
        shown["properties"]["instanceView"]["state"].as_str().unwrap().to_owned()
    };
    until("they have ended", || async {
        let states = (state(&stack, "ended").await, state(&stack, "stopped").await);
        if states == ("Succeeded".to_owned(), "Stopped".to_owned()) {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    })
    .await;
    let file = stack.snapshot().await;

    // The log of a later run under the same number is not the snapshot's.
    stack.delete(&group("ended")).await.expect(200);
    let other = run(&stack, "ended", without_restarts()).await;
    stack.runtime.write_log(&other, "of another time\n");
    assert_eq!(log(&stack, "ended").await, "of another time\n", "control");
    assert_eq!(stack.restore(&file).await.1["containerGroups"], json!(["runs"]));
    let running = container(&stack, "runs").await;
    assert_eq!(log(&stack, "ended").await, "done\n");
    assert_eq!(log(&stack, "runs").await, "", "a new run");
    let states = (state(&stack, "ended").await, state(&stack, "stopped").await);
    assert_eq!(states, ("Succeeded".to_owned(), "Stopped".to_owned()));
    assert_eq!(stack.runtime.containers().len(), 1);
    // It ends as any other, and the run of before is still known.
    stack.runtime.write_log(&running, "second run\n");
    assert_eq!(log(&stack, "runs").await, "second run\n");
    stack.finish().await;
}

#[tokio::test]
async fn a_file_that_is_bad_cut_off_or_somebody_elses_changes_nothing() {
    let stack = Stack::start().await;
    let images = Images::of(&stack, "keptimages").await;
    images.push("team/web", "1").await;
    images.blob("team/web", &vec![b'x'; 200_000]).await;
    let first = run(&stack, "agent", group_body("web:1")).await;
    let file = stack.snapshot().await;
    images.push("team/web", "2").await;
    let before = stored(&stack);

    let refused = async |file: &[u8], status: u16| {
        let (found, answer) = stack.restore(file).await;
        assert_eq!(found, status, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    };
    for length in [0, 5, 60, 200, 300, file.len() / 2, file.len() - 70_000, file.len() - 1] {
        let why = refused(&file[..length], 400).await;
        let cut = length < 60 || why == "read the snapshot: it is cut off";
        assert!(cut && why.starts_with("read the snapshot"), "{length}: {why}");
    }
    let mut changed = file.clone();
    let middle = file.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(refused(&changed, 400).await, "read the snapshot: it is damaged");
    let header = String::from_utf8_lossy(&file[..200]).into_owned();
    let place = header.find("\"version\":1").unwrap() + "\"version\":".len();
    let mut newer = file.clone();
    newer[place] = b'9';
    let why = refused(&newer, 400).await;
    assert!(why.contains("it holds `azure` in version 9; `azure` in version 1 is read"), "{why}");
    let (status, answer) = stack.restore_with(&file, OWN_KEY).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("it was sealed with the key "), "{answer}");
    assert_eq!(stack.restore_with(&file, "x").await.0, 400);

    let other = Stack::start_in("22222222-2222-3333-4444-555555555555").await;
    let theirs = other.snapshot_with(OWN_KEY).await;
    let (status, answer) = stack.restore_with(&theirs, OWN_KEY).await;
    assert_eq!(status, 409, "{answer}");
    let why = answer["error"].as_str().unwrap();
    assert!(
        why.contains("of the subscription `22222222-2222-3333-4444-555555555555` and this is `11111111-"),
        "{why}"
    );
    other.finish().await;

    assert!(stored(&stack) == before, "nothing was written");
    assert_eq!(container(&stack, "agent").await, first, "no container was touched");
    assert_eq!(folders(&stack), BTreeSet::from(["keptimages".to_owned()]), "nothing of the way is left");
    assert_eq!(stack.restore(&file).await.0, 200, "control: the whole file is taken");
    assert!(stored(&stack) != before);
    stack.finish().await;
}

#[tokio::test]
async fn a_registry_whose_port_is_anothers_is_refused_before_anything_changes() {
    let stack = Stack::start().await;
    let images = Images::of(&stack, "keptimages").await;
    images.push("team/web", "1").await;
    let first = run(&stack, "agent", group_body("web:1")).await;
    let file = stack.snapshot().await;
    stack.delete(&registry("keptimages")).await.expect(200);
    let address: std::net::SocketAddr = images.server.replace("localhost", "127.0.0.1").parse().unwrap();
    let taken = std::net::TcpListener::bind(address).unwrap();
    let (status, answer) = stack.restore(&file).await;
    assert_eq!(status, 409, "{answer}");
    let why = answer["error"].as_str().unwrap();
    assert!(why.contains("serve registry `keptimages`") && why.contains(&address.to_string()), "{why}");
    stack.get(&registry("keptimages")).await.expect(404);
    assert_eq!(container(&stack, "agent").await, first);
    drop(taken);
    assert_eq!(stack.restore(&file).await.0, 200, "control");
    assert_eq!(images.pull("team/web", "1").await.0, 200);
    stack.finish().await;
}

#[tokio::test]
async fn a_crash_leaves_the_state_of_before_or_the_snapshots_and_the_next_start_finishes_it() {
    for written in [false, true] {
        let stack = Stack::start().await;
        let images = Images::of(&stack, "keptimages").await;
        let digest = images.push("team/web", "1").await.0;
        run(&stack, "agent", without_restarts()).await;
        let then = seen(&stack).await;
        let file = stack.snapshot().await;
        stack.delete(&group("agent")).await.expect(200);
        stack.delete(&registry("keptimages")).await.expect(200);
        Images::of(&stack, "lateimages").await.push("team/web", "1").await;
        run(&stack, "late", without_restarts()).await;
        let now = seen(&stack).await;

        let (arm, store, incoming) = (stack.arm().clone(), stack.store().clone(), incoming(&stack, &file));
        let (at, reached) = tokio::sync::oneshot::channel();
        let (release, held) = mpsc::channel::<()>();
        let work = tokio::spawn(async move {
            let write = move |batch| {
                if written {
                    store.write(batch)?;
                }
                at.send(()).unwrap();
                // As long as this process is there.
                let _ = held.recv();
                Err("the process is gone".into())
            };
            arm.take_up(incoming, write).await
        });
        reached.await.unwrap();
        assert!(stack.runtime.containers().is_empty(), "no container meets a state that it is not of");
        let stack = stack.crash().await;
        drop(release);
        assert!(work.await.unwrap().is_err());

        let (expected, name) = if written { (&then, "agent") } else { (&now, "late") };
        assert_eq!(&seen(&stack).await, expected, "{written}");
        container(&stack, name).await;
        assert_eq!(stack.runtime.containers().len(), 1);
        let kept = if written { "keptimages" } else { "lateimages" };
        assert_eq!(folders(&stack), BTreeSet::from([kept.to_owned()]), "nothing of the way is left");
        if written {
            assert_eq!(images.pull("team/web", "1").await, (200, digest));
        }
        stack.finish().await;
    }
}

#[tokio::test]
async fn nobody_is_served_into_the_middle_and_a_refused_write_leaves_all_as_it_was() {
    let stack = Stack::start().await;
    Images::of(&stack, "keptimages").await.push("team/web", "1").await;
    run(&stack, "agent", without_restarts()).await;
    let file = stack.snapshot().await;
    stack.put(&resource_group("later"), json!({"location": "westeurope"})).await.expect(201);
    let before = seen(&stack).await;

    let (arm, incoming) = (stack.arm().clone(), incoming(&stack, &file));
    let (at, reached) = tokio::sync::oneshot::channel();
    let (release, held) = mpsc::channel::<()>();
    let work = tokio::spawn(async move {
        let write = move |_| {
            at.send(()).unwrap();
            let _ = held.recv();
            Err("the disk is full".into())
        };
        arm.take_up(incoming, write).await
    });
    reached.await.unwrap();
    let path = resource_group("later");
    let mut asked = Box::pin(stack.get(&path));
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err(), "answered in the middle of it");
    drop(release);
    asked.await.expect(200);
    let error = work.await.unwrap().unwrap_err();
    assert!(service_kit::with_causes(&error).ends_with("the disk is full"), "{error}");
    assert_eq!(seen(&stack).await, before);
    container(&stack, "agent").await;
    assert_eq!(folders(&stack), BTreeSet::from(["keptimages".to_owned()]));
    stack.finish().await;
}

#[tokio::test]
async fn what_is_the_sandboxs_own_is_in_no_file_and_stays() {
    let stack = Stack::with_own("ownimages").await;
    let own = Images::of(&stack, "ownimages").await;
    own.push("team/planted", "1").await;
    let file = stack.snapshot().await;
    let keys = stack.store().documents(&["acr-keys", "container-groups-keys"]).unwrap();
    own.push("team/planted", "2").await;
    own.blob("team/planted", &vec![b'x'; 1 << 20]).await;
    assert!(stack.snapshot().await.len() < file.len() + 1000, "its images are in no file");
    let tags = json!({"tags": {"kept": "yes"}});
    stack.patch(&resource_group(GROUP), tags).await.expect(200);

    assert_eq!(stack.restore(&file).await.1["registries"], json!([]));
    for tag in ["1", "2"] {
        assert_eq!(own.pull("team/planted", tag).await.0, 200);
    }
    assert_eq!(stack.get(&resource_group(GROUP)).await.body["tags"]["kept"], "yes");
    assert_eq!(stack.store().documents(&["acr-keys", "container-groups-keys"]).unwrap(), keys);
    stack.finish().await;
}

#[tokio::test]
async fn no_secret_is_readable_in_the_file_and_an_engine_that_is_away_is_told() {
    let stack = Stack::start().await;
    assert_eq!(stack.seed(SEED).await.0, 201);
    Images::of(&stack, "plantedimages").await.blob("planted/web", b"planted-layer").await;
    let first = run(&stack, "planted", group_body("planted:1")).await;
    stack.runtime.write_log(&first, "planted-line\n");
    let file = stack.snapshot().await;
    let has = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!has("planted"), "the file shows something");
    assert!(has("azure"), "control: what is not sealed can be found");

    stack.runtime.set_down(container_groups::Down::Yes);
    let (status, answer) = stack.control(Method::POST, "/snapshot", Value::Null).await;
    assert_eq!(status, 500, "{answer}");
    let (status, answer) = stack.restore(&file).await;
    assert_eq!(status, 500, "{answer}");
    assert!(answer["error"].as_str().unwrap().starts_with("take up the snapshot; "), "{answer}");
    stack.runtime.set_down(container_groups::Down::No);
    stack.get(&group("planted")).await.expect(200);
    assert_eq!(container(&stack, "planted").await, first);
    stack.finish().await;
}
