//! The service on a real engine.

#[cfg(unix)]
mod broken_engine;
mod sessions;
mod whole_groups;

use std::sync::Arc;
use std::time::Duration;

use container_groups::{
    DockerRuntime, GroupSpec, GroupState, Groups, InstanceNetwork, NetworkSettings, ProvisioningState,
    RestartPolicy, RunOnce, Runtime, SeenStatus, StatusKind, Switches, VolumeMount, VolumeSource, VolumeSpec,
};
use service_kit::{Shutdown, SystemClock};
use testkit::{assert_no_secret, base_image, planted_secret, unique_instance, wait_until};

use crate::registry;
use crate::support::{
    DEADLINE, Home, at_once, container_id, group, id, is_running, kind, until, with_secure,
};

/// One sandbox's containers on the real engine; everything is removed by [`Bench::finish`].
struct Bench {
    /// Held for its logs.
    _folder: tempfile::TempDir,
    finished: bool,
    engine: DockerRuntime,
    network: InstanceNetwork,
    home: Home,
    groups: Groups,
    shutdown: Shutdown,
}

impl Bench {
    async fn new(test: &str, switches: Switches) -> Self {
        // Said first, so that a test without an image fails for that reason.
        base_image();
        let folder = tempfile::tempdir().unwrap();
        let engine = connect().await;
        let mut home = Home::new(&unique_instance(test), folder.path(), SystemClock::shared());
        let settings = NetworkSettings {
            instance: home.instance.clone(),
            containers: 8,
            subnet: None,
            labels: [owner()].into(),
        };
        let network = engine.ensure_network(&settings).await.unwrap();
        assert_eq!(engine.ensure_network(&settings).await.unwrap(), network, "asked twice, made once");
        home.network.clone_from(&network.name);
        let (groups, shutdown) = home.process(Arc::new(engine.clone()), switches);
        Self { _folder: folder, finished: false, engine, network, home, groups, shutdown }
    }

    async fn die(&self) {
        assert!(self.shutdown.stop(Duration::from_secs(5)).await);
    }

    async fn reborn(&mut self, switches: Switches) {
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

    async fn containers(&self) -> usize {
        self.engine.list(&self.home.instance, None).await.unwrap().len()
    }

    /// The log of a group once it holds the text.
    async fn log_with(&self, name: &str, text: &str) -> String {
        wait_until(DEADLINE, &format!("`{text}` in the log"), async || {
            let log = self.groups.logs(&id(name), "agent", None).await.map_err(|error| error.to_string())?;
            if log.contains(text) { Ok(log) } else { Err(log) }
        })
        .await
    }

    /// Ends the process of a test that has removed the rest itself.
    async fn finished_already(mut self) {
        self.finished = true;
        self.die().await;
    }

    async fn finish(mut self) {
        self.finished = true;
        self.die().await;
        let removed = self.engine.remove_instance(&self.home.instance, &[]).await.unwrap();
        assert_eq!(removed.networks, std::slice::from_ref(&self.network.name));
        let left = self.engine.instances().await.unwrap().remove(&self.home.instance);
        assert_eq!(left, None);
    }
}

/// The net under a test that failed before it finished.
impl Drop for Bench {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let docker = |arguments: &[&str]| {
            let output = std::process::Command::new("docker").args(arguments).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let label = format!("label=mayfly.instance={}", self.home.instance);
        for id in docker(&["ps", "-aq", "--filter", &label]).split_whitespace() {
            docker(&["rm", "-fv", id]);
        }
        for name in docker(&["volume", "ls", "-q", "--filter", &label]).split_whitespace() {
            docker(&["volume", "rm", name]);
        }
        docker(&["network", "rm", &self.network.name]);
        docker(&["rmi", &format!("mayfly-holder:{}", self.home.instance)]);
    }
}

async fn connect() -> DockerRuntime {
    let host = std::env::var("DOCKER_HOST").ok();
    DockerRuntime::connect(host.as_deref())
        .await
        .unwrap_or_else(|error| panic!("{error}\nhint: {}", error.hint()))
}

/// Names the process that a test's objects belong to, so that those of a killed run can be swept.
fn owner() -> (String, String) {
    ("mayfly.owner-pid".to_owned(), std::process::id().to_string())
}

fn shell(name: &str, script: &str) -> GroupSpec {
    group(name, &base_image(), &["/bin/sh", "-c", script])
}

/// Says whether a file of an earlier run is there, writes it, ends on the first signal or never.
const LITTER: &str = "if [ -e /litter ]; then echo used; else echo fresh; fi; touch /litter; sleep 0.2";

#[tokio::test]
async fn a_file_of_run_one_is_gone_in_run_two() {
    let bench = Bench::new("fresh", at_once()).await;
    let first = bench.up(shell("one", LITTER)).await;
    let third =
        until(&bench.groups, &id("one"), "the third run", |view| view.containers[0].generation >= 3).await;
    assert_ne!(container_id(&first), container_id(&third));
    let log = wait_until(DEADLINE, "the log of an earlier run", async || {
        let log = bench.groups.previous_logs(&id("one"), "agent").await.map_err(|error| error.to_string())?;
        if log.is_empty() { Err(log) } else { Ok(log) }
    })
    .await;
    assert_eq!(log, "fresh\n");
    bench.groups.delete(&id("one")).await.unwrap();
    bench.finish().await;
}

/// The control: the engine's own restart policy keeps what a run wrote.
#[tokio::test]
async fn the_engines_own_restart_keeps_the_file() {
    let bench = Bench::new("control", at_once()).await;
    let name = format!("mayfly-{}-control", bench.home.instance);
    let label = format!("mayfly.instance={}", bench.home.instance);
    let run = ["run", "-d", "--restart", "always", "--name", &name, "--label", &label, &base_image()];
    docker(&[&run[..], &["/bin/sh", "-c", LITTER]].concat()).await;
    wait_until(DEADLINE, "a second run that finds the file", async || {
        let log = docker(&["logs", &name]).await;
        if log.contains("fresh\nused\n") { Ok(()) } else { Err(log) }
    })
    .await;
    bench.finish().await;
}

async fn docker(arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("docker").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn another_process_keeps_the_container_and_sees_it_end() {
    let mut bench = Bench::new("adopt", at_once()).await;
    let before = bench.up(shell("one", "trap 'exit 5' TERM; while :; do sleep 0.1; done")).await;
    bench.die().await;
    bench.reborn(at_once()).await;
    let after = bench.groups.get(&id("one")).unwrap();
    assert_eq!(container_id(&before), container_id(&after));
    assert_eq!(kind(&after), Some(StatusKind::Running));
    bench.engine.kill(&container_id(&after), Duration::from_secs(10)).await.unwrap();
    let restarted = until(&bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(restarted.containers[0].previous_state.as_ref().unwrap().exit_code, Some(5));
    assert_eq!(bench.containers().await, 1);
    bench.finish().await;
}

#[tokio::test]
async fn an_exit_that_nobody_watched_is_treated_by_policy() {
    let mut bench = Bench::new("unwatched", at_once()).await;
    let sleeper = "while :; do sleep 0.1; done";
    let again = bench.up(shell("again", sleeper)).await;
    let once = bench.up(GroupSpec { restart_policy: RestartPolicy::Never, ..shell("once", sleeper) }).await;
    bench.die().await;
    for view in [&again, &once] {
        bench.engine.kill(&container_id(view), Duration::ZERO).await.unwrap();
    }
    bench.reborn(at_once()).await;
    until(&bench.groups, &id("again"), "the restart", |view| is_running(view, 2)).await;
    let ended = bench.groups.get(&id("once")).unwrap();
    assert_eq!(ended.state, GroupState::Failed);
    assert_eq!(ended.containers[0].current_state.as_ref().unwrap().exit_code, Some(137));
    assert_eq!(container_id(&ended), container_id(&once), "kept for its log");
    bench.finish().await;
}

/// A process dies between creating the next container and removing the one that ended.
#[tokio::test]
async fn a_half_made_restart_is_taken_over() {
    let mut bench = Bench::new("halfmade", at_once()).await;
    let spec = shell("one", "while :; do sleep 0.1; done");
    let before = bench.up(spec).await;
    bench.die().await;
    bench.engine.kill(&container_id(&before), Duration::ZERO).await.unwrap();
    let image = bench.engine.pull(&base_image(), None).await.unwrap();
    let mut labels = bench.engine.list(&bench.home.instance, None).await.unwrap()[0].labels.clone();
    labels.generation = 2;
    let half_made = container_groups::CreateContainer {
        name: format!("mayfly-{}-half-made", bench.home.instance),
        image,
        labels,
        command: vec!["/bin/true".into()],
        environment: Vec::new(),
        cpu: 1.0,
        memory_bytes: 64 << 20,
        network: container_groups::NetworkMode::Attach(bench.network.name.clone()),
        mounts: Vec::new(),
    };
    let half_made = bench.engine.create(&half_made).await.unwrap();
    assert_eq!(bench.containers().await, 2);
    bench.reborn(at_once()).await;
    let after = until(&bench.groups, &id("one"), "one running container", |view| is_running(view, 3)).await;
    let left = bench.engine.list(&bench.home.instance, None).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].id, container_id(&after));
    assert!(matches!(left[0].status, SeenStatus::Running { .. }));
    assert!(![container_id(&before), half_made].contains(&left[0].id));
    bench.finish().await;
}

#[tokio::test]
async fn containers_reach_the_gateway_and_not_each_other() {
    let bench = Bench::new("network", at_once()).await;
    let gateway = bench.network.gateway;
    let listener = tokio::net::TcpListener::bind((gateway, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let local = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let local_port = local.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A client that has gone is no concern here.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"here\n").await;
        }
    });

    // A server that can be reached from itself, which is the control.
    let serve = "perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; print \"listening\\n\"; $| = 1; while (my $c = $s->accept) { print $c \"peer\\n\"; close $c }'";
    bench.up(shell("server", serve)).await;
    let inspect = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let server = container_id(&bench.groups.get(&id("server")).unwrap());
    let peer = docker(&["inspect", "-f", inspect, &server]).await.trim().to_owned();
    wait_until(DEADLINE, "the server to answer itself", async || {
        let probe = ["exec", &server, "timeout", "2", "bash", "-c", "cat < /dev/tcp/127.0.0.1/8080"];
        let output = tokio::process::Command::new("docker").args(probe).output().await.unwrap();
        if output.stdout == b"peer\n" { Ok(()) } else { Err(format!("{output:?}")) }
    })
    .await;

    let ask = async |address: &str, port: u16| {
        let command = ["timeout", "3", "bash", "-c", &format!("cat < /dev/tcp/{address}/{port}")];
        let run = RunOnce {
            instance: bench.home.instance.clone(),
            image: base_image(),
            command: command.map(str::to_owned).to_vec(),
            network: bench.network.name.clone(),
        };
        bench.engine.run_once(&run).await.unwrap()
    };
    let answer = ask(&gateway.to_string(), port).await;
    assert_eq!((answer.code, answer.log.as_str()), (0, "here\n"));
    assert_ne!(ask(&peer, 8080).await.code, 0, "containers must not reach each other");
    assert_ne!(
        ask(&gateway.to_string(), local_port).await.code,
        0,
        "what listens on 127.0.0.1 stays on the host"
    );
    answering.abort();
    bench.finish().await;
}

#[tokio::test]
async fn a_secret_is_in_the_container_and_not_in_what_is_shown() {
    let bench = Bench::new("secret", at_once()).await;
    let secret = planted_secret("token");
    let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &secret);
    let script = "cat /run/mayfly/token > /tmp/file; [ \"$(cat /tmp/file)\" = \"$TOKEN\" ] && stat -c '%a %u' /run/mayfly /run/mayfly/token; sleep 60";
    let mut spec = with_secure(shell("one", script), "TOKEN", &secret);
    spec.volumes.push(VolumeSpec {
        name: "secret".into(),
        source: VolumeSource::Secret([("token".to_owned(), content.into())].into()),
    });
    spec.containers[0].volume_mounts.push(VolumeMount {
        name: "secret".into(),
        mount_path: "/run/mayfly".into(),
        read_only: true,
    });
    let view = bench.up(spec).await;
    bench.log_with("one", "700 0\n400 0\n").await;
    assert_no_secret("the view", format!("{view:?}"), &secret);
    let seen = bench.engine.list(&bench.home.instance, None).await.unwrap();
    assert_no_secret("labels", format!("{seen:?}"), &secret);
    let labels = docker(&["inspect", "-f", "{{json .Config.Labels}} {{.Path}} {{.Args}}", &seen[0].id]).await;
    assert!(labels.contains("mayfly.generation"), "{labels}");
    assert_no_secret("labels and command line", labels, &secret);
    bench.finish().await;
}

#[tokio::test]
async fn limits_and_isolation_are_those_of_the_request() {
    let bench = Bench::new("limits", at_once()).await;
    let mut spec = shell("one", "readlink /proc/1/exe; ls /var/run/docker.sock; sleep 60");
    spec.containers[0].cpu = 4.0;
    let view = bench.up(spec).await;
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.Privileged}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Init}} {{.HostConfig.AutoRemove}} {{.HostConfig.PidsLimit}} {{.HostConfig.LogConfig.Type}} {{.HostConfig.Binds}} {{.HostConfig.PortBindings}}";
    let told = docker(&["inspect", "-f", format, &container_id(&view)]).await;
    let gigabyte = 1_u64 << 30;
    assert_eq!(told.trim(), format!("{gigabyte} {gigabyte} false no false false 8192 json-file [] map[]"));
    let processors: f64 = docker(&["info", "-f", "{{.NCPU}}"]).await.trim().parse().unwrap();
    let nano: f64 = docker(&["inspect", "-f", "{{.HostConfig.NanoCpus}}", &container_id(&view)])
        .await
        .trim()
        .parse()
        .unwrap();
    assert!((nano / 1e9 - processors.min(4.0)).abs() < 1e-6, "no more than the engine has: {nano}");
    let log = bench.log_with("one", "No such file").await;
    assert!(log.contains("/bin/dash") || log.contains("/bin/bash"), "process 1 is the command itself: {log}");
    bench.finish().await;
}

#[tokio::test]
async fn an_empty_dir_is_kept_over_a_restart() {
    let bench = Bench::new("emptydir", at_once()).await;
    let mut spec = shell("one", "echo run >> /scratch/runs; wc -l < /scratch/runs; sleep 0.1");
    spec.volumes.push(VolumeSpec { name: "scratch".into(), source: VolumeSource::EmptyDir });
    spec.containers[0].volume_mounts.push(VolumeMount {
        name: "scratch".into(),
        mount_path: "/scratch".into(),
        read_only: false,
    });
    bench.up(spec).await;
    bench.log_with("one", "3\n").await;
    bench.groups.delete(&id("one")).await.unwrap();
    assert_eq!(bench.engine.list_volumes(&bench.home.instance).await.unwrap(), [""; 0]);
    bench.finish().await;
}

#[tokio::test]
async fn what_cannot_run_is_refused_or_fails_with_the_engines_words() {
    let bench = Bench::new("broken", at_once()).await;
    let missing = group("one", "127.0.0.1:1/agent:1", &[]);
    let refusal = bench.groups.put(missing).await.unwrap_err();
    assert_eq!(refusal.code, "InaccessibleImage");
    bench.groups.put(group("two", &base_image(), &["/no/such/program"])).await.unwrap();
    let view = bench.groups.settled(&id("two")).await.unwrap();
    assert_eq!(view.provisioning_state, ProvisioningState::Failed);
    assert!(view.failure.unwrap().message.contains("/no/such/program"));
    bench.groups.delete(&id("two")).await.unwrap();
    assert_eq!(bench.containers().await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn a_stop_gives_the_grace_it_was_told() {
    let patient = Switches { stop_grace: Duration::from_secs(20), ..at_once() };
    let bench = Bench::new("grace", patient).await;
    let script = "trap 'echo asked politely; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    bench.up(shell("one", script)).await;
    bench.log_with("one", "ready").await;
    bench.groups.stop(&id("one")).await.unwrap();
    assert_eq!(bench.groups.logs(&id("one"), "agent", None).await.unwrap(), "ready\nasked politely\n");
    bench.groups.set_switches(at_once());
    bench.groups.start(&id("one")).await.unwrap();
    bench.groups.settled(&id("one")).await.unwrap();
    bench.log_with("one", "ready").await;
    bench.groups.stop(&id("one")).await.unwrap();
    assert_eq!(
        bench.groups.logs(&id("one"), "agent", None).await.unwrap(),
        "ready\n",
        "killed without a signal"
    );
    bench.finish().await;
}

#[tokio::test]
async fn a_sweep_takes_the_dead_and_leaves_the_living() {
    let (mut dead, living) = (Bench::new("dead", at_once()).await, Bench::new("living", at_once()).await);
    dead.up(shell("one", "sleep 60")).await;
    dead.die().await;
    dead.finished = true;
    let swept = living
        .engine
        .sweep(|instance, objects| {
            instance == dead.home.instance && objects.labels.contains_key("mayfly.owner-pid")
        })
        .await
        .unwrap();
    assert_eq!(swept, std::slice::from_ref(&dead.home.instance));
    let instances = living.engine.instances().await.unwrap();
    assert!(!instances.contains_key(&dead.home.instance));
    assert!(instances.contains_key(&living.home.instance));
    living.finish().await;
}

#[tokio::test]
async fn containers_of_one_group_share_their_network() {
    let mut bench = Bench::new("shared", at_once()).await;
    let serve = "perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) { print $c \"peer\\n\"; close $c }'";
    let ask = "until cat < /dev/tcp/127.0.0.1/8080; do sleep 0.1; done; exit 0";
    let mut spec = shell("pair", serve);
    let mut client = spec.containers[0].clone();
    client.name = "client".into();
    client.command = ["/bin/bash", "-c", ask].map(str::to_owned).to_vec();
    spec.containers.push(client);
    let view = bench.up(spec).await;
    let server = container_id(&view);
    // Each restart of the client is a new container in the same network.
    until(&bench.groups, &id("pair"), "three runs of the client", |view| view.containers[1].generation >= 3)
        .await;
    let log = wait_until(DEADLINE, "the log of a run", async || {
        let log =
            bench.groups.previous_logs(&id("pair"), "client").await.map_err(|error| error.to_string())?;
        if log.contains("peer\n") { Ok(log) } else { Err(log) }
    });
    log.await;
    bench.die().await;
    bench.reborn(at_once()).await;
    let after = bench.groups.get(&id("pair")).unwrap();
    assert_eq!(container_id(&after), server, "adopted with its network: {after:?}");

    // Whoever holds the network is killed: all containers are made anew around another.
    let holder = bench.engine.list(&bench.home.instance, None).await.unwrap();
    let holder = holder.into_iter().find(|one| one.labels.container.is_empty()).unwrap();
    docker(&["kill", &holder.id]).await;
    until(&bench.groups, &id("pair"), "another server", |view| {
        view.provisioning_state == ProvisioningState::Succeeded
            && view.containers[0].container_id.as_ref().is_some_and(|id| *id != server)
            && view.containers[1].generation >= 2
    })
    .await;
    bench.groups.delete(&id("pair")).await.unwrap();
    assert_eq!(bench.containers().await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn images_are_pulled_with_the_groups_own_login() {
    let bench = Bench::new("registry", at_once()).await;
    let password = planted_secret("registry");
    let registry = registry::serve(&password, &bench.shutdown).await;
    let by_tag = format!("{}/agent:1", registry.server);
    let by_digest = format!("{}/agent@{}", registry.server, registry.digest);
    let ask = |image: &str, password: Option<&str>| {
        let mut spec = group("one", image, &["/text"]);
        spec.registry_credentials.extend(password.map(|password| container_groups::RegistryCredential {
            server: registry.server.clone(),
            username: registry::USER.to_owned(),
            password: password.to_owned().into(),
        }));
        spec
    };
    for image in [&by_tag, &by_digest] {
        for password in [None, Some("wrong")] {
            let refusal = bench.groups.put(ask(image, password)).await.unwrap_err();
            assert_eq!(refusal.code, "InaccessibleImage", "{image} {password:?}: {refusal}");
        }
        bench.groups.put(ask(image, Some(&password))).await.unwrap();
        // The image holds nothing that can run: what counts is that it came.
        let view = bench.groups.settled(&id("one")).await.unwrap();
        let pulled = format!("Successfully pulled image \"{image}\"");
        assert!(view.containers[0].events.iter().any(|event| event.message == pulled), "{view:?}");
        assert_no_secret("the view", format!("{view:?}"), &password);
        bench.groups.delete(&id("one")).await.unwrap();
        // An image that the engine has is no way around the login.
        let refusal = bench.groups.put(ask(image, Some("wrong"))).await.unwrap_err();
        assert_eq!(refusal.code, "InaccessibleImage");
    }
    let unknown = format!("{}/agent:2", registry.server);
    let refusal = bench.groups.put(ask(&unknown, Some(&password))).await.unwrap_err();
    assert_eq!(refusal.code, "InaccessibleImage");
    let removed = bench
        .engine
        .remove_instance(&bench.home.instance, std::slice::from_ref(&registry.server))
        .await
        .unwrap();
    assert!(removed.images.contains(&by_tag), "{removed:?}");
    let listed = docker(&["images", "-q", &format!("{}/agent", registry.server)]).await;
    assert_eq!(listed, "", "images of the instance's registries go with it");
    let gone = bench
        .engine
        .remove_instance(&bench.home.instance, std::slice::from_ref(&registry.server))
        .await
        .unwrap();
    assert!(gone.is_empty(), "{gone:?}");
    bench.finished_already().await;
}
