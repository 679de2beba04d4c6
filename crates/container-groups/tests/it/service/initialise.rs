//! Containers that run before the others, probes, addresses, names, shares.

use container_groups::{
    AzureFile, ContainerPort, ContainerSpec, GroupSpec, GroupState, GroupView, IpAddress, IpAddressKind,
    LabelScope, MountSource, Probe, ProbeCheck, Protocol, ProvisioningState, RestartPolicy, SeenStatus,
    StatusKind, VolumeMount, VolumeSource, VolumeSpec,
};

use testkit::wait_until;

use super::{Bench, agent};
use crate::support::{DEADLINE, at_once, container_id, event_names, id, is_running, until};

fn with_init(policy: RestartPolicy) -> GroupSpec {
    let mut spec = agent("one");
    spec.restart_policy = policy;
    for name in ["first", "second"] {
        let init = ContainerSpec::new(name, "localhost:5000/init:1");
        spec.init_containers.push(ContainerSpec { cpu: 0.0, memory_gb: 0.0, ..init });
    }
    spec
}

/// The one container that runs, once it is this one.
async fn runs(bench: &Bench, name: &str) -> String {
    wait_until(DEADLINE, &format!("`{name}` alone runs"), async || {
        let running = bench.engine.running();
        match running.as_slice() {
            [one] if one.labels.container == name => Ok(one.id.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

fn init(view: &GroupView, index: usize) -> StatusKind {
    view.init_containers[index].current_state.as_ref().unwrap().state
}

#[tokio::test]
async fn init_containers_run_in_order_and_before_the_others() {
    let bench = Bench::new(at_once());
    bench.groups.put(with_init(RestartPolicy::Always)).await.unwrap();
    let first = runs(&bench, "first").await;
    let request = bench.engine.request(&first).unwrap();
    assert_eq!((request.cpu, request.memory_bytes), (1.0, 1 << 30), "it has what the group has");
    let view = bench.groups.get(&id("one")).unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Pending, ProvisioningState::Creating));
    assert_eq!((init(&view, 0), init(&view, 1)), (StatusKind::Running, StatusKind::Waiting));
    assert_eq!(view.containers[0].current_state.as_ref().unwrap().state, StatusKind::Waiting);
    bench.engine.write_log(&first, "prepared\n");
    // One that fails is started again, also under `Always`; one that ends well is not.
    bench.engine.exit(&first, 3);
    let again = until(&bench.groups, &id("one"), "the second try", |view| {
        view.init_containers[0].restart_count == 1 && init(view, 0) == StatusKind::Running
    })
    .await;
    assert_eq!(again.init_containers[0].previous_state.as_ref().unwrap().exit_code, Some(3));
    bench.engine.exit(&runs(&bench, "first").await, 0);
    bench.engine.exit(&runs(&bench, "second").await, 0);
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Running, ProvisioningState::Succeeded));
    assert_eq!((init(&view, 0), init(&view, 1)), (StatusKind::Terminated, StatusKind::Terminated));
    runs(&bench, "agent").await;
    // A restart of one of the others does not run them again.
    bench.exit("one", 1);
    let view = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(view.init_containers[0].generation, 2);
    assert!(bench.groups.logs(&id("one"), "first", None).await.is_ok());
    // A restart of the group does.
    bench.groups.restart(&id("one")).await.unwrap();
    runs(&bench, "first").await;
}

#[tokio::test]
async fn an_init_container_that_fails_for_good_fails_the_group() {
    let bench = Bench::new(at_once());
    bench.groups.put(with_init(RestartPolicy::Never)).await.unwrap();
    bench.engine.exit(&runs(&bench, "first").await, 7);
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Failed, ProvisioningState::Failed));
    let failure = view.failure.unwrap();
    assert!(failure.message.contains("'first'") && failure.message.contains("code 7"), "{failure}");
    assert!(bench.engine.running().is_empty());
    assert!(bench.engine.containers().iter().all(|one| one.labels.container != "agent"), "never made");
}

#[tokio::test]
async fn a_group_that_initialises_goes_on_in_another_process_and_can_be_stopped() {
    let mut bench = Bench::new(at_once());
    bench.groups.put(with_init(RestartPolicy::OnFailure)).await.unwrap();
    bench.engine.exit(&runs(&bench, "first").await, 0);
    let second = runs(&bench, "second").await;
    bench.reborn(at_once()).await;
    assert_eq!(runs(&bench, "second").await, second, "it goes on where it was");
    bench.engine.exit(&second, 0);
    bench.groups.settled(&id("one")).await.unwrap();
    runs(&bench, "agent").await;
    bench.groups.restart(&id("one")).await.unwrap();
    runs(&bench, "first").await;
    bench.groups.stop(&id("one")).await.unwrap();
    let view = bench.groups.get(&id("one")).unwrap();
    assert_eq!((view.state, view.provisioning_state), (GroupState::Stopped, ProvisioningState::Succeeded));
    assert!(bench.engine.containers().is_empty());
    let refused = bench.groups.restart(&id("one")).await.unwrap_err();
    assert_eq!(refused.code, "ContainerGroupStopped");
    bench.groups.start(&id("one")).await.unwrap();
    runs(&bench, "first").await;
}

#[tokio::test]
async fn a_group_that_initialises_for_half_an_hour_has_failed() {
    let bench = Bench::new(at_once());
    bench.groups.put(with_init(RestartPolicy::Always)).await.unwrap();
    runs(&bench, "first").await;
    bench.clock.advance(jiff::SignedDuration::from_mins(31));
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!(view.provisioning_state, ProvisioningState::Failed);
    assert!(view.failure.unwrap().message.contains("30 minutes"));
    runs(&bench, "first").await;
}

#[tokio::test]
async fn a_failing_liveness_probe_restarts_the_container() {
    let bench = Bench::new(at_once());
    let mut spec = agent("one");
    let probe = Probe::new(ProbeCheck::Exec(vec!["cat".into(), "/healthy".into()]));
    spec.containers[0].liveness_probe = Some(Probe {
        initial_delay_seconds: Some(5),
        period_seconds: Some(2),
        failure_threshold: Some(2),
        ..probe.clone()
    });
    spec.containers[0].readiness_probe = Some(Probe { period_seconds: Some(1000), ..probe });
    bench.engine.set_probe_code(1);
    let first = bench.up(spec).await;
    let unhealthy = |view: &GroupView| {
        event_names(view).iter().filter(|(name, _)| name == "Unhealthy").map(|(_, count)| *count).sum::<u32>()
    };
    let after = async |seconds: i64, wanted: u32| {
        bench.clock.advance(jiff::SignedDuration::from_secs(seconds));
        until(&bench.groups, &id("one"), "the probes", |view| unhealthy(view) >= wanted).await
    };
    // The readiness probe alone: it tells, and nothing more.
    let view = after(0, 1).await;
    assert!(
        view.containers[0].events.iter().any(|event| event.message.starts_with("Readiness probe failed: "))
    );
    let view = after(5, 2).await;
    assert!(is_running(&view, 1), "one failure is not enough");
    after(2, 3).await;
    let view = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    let killing = view.containers[0].events.iter().find(|event| event.name == "Killing").unwrap();
    assert_eq!(
        killing.message,
        format!(
            "Killing container with id {}:Container failed liveness probe.. Container will be killed and recreated.",
            container_id(&first)
        )
    );
    assert_eq!(view.containers[0].previous_state.as_ref().unwrap().exit_code, Some(137));
    // The control: a probe that goes well leaves it alone.
    bench.engine.set_probe_code(0);
    for _ in 0..10 {
        let before = bench.engine.probes();
        bench.clock.advance(jiff::SignedDuration::from_secs(5));
        wait_until(DEADLINE, "another probe", async || {
            if bench.engine.probes() > before { Ok(()) } else { Err("none ran".to_owned()) }
        })
        .await;
    }
    assert!(is_running(&bench.groups.get(&id("one")).unwrap(), 2));
}

fn listening(name: &str, label: Option<&str>) -> GroupSpec {
    let mut spec = agent(name);
    let port = ContainerPort { port: 80, protocol: Protocol::Tcp };
    spec.containers[0].ports.push(port);
    spec.ip_address = Some(IpAddress {
        kind: IpAddressKind::Public,
        ports: vec![port],
        dns_name_label: label.map(str::to_owned),
        label_scope: LabelScope::Unsecure,
    });
    spec
}

#[tokio::test]
async fn a_group_with_an_address_keeps_it_over_a_restart_and_its_name_is_its_own() {
    let bench = Bench::new(at_once());
    assert!(bench.up(agent("plain")).await.address.is_none());
    let first = bench.up(listening("one", Some("my-label"))).await;
    assert!(first.address.is_some());
    let holder =
        |bench: &Bench| bench.engine.running().into_iter().find(|one| one.labels.container.is_empty());
    let before = holder(&bench).unwrap().id;
    bench.exit("one", 1);
    let second = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(second.address, first.address);
    assert_eq!(holder(&bench).unwrap().id, before);
    let refused = bench.refused(listening("two", Some("my-label"))).await;
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        (
            "DnsNameLabelNotAvailable",
            "The DNS name label 'my-label' in container group 'two' not available. Try using a different label."
        )
    );
    bench.up(listening("one", Some("my-label"))).await;
    bench.groups.delete(&id("one")).await.unwrap();
    bench.up(listening("two", Some("my-label"))).await;
}

#[tokio::test]
async fn a_share_is_one_volume_for_all_groups_and_outlives_them() {
    let mut bench = Bench::new(at_once());
    let sharing = |name: &str, read_only: bool| {
        let mut spec = agent(name);
        spec.volumes.push(VolumeSpec {
            name: "share".into(),
            source: VolumeSource::AzureFile(AzureFile {
                share_name: "my-share".into(),
                account_name: "account1".into(),
                account_key: Some("a2V5".to_owned().into()),
                read_only,
            }),
        });
        let mount = VolumeMount { name: "share".into(), mount_path: "/mnt/x".into(), read_only: false };
        spec.containers[0].volume_mounts.push(mount);
        spec
    };
    let one = bench.up(sharing("one", false)).await;
    let two = bench.up(sharing("two", true)).await;
    let mount = |view: &GroupView| {
        let request = bench.engine.request(&container_id(view)).unwrap();
        let MountSource::Volume(name) = &request.mounts[0].source else { panic!("no volume: {request:?}") };
        (name.clone(), request.mounts[0].read_only)
    };
    assert_eq!(mount(&one).0, mount(&two).0);
    assert_eq!((mount(&one).1, mount(&two).1), (false, true));
    for name in ["one", "two"] {
        bench.groups.delete(&id(name)).await.unwrap();
    }
    let volumes = bench.engine.volumes();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    bench.reborn(at_once()).await;
    assert_eq!(bench.engine.volumes(), volumes);
}

#[tokio::test]
async fn a_busy_registry_is_told_from_one_that_refuses() {
    let bench = Bench::new(at_once());
    bench.engine.refuse_image_with(
        "localhost:5000/agent:1",
        "toomanyrequests: You have reached your pull rate limit",
    );
    let refused = bench.refused(agent("one")).await;
    assert_eq!((refused.code.as_str(), refused.status), ("RegistryErrorResponse", 409));
    assert!(refused.message.contains("'localhost:5000'"), "{refused}");
    bench.engine.refuse_image("localhost:5000/agent:1");
    assert_eq!(bench.refused(agent("one")).await.code, "InaccessibleImage");
}

#[tokio::test]
async fn an_engine_that_is_away_during_the_initialisation_is_waited_for() {
    let bench = Bench::new(at_once());
    bench.groups.put(with_init(RestartPolicy::Always)).await.unwrap();
    let first = runs(&bench, "first").await;
    bench.engine.set_down(container_groups::Down::Yes);
    bench.engine.exit(&first, 0);
    wait_until(DEADLINE, "calls that nobody answered", async || {
        if bench.engine.unanswered() > 0 { Ok(()) } else { Err("none") }
    })
    .await;
    bench.engine.set_down(container_groups::Down::No);
    bench.engine.exit(&runs(&bench, "second").await, 0);
    bench.groups.settled(&id("one")).await.unwrap();
    let agent = runs(&bench, "agent").await;
    let seen = bench.engine.containers().into_iter().find(|one| one.id == agent).unwrap();
    assert!(matches!(seen.status, SeenStatus::Running { .. }));
}
