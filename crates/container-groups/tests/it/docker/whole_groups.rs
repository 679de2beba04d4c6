//! What a group can have beside its containers, on the real engine: init containers, probes, shares, limits of memory.

use container_groups::{
    AzureFile, ContainerSpec, GroupSpec, GroupState, HttpGet, HttpScheme, Probe, ProbeCheck,
    ProvisioningState, RestartPolicy, Runtime, StatusKind, VolumeMount, VolumeSource, VolumeSpec,
};
use testkit::base_image;

use super::{Bench, shell};
use crate::support::{at_once, container_id, id, is_running, until};

const SLEEPER: &str = "while :; do sleep 0.1; done";

fn init(name: &str, script: &str) -> ContainerSpec {
    let mut container = ContainerSpec::new(name, base_image());
    (container.cpu, container.memory_gb) = (0.0, 0.0);
    container.command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    container
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: false }
}

fn never(spec: GroupSpec) -> GroupSpec {
    GroupSpec { restart_policy: RestartPolicy::Never, ..spec }
}

#[tokio::test]
async fn init_containers_run_in_order_before_the_others_and_leave_them_files() {
    let bench = Bench::new("init", at_once()).await;
    let mut spec = shell("one", "cat /work/steps; sleep 60");
    spec.volumes.push(VolumeSpec { name: "steps".into(), source: VolumeSource::EmptyDir });
    for (name, script) in [
        ("first", "sleep 0.5; echo first >> /work/steps"),
        ("second", "[ \"$(cat /work/steps)\" = first ] && echo second >> /work/steps"),
    ] {
        let mut container = init(name, script);
        container.volume_mounts.push(mount("steps", "/work"));
        spec.init_containers.push(container);
    }
    spec.containers[0].volume_mounts.push(mount("steps", "/work"));
    let view = bench.up(spec).await;
    assert_eq!(bench.log_with("one", "second\n").await, "first\nsecond\n");
    let ended = view.init_containers.iter().map(|one| one.current_state.clone().unwrap());
    let ended: Vec<_> = ended.map(|state| (state.exit_code, state.finish_time.unwrap())).collect();
    assert_eq!((ended[0].0, ended[1].0), (Some(0), Some(0)));
    let began = view.containers[0].current_state.as_ref().unwrap().start_time.unwrap();
    assert!(ended[0].1 < ended[1].1 && ended[1].1 <= began, "{ended:?} {began}");
    bench.finish().await;
}

#[tokio::test]
async fn an_init_container_that_fails_keeps_the_others_from_running() {
    let bench = Bench::new("initfails", at_once()).await;
    let mut spec = never(shell("one", "echo never"));
    spec.init_containers.push(init("broken", "exit 7"));
    bench.groups.put(spec).await.unwrap();
    let view = bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!((view.provisioning_state, view.state), (ProvisioningState::Failed, GroupState::Failed));
    let failure = view.failure.unwrap();
    assert_eq!(failure.code, "InitContainerFailed");
    assert!(failure.message.contains("broken"), "{failure}");
    assert_eq!(bench.groups.logs(&id("one"), "agent", None).await.unwrap(), "");
    bench.finish().await;
}

fn every_second(check: ProbeCheck) -> Probe {
    Probe { period_seconds: Some(1), failure_threshold: Some(2), ..Probe::new(check) }
}

#[tokio::test]
async fn a_container_that_fails_its_liveness_probe_is_killed_and_made_anew() {
    let bench = Bench::new("liveness", at_once()).await;
    let mut spec = shell("one", "touch /alive; sleep 4; rm /alive; while :; do sleep 0.1; done");
    let command = ["cat", "/alive"].map(str::to_owned).to_vec();
    spec.containers[0].liveness_probe = Some(every_second(ProbeCheck::Exec(command)));
    let first = bench.up(spec).await;
    let again = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_ne!(container_id(&first), container_id(&again));
    assert_eq!(again.containers[0].restart_count, 1);
    let events: Vec<&str> = again.containers[0].events.iter().map(|event| event.name.as_str()).collect();
    assert!(events.contains(&"Unhealthy") && events.contains(&"Killing"), "{events:?}");
    assert_eq!(again.containers[0].previous_state.as_ref().unwrap().exit_code, Some(137));
    bench.finish().await;
}

/// Answers every request on port 8080, with this status.
fn serve(status: &str) -> String {
    format!(
        "exec perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) {{ my $line = <$c>; print $c \"HTTP/1.1 {status}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n\"; close $c }}'"
    )
}

#[tokio::test]
async fn a_probe_over_http_reaches_the_container_and_judges_its_status() {
    let bench = Bench::new("httpprobe", at_once()).await;
    let probe = || {
        let request = HttpGet { path: None, port: 8080, scheme: HttpScheme::Http, headers: Vec::new() };
        every_second(ProbeCheck::HttpGet(request))
    };
    let mut well = shell("well", &serve("200 OK"));
    let mut ill = shell("ill", &serve("503 Service Unavailable"));
    for spec in [&mut well, &mut ill] {
        spec.containers[0].readiness_probe = Some(Probe { initial_delay_seconds: Some(3), ..probe() });
    }
    bench.up(well).await;
    bench.up(ill).await;
    let unhealthy = |view: &container_groups::GroupView| {
        view.containers[0].events.iter().find(|event| event.name == "Unhealthy").cloned()
    };
    let view = until(&bench.groups, &id("ill"), "the event", |view| unhealthy(view).is_some()).await;
    let event = unhealthy(&view).unwrap();
    assert!(event.message.contains("503"), "{}", event.message);
    // A probe for readiness restarts nobody.
    assert!(is_running(&view, 1));
    let view = bench.groups.get(&id("well")).unwrap();
    assert!(unhealthy(&view).is_none(), "{view:?}");
    bench.finish().await;
}

#[tokio::test]
async fn a_share_outlives_its_group_and_is_the_same_for_all_groups() {
    let bench = Bench::new("share", at_once()).await;
    let with_share = |name: &str, script: &str, read_only: bool| {
        let mut spec = never(shell(name, script));
        let share = AzureFile {
            share_name: "files".into(),
            account_name: "account1".into(),
            account_key: Some("aHVudGVyMg==".to_owned().into()),
            read_only,
        };
        spec.volumes.push(VolumeSpec { name: "share".into(), source: VolumeSource::AzureFile(share) });
        spec.containers[0].volume_mounts.push(mount("share", "/mnt/share"));
        spec
    };
    bench.up(with_share("writer", "echo kept > /mnt/share/file", false)).await;
    until(&bench.groups, &id("writer"), "its end", |view| view.state == GroupState::Succeeded).await;
    bench.groups.delete(&id("writer")).await.unwrap();
    bench.up(with_share("reader", "cat /mnt/share/file; touch /mnt/share/new || echo refused", true)).await;
    let log = bench.log_with("reader", "refused\n").await;
    assert!(log.starts_with("kept\n"), "{log}");
    bench.groups.delete(&id("reader")).await.unwrap();
    assert_eq!(bench.engine.list_volumes(&bench.home.instance).await.unwrap().len(), 1, "the share stays");
    bench.finish().await;
}

#[tokio::test]
async fn what_uses_more_memory_than_it_may_is_killed_and_says_so() {
    let bench = Bench::new("memory", at_once()).await;
    // One word that is twice as long as the memory that it may use.
    let mut spec = never(shell("one", "exec perl -e 'my $word = \"x\" x (2 << 30); print length $word'"));
    spec.containers[0].memory_gb = 1.0;
    bench.groups.put(spec).await.unwrap();
    let view = until(&bench.groups, &id("one"), "its end", |view| view.state == GroupState::Failed).await;
    let state = view.containers[0].current_state.as_ref().unwrap();
    assert_eq!(state.state, StatusKind::Terminated);
    assert_eq!((state.exit_code, state.detail_status.as_str()), (Some(137), "OOMKilled"));
    let mut modest = never(shell("two", "exec perl -e 'my $word = \"x\" x (1 << 20); print length $word'"));
    modest.containers[0].memory_gb = 1.0;
    bench.groups.put(modest).await.unwrap();
    let view = until(&bench.groups, &id("two"), "its end", |view| view.state == GroupState::Succeeded).await;
    assert_eq!(view.containers[0].current_state.as_ref().unwrap().detail_status, "Completed", "control");
    bench.finish().await;
}

#[tokio::test]
async fn a_stop_ends_a_group_whose_init_container_still_runs() {
    let bench = Bench::new("initstop", at_once()).await;
    let mut spec = shell("one", SLEEPER);
    spec.init_containers.push(init("slow", SLEEPER));
    bench.groups.put(spec).await.unwrap();
    until(&bench.groups, &id("one"), "the init container", |view| {
        let state = view.init_containers[0].current_state.as_ref();
        state.is_some_and(|state| state.state == StatusKind::Running)
    })
    .await;
    bench.groups.stop(&id("one")).await.unwrap();
    assert_eq!(bench.groups.get(&id("one")).unwrap().state, GroupState::Stopped);
    bench.groups.delete(&id("one")).await.unwrap();
    assert_eq!(bench.containers().await, 0);
    bench.finish().await;
}
