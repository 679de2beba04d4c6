//! The service on an engine in memory, with a clock that is moved by hand.

mod initialise;
mod standstill;

use std::sync::Arc;
use std::time::Duration;

use container_groups::{
    Down, FakeRuntime, GroupError, GroupSpec, GroupState, Groups, IdenticalPut, NetworkMode, OsType,
    ProvisioningState, Quota, RestartPolicy, StatusKind, Switches, VolumeMount, VolumeSource, VolumeSpec,
};
use jiff::{SignedDuration, Timestamp};
use service_kit::{ManualClock, Shutdown, Store, StoreKey, SystemEntropy};
use testkit::{assert_no_secret, assert_no_secret_in_tree, planted_secret, wait_until};

use crate::support::{
    DEADLINE, Home, at_once, container_id, event_names, group, id, is_running, kind, until, with_secure,
};

/// One sandbox in memory.
struct Bench {
    folder: tempfile::TempDir,
    clock: ManualClock,
    engine: FakeRuntime,
    home: Home,
    groups: Groups,
    shutdown: Shutdown,
}

impl Bench {
    fn new(switches: Switches) -> Self {
        Self::with(switches, |_| {})
    }

    fn with(switches: Switches, change: impl FnOnce(&mut Home)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let engine = FakeRuntime::new(clock.shared());
        let mut home = Home::new("bench", folder.path(), clock.shared());
        change(&mut home);
        let (groups, shutdown) = home.process(Arc::new(engine.clone()), switches);
        Self { folder, clock, engine, home, groups, shutdown }
    }

    /// The process dies; another one takes over.
    async fn reborn(&mut self, switches: Switches) {
        assert!(self.shutdown.stop(Duration::from_secs(5)).await);
        (self.groups, self.shutdown) = self.home.process(Arc::new(self.engine.clone()), switches);
        self.groups.adopt().await.unwrap();
    }

    async fn up(&self, spec: GroupSpec) -> container_groups::GroupView {
        let id = spec.id.clone();
        self.groups.put(spec).await.unwrap();
        let view = self.groups.settled(&id).await.unwrap();
        assert_eq!(view.provisioning_state, ProvisioningState::Succeeded, "{:?}", view.failure);
        view
    }

    fn exit(&self, name: &str, code: i32) {
        let view = self.groups.get(&id(name)).unwrap();
        self.engine.exit(&container_id(&view), code);
    }

    async fn refused(&self, spec: GroupSpec) -> GroupError {
        self.groups.put(spec).await.unwrap_err()
    }
}

fn agent(name: &str) -> GroupSpec {
    group(name, "localhost:5000/agent:1", &[])
}

#[tokio::test]
async fn nothing_appears_on_the_engine_after_a_shutdown() {
    let bench = Bench::new(at_once());
    bench.engine.hold_creations();
    bench.groups.put(agent("one")).await.unwrap();
    wait_until(DEADLINE, "the engine creates a container", async || {
        (bench.engine.held_creations() == 1).then_some(()).ok_or("not yet")
    })
    .await;
    let (stopped, ()) = tokio::join!(bench.shutdown.stop(Duration::from_secs(5)), async {
        bench.shutdown.token().cancelled().await;
        // Whatever is dropped by the shutdown is dropped now.
        tokio::task::yield_now().await;
        bench.engine.release_creations();
    });
    assert!(stopped);
    assert_eq!(bench.engine.containers().len(), 1, "it was created, and who stopped did not wait for it");
}

#[tokio::test]
async fn a_group_comes_up_and_tells_its_story() {
    let bench = Bench::new(at_once());
    let put = bench.groups.put(agent("one")).await.unwrap();
    assert!(put.created);
    assert_eq!(put.view.provisioning_state, ProvisioningState::Pending);
    let view = bench.groups.settled(&id("ONE")).await.unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Running, ProvisioningState::Succeeded));
    let expected = [("Pulling", 1), ("Pulled", 1), ("Created", 1), ("Started", 1)];
    assert_eq!(event_names(&view), expected.map(|(name, count)| (name.to_owned(), count)));
    let usage = bench.groups.usage();
    assert_eq!((usage.groups, usage.cores), (1, 1.0));
    assert_eq!(
        bench
            .groups
            .list_in("/subscriptions/11111111-2222-3333-4444-555555555555/RESOURCEGROUPS/fleet")
            .len(),
        1
    );
    assert_eq!(
        bench.groups.list_in("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/Flee").len(),
        0
    );
}

#[tokio::test]
async fn a_restart_is_another_container() {
    let bench = Bench::new(at_once());
    let first = bench.up(agent("one")).await;
    bench.engine.write_log(&container_id(&first), "of the first run\n");
    bench.exit("one", 0);
    let second = until(&bench.groups, &id("one"), "the second run", |view| is_running(view, 2)).await;
    assert_ne!(container_id(&first), container_id(&second));
    assert_eq!(bench.engine.containers().len(), 1, "the old container is gone");
    let previous = second.containers[0].previous_state.clone().unwrap();
    assert_eq!((previous.exit_code, previous.detail_status.as_str()), (Some(0), "Completed"));
    assert_eq!(second.containers[0].restart_count, 1);
    bench.engine.write_log(&container_id(&second), "of\nthe second run\n");
    assert_eq!(bench.groups.logs(&id("one"), "agent", Some(1)).await.unwrap(), "the second run\n");
    assert_eq!(bench.groups.previous_logs(&id("one"), "agent").await.unwrap(), "of the first run\n");
    assert_eq!(bench.groups.logs(&id("one"), "other", None).await.unwrap_err().code, "ContainerNotFound");
    assert_eq!(bench.engine.most_running_at_once(), 1);
}

#[tokio::test]
async fn the_back_off_delays_success_too() {
    let bench = Bench::new(Switches::default());
    bench.up(agent("one")).await;
    bench.exit("one", 0);
    until(&bench.groups, &id("one"), "the first restart, at once", |view| is_running(view, 2)).await;
    bench.exit("one", 0);
    let waiting =
        until(&bench.groups, &id("one"), "the back-off", |view| kind(view) == Some(StatusKind::Waiting))
            .await;
    let state = waiting.containers[0].current_state.clone().unwrap();
    assert_eq!(state.detail_status, "CrashLoopBackOff: Back-off restarting failed");
    assert!(event_names(&waiting).contains(&("BackOff".to_owned(), 1)));
    bench.clock.advance(SignedDuration::from_secs(10));
    let running = until(&bench.groups, &id("one"), "the second restart", |view| is_running(view, 3)).await;
    assert_eq!(running.containers[0].restart_count, 2);
}

#[tokio::test]
async fn the_policy_ends_a_group() {
    for (policy, code, expected) in [
        (RestartPolicy::Never, 0, GroupState::Succeeded),
        (RestartPolicy::Never, 3, GroupState::Failed),
        (RestartPolicy::OnFailure, 0, GroupState::Succeeded),
    ] {
        let bench = Bench::new(at_once());
        let spec = GroupSpec { restart_policy: policy, ..agent("one") };
        bench.up(spec.clone()).await;
        bench.exit("one", code);
        let view =
            until(&bench.groups, &id("one"), "the end", |view| kind(view) == Some(StatusKind::Terminated))
                .await;
        assert_eq!(view.state, expected);
        // A put of an ended group is a new deployment, which may change what an update may not.
        let again = bench.up(GroupSpec { restart_policy: RestartPolicy::Always, ..spec }).await;
        assert_eq!(again.state, GroupState::Running);
    }
}

#[tokio::test]
async fn an_identical_put_restarts_unless_switched_off() {
    let mut bench = Bench::new(at_once());
    let first = bench.up(with_secure(agent("one"), "TOKEN", "t")).await;
    let second = bench.up(with_secure(agent("one"), "TOKEN", "t")).await;
    assert_ne!(container_id(&first), container_id(&second));
    assert_eq!(bench.engine.kills(), [(container_id(&first), Duration::ZERO)], "killed without a grace");

    let calm =
        Switches { identical_put: IdenticalPut::NoOp, stop_grace: Duration::from_secs(7), ..at_once() };
    bench.groups.set_switches(calm);
    let third = bench.up(with_secure(agent("one"), "TOKEN", "t")).await;
    assert_eq!(container_id(&second), container_id(&third));
    let fourth = bench.up(with_secure(agent("one"), "TOKEN", "another")).await;
    assert_ne!(container_id(&third), container_id(&fourth), "a new secret is a change");
    assert_eq!(bench.engine.kills().last().unwrap().1, Duration::from_secs(7));
    assert!(event_names(&fourth).iter().any(|(name, _)| name == "Killing"));
    bench.reborn(calm).await;
    let fifth = bench.up(with_secure(agent("one"), "TOKEN", "another")).await;
    assert_eq!(container_id(&fourth), container_id(&fifth), "what is stored compares equal");
}

#[tokio::test]
async fn an_update_that_needs_a_deletion_is_refused() {
    let bench = Bench::new(at_once());
    let before = bench.up(agent("one")).await;
    let mut larger = agent("one");
    larger.containers[0].cpu = 2.0;
    assert_eq!(bench.refused(larger).await.code, "InvalidContainerGroupUpdate");
    let elsewhere = GroupSpec { location: "northeurope".into(), ..agent("one") };
    assert_eq!(bench.refused(elsewhere).await.code, "InvalidResourceLocation");
    assert_eq!(
        bench.groups.get(&id("one")).unwrap().containers[0].container_id,
        before.containers[0].container_id
    );
}

#[tokio::test]
async fn a_group_in_transition_refuses_writes_but_not_its_deletion() {
    let bench = Bench::new(at_once());
    bench.engine.hold_pulls();
    bench.groups.put(agent("one")).await.unwrap();
    let refusals = [
        bench.refused(agent("one")).await,
        bench.groups.restart(&id("one")).await.unwrap_err(),
        bench.groups.stop(&id("one")).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!((refusal.code.as_str(), refusal.status), ("ContainerGroupTransitioning", 409));
        assert_eq!(refusal.message, "The container group 'one' is still transitioning, please retry later.");
    }
    assert!(bench.groups.delete(&id("one")).await.unwrap().is_some());
    assert!(bench.groups.delete(&id("one")).await.unwrap().is_none());
    assert!(bench.groups.get(&id("one")).is_none());
    bench.engine.release_pulls();
    bench.up(agent("one")).await;
    assert_eq!(bench.engine.running().len(), 1);
}

#[tokio::test]
async fn quotas_hold_for_groups_and_cores() {
    let bench = Bench::with(at_once(), |home| home.quota = Quota { groups: 2, cores: 3, ..Quota::default() });
    bench.up(agent("one")).await;
    let mut wide = agent("two");
    wide.containers[0].cpu = 2.5;
    let refusal = bench.refused(wide).await;
    assert_eq!(refusal.code, "ContainerGroupQuotaReached");
    assert!(
        refusal.message.contains(
            "'StandardCores' exceeded in region 'westeurope'. Limit: '3', Usage: '1' Requested: '2.5'."
        ),
        "{refusal}"
    );
    bench.up(agent("two")).await;
    let refusal = bench.refused(agent("three")).await;
    assert!(refusal.message.contains("'ContainerGroups' exceeded"), "{refusal}");
    bench.up(agent("two")).await;
    bench.groups.delete(&id("one")).await.unwrap();
    bench.up(agent("three")).await;
}

#[tokio::test]
async fn an_image_needs_the_right_login() {
    let bench = Bench::new(at_once());
    bench.engine.require_login("localhost:5000", "admin", "right");
    let with_login = |password: &str| {
        let mut spec = agent("one");
        spec.registry_credentials.push(container_groups::RegistryCredential {
            server: "localhost:5000".into(),
            username: "admin".into(),
            password: password.to_owned().into(),
        });
        spec
    };
    for refusal in [bench.refused(agent("one")).await, bench.refused(with_login("wrong")).await] {
        assert_eq!((refusal.code.as_str(), refusal.status), ("InaccessibleImage", 400));
        assert_eq!(
            refusal.message,
            "The image 'localhost:5000/agent:1' in container group 'one' is not accessible. Please check the image and registry credential."
        );
    }
    assert!(bench.groups.get(&id("one")).is_none(), "a refused group does not exist");
    bench.up(with_login("right")).await;
}

#[tokio::test]
async fn windows_needs_an_engine_for_it_or_the_switch() {
    let bench = Bench::new(at_once());
    let spec = GroupSpec { os_type: OsType::Windows, ..agent("one") };
    let refusal = bench.refused(spec.clone()).await;
    assert_eq!(refusal.code, "ServiceUnavailable");
    assert!(refusal.message.contains("'Windows' OS"), "{refusal}");
    assert!(refusal.message.contains("--run-windows-groups-as-linux"), "{refusal}");
    bench.groups.set_switches(Switches { windows_as_linux: true, ..at_once() });
    let view = bench.up(spec).await;
    assert_eq!(view.os_type, OsType::Windows, "shown as it was asked for");
}

#[tokio::test]
async fn what_cannot_start_fails_the_deployment_with_a_reason() {
    let bench = Bench::new(at_once());
    bench.engine.break_starts(2);
    bench.groups.put(agent("one")).await.unwrap();
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!(view.provisioning_state, ProvisioningState::Failed);
    assert_eq!(view.state, GroupState::Pending);
    let failure = view.failure.unwrap();
    assert!(failure.message.contains("no such file"), "{failure}");
    // It goes on trying, delayed even without a back-off, and comes up.
    bench.clock.advance(SignedDuration::from_secs(10));
    until(&bench.groups, &id("one"), "the third try", |view| is_running(view, 3)).await;
    assert_eq!(bench.engine.containers().len(), 1);
}

#[tokio::test]
async fn a_stopped_group_keeps_nothing_running_and_starts_anew() {
    let mut bench = Bench::new(at_once());
    let before = bench.up(agent("one")).await;
    bench.engine.write_log(&container_id(&before), "last words\n");
    bench.groups.stop(&id("one")).await.unwrap();
    assert!(bench.engine.containers().is_empty());
    assert_eq!(bench.groups.get(&id("one")).unwrap().state, GroupState::Stopped);
    assert_eq!(bench.groups.logs(&id("one"), "agent", None).await.unwrap(), "last words\n");
    bench.reborn(at_once()).await;
    assert_eq!(bench.groups.get(&id("one")).unwrap().state, GroupState::Stopped);
    assert!(bench.engine.containers().is_empty(), "a stopped group stays stopped");
    bench.groups.start(&id("one")).await.unwrap();
    bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!(bench.engine.running().len(), 1);
    assert_eq!(bench.groups.restart(&id("two")).await.unwrap_err().code, "ResourceNotFound");
}

#[tokio::test]
async fn another_process_takes_the_containers_over() {
    let mut bench = Bench::new(at_once());
    let before = bench.up(agent("one")).await;
    let ends = bench.up(agent("two")).await;
    assert!(bench.shutdown.stop(Duration::from_secs(5)).await);
    assert_eq!(bench.engine.running().len(), 2, "containers outlive the process");
    bench.engine.exit(&container_id(&ends), 1);
    bench.reborn(at_once()).await;
    let after = bench.groups.get(&id("one")).unwrap();
    assert_eq!(container_id(&before), container_id(&after));
    let restarted = until(&bench.groups, &id("two"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(restarted.containers[0].previous_state.as_ref().unwrap().exit_code, Some(1));
    // It is watched again.
    bench.exit("one", 0);
    until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
}

#[tokio::test]
async fn a_process_that_dies_during_a_deployment_is_continued() {
    let mut bench = Bench::new(at_once());
    bench.engine.hold_pulls();
    bench.groups.put(agent("one")).await.unwrap();
    assert!(bench.shutdown.stop(Duration::from_secs(5)).await);
    bench.engine.release_pulls();
    bench.reborn(at_once()).await;
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Running, ProvisioningState::Succeeded));
    assert_eq!(bench.engine.containers().len(), 1);
}

#[tokio::test]
async fn a_process_that_dies_just_before_the_end_of_a_deployment_keeps_the_container() {
    let mut bench = Bench::new(at_once());
    let started = bench.up(agent("one")).await;
    assert!(bench.shutdown.stop(Duration::from_secs(5)).await);
    // What the store held just before the operation was marked as done.
    let mut stored: serde_json::Value =
        bench.home.store.get("container-groups", id("one").key()).unwrap().unwrap();
    stored["operation"] = "Deploy".into();
    stored["provisioning"] = "Creating".into();
    bench.home.store.put("container-groups", id("one").key(), &stored).unwrap();
    bench.reborn(at_once()).await;
    let after = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!(container_id(&after), container_id(&started));
    assert_eq!(after.provisioning_state, ProvisioningState::Succeeded);
    bench.exit("one", 0);
    until(&bench.groups, &id("one"), "the restart of a container that is watched", |view| {
        is_running(view, 2)
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_goes_away_and_comes_back_is_reconciled() {
    let bench = Bench::new(at_once());
    let before = bench.up(agent("one")).await;
    bench.engine.set_down(Down::Yes);
    let refusal = bench.refused(agent("two")).await;
    assert_eq!((refusal.code.as_str(), refusal.status), ("ServiceUnavailable", 503));
    wait_until(DEADLINE, "the watcher and its reconciliation to notice", async || {
        let calls = bench.engine.unanswered();
        if calls > 2 { Ok(()) } else { Err(format!("{calls} calls")) }
    })
    .await;
    bench.engine.exit(&container_id(&before), 137);
    bench.engine.set_down(Down::No);
    let after = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    // A container that somebody removed by hand comes back as well.
    bench.engine.vanish(&container_id(&after));
    until(&bench.groups, &id("one"), "the next one", |view| is_running(view, 3)).await;
    assert_eq!(bench.engine.most_running_at_once(), 1);
}

#[tokio::test]
async fn leftovers_of_unknown_groups_are_cleared_and_those_of_other_instances_are_not() {
    let mut bench = Bench::new(at_once());
    bench.up(agent("one")).await;
    assert!(bench.shutdown.stop(Duration::from_secs(5)).await);
    let stranger = Home { instance: "stranger".into(), store: Store::in_memory(), ..bench.home.clone() };
    let (groups, _shutdown) = stranger.process(Arc::new(bench.engine.clone()), at_once());
    groups.put(agent("one")).await.unwrap();
    groups.settled(&id("one")).await.unwrap();
    bench.home.store = Store::in_memory();
    bench.reborn(at_once()).await;
    let left: Vec<String> = bench.engine.containers().into_iter().map(|seen| seen.labels.instance).collect();
    assert_eq!(left, ["stranger"]);
}

#[tokio::test]
async fn an_empty_dir_outlives_a_restart_and_not_the_group() {
    let bench = Bench::new(at_once());
    let mut spec = agent("one");
    spec.volumes.push(VolumeSpec { name: "scratch".into(), source: VolumeSource::EmptyDir });
    spec.containers[0].volume_mounts.push(VolumeMount {
        name: "scratch".into(),
        mount_path: "/scratch".into(),
        read_only: false,
    });
    bench.up(spec.clone()).await;
    let first = bench.engine.volumes();
    assert_eq!(first.len(), 1);
    bench.exit("one", 0);
    until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(bench.engine.volumes(), first);
    bench.up(spec).await;
    assert_ne!(bench.engine.volumes(), first, "an update begins with an empty one");
    assert_eq!(bench.engine.volumes().len(), 1);
    bench.groups.delete(&id("one")).await.unwrap();
    assert!(bench.engine.volumes().is_empty());
}

#[tokio::test]
async fn secrets_reach_the_container_and_nobody_else() {
    let secret = planted_secret("token");
    let folder = tempfile::tempdir().unwrap();
    let (file, entropy) = (folder.path().join("state.redb"), SystemEntropy::shared());
    let store = Store::open(&file, &StoreKey::generate(&entropy), &entropy).unwrap();
    let bench = Bench::with(at_once(), |home| home.store = store.clone());
    let mut spec = with_secure(agent("one"), "AZDO_TOKEN", &secret);
    spec.registry_credentials.push(container_groups::RegistryCredential {
        server: "localhost:5000".into(),
        username: "admin".into(),
        password: secret.clone().into(),
    });
    let file_content = base64_of(&secret);
    spec.volumes.push(VolumeSpec {
        name: "secret".into(),
        source: VolumeSource::Secret([("token".to_owned(), file_content.clone().into())].into()),
    });
    let put = bench.groups.put(spec.clone()).await.unwrap();
    let view = bench.groups.settled(&id("one")).await.unwrap();
    let seen = bench.engine.containers();
    let request = bench.engine.request(&container_id(&view)).unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&request.environment[0].1),
        secret,
        "control: it is given"
    );
    for (place, text) in [
        ("the answer to the put", format!("{put:?}")),
        ("the view", format!("{view:?}")),
        ("labels", format!("{seen:?}")),
        ("the desired state in a log", format!("{spec:?}")),
        ("the request in a log", format!("{request:?}")),
        ("the service in a log", format!("{:?}", bench.groups)),
    ] {
        assert_no_secret(place, &text, &secret);
        assert_no_secret(place, &text, &file_content);
    }
    assert_eq!(view.containers[0].environment[0].name, "AZDO_TOKEN", "control: the name is shown");
    assert_no_secret_in_tree(folder.path(), &secret);
    let raw = fs_err::read(&file).unwrap();
    assert!(
        raw.windows(16).any(|window| window == b"container-groups"),
        "control: the store holds the group"
    );
    drop(bench.folder);
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

#[tokio::test]
async fn many_groups_at_once_all_come_up_and_go() {
    let bench = Bench::new(at_once());
    let names: Vec<String> = (0..40).map(|number| format!("agent-{number}")).collect();
    for name in &names {
        bench.groups.put(agent(name)).await.unwrap();
    }
    wait_until(DEADLINE, "all groups to run", async || {
        let running = bench.engine.running().len();
        if running == names.len() { Ok(()) } else { Err(format!("{running} run")) }
    })
    .await;
    for name in &names {
        bench.groups.delete(&id(name)).await.unwrap();
    }
    assert!(bench.engine.containers().is_empty());
    assert!(bench.groups.list().is_empty());
}

#[tokio::test]
async fn containers_of_a_group_share_one_holder_and_none_is_left() {
    let mut bench = Bench::new(at_once());
    let mut pair = GroupSpec { restart_policy: RestartPolicy::OnFailure, ..agent("pair") };
    let mut second = pair.containers[0].clone();
    second.name = "second".into();
    pair.containers.push(second);
    bench.up(pair.clone()).await;
    let holder = |bench: &Bench| {
        let holders = bench.engine.containers().into_iter().filter(|seen| seen.labels.container.is_empty());
        holders.map(|seen| seen.id).collect::<Vec<_>>()
    };
    let first = holder(&bench);
    assert_eq!(first.len(), 1);
    for seen in bench.engine.containers().iter().filter(|seen| !seen.labels.container.is_empty()) {
        let request = bench.engine.request(&seen.id).unwrap();
        assert_eq!(request.network, NetworkMode::Share(first[0].clone()));
    }
    // One container ends by policy, the other goes on: the group runs. Another process sees it the same.
    bench.exit("pair", 0);
    until(&bench.groups, &id("pair"), "the end of one", |view| kind(view) == Some(StatusKind::Terminated))
        .await;
    bench.reborn(at_once()).await;
    let view = bench.groups.get(&id("pair")).unwrap();
    assert_eq!((view.state, kind(&view)), (GroupState::Running, Some(StatusKind::Terminated)));
    assert_eq!(holder(&bench), first);
    let other = view.containers[1].container_id.clone().unwrap();
    bench.engine.exit(&other, 0);
    until(&bench.groups, &id("pair"), "the end of both", |view| view.state == GroupState::Succeeded).await;
    // What has ended is not run again because the network is gone.
    bench.engine.exit(&first[0], 137);
    bench.reborn(at_once()).await;
    assert_eq!(bench.groups.get(&id("pair")).unwrap().state, GroupState::Succeeded);
    // Back to one container: the holder and the second container go.
    pair.containers.truncate(1);
    bench.up(pair).await;
    assert!(holder(&bench).is_empty());
    assert_eq!(bench.engine.containers().len(), 1);
    assert_eq!(bench.engine.most_running_at_once(), 1);
}
