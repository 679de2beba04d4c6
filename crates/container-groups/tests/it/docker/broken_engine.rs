//! The engine goes away in the middle and comes back: between us and its socket is one of our own, which is cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use container_groups::{DockerRuntime, GroupState, ProvisioningState, RestartPolicy, Runtime, StatusKind};
use testkit::wait_until;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Bench, shell};
use crate::support::{DEADLINE, at_once, container_id, id, is_running, until};

const SLEEPER: &str = "while :; do sleep 0.1; done";

/// A socket that leads to the engine's for as long as this lives.
struct Line {
    cut: CancellationToken,
    door: tokio::task::JoinHandle<()>,
    path: PathBuf,
}

impl Line {
    fn open(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let cut = CancellationToken::new();
        let door = tokio::spawn({
            let cut = cut.clone();
            async move {
                loop {
                    let accepted = tokio::select! {
                        () = cut.cancelled() => return,
                        accepted = listener.accept() => accepted.unwrap().0,
                    };
                    tokio::spawn(pass(accepted, cut.clone()));
                }
            }
        });
        Self { cut, door, path: path.to_owned() }
    }

    /// Ends every connection, and lets nobody in.
    async fn cut(self) {
        self.cut.cancel();
        self.door.await.unwrap();
        fs_err::remove_file(self.path).unwrap();
    }
}

async fn pass(mut ours: UnixStream, cut: CancellationToken) {
    let engine = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let mut theirs = UnixStream::connect(engine.trim_start_matches("unix://")).await.unwrap();
    tokio::select! {
        () = cut.cancelled() => {}
        // Either end may hang up.
        _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs) => {}
    }
}

/// A bench whose service reaches the engine over the line alone.
struct Wired {
    bench: Bench,
    /// Held for the socket.
    _folder: tempfile::TempDir,
    socket: PathBuf,
    line: Option<Line>,
}

impl Wired {
    async fn new(test: &str) -> Self {
        let mut bench = Bench::new(test, at_once()).await;
        bench.die().await;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let line = Line::open(&socket);
        let engine = DockerRuntime::connect(Some(&format!("unix://{}", socket.display()))).await.unwrap();
        (bench.groups, bench.shutdown) = bench.home.process(Arc::new(engine), at_once());
        bench.groups.adopt().await.unwrap();
        Self { bench, _folder: folder, socket, line: Some(line) }
    }

    async fn cut(&mut self) {
        self.line.take().unwrap().cut().await;
    }

    fn mend(&mut self) {
        self.line = Some(Line::open(&self.socket));
    }
}

#[tokio::test]
async fn what_runs_goes_on_while_the_engine_is_away_and_is_found_again() {
    let mut wired = Wired::new("cutrunning").await;
    let before = wired.bench.up(shell("one", SLEEPER)).await;
    wired.cut().await;
    let refusal = wired.bench.groups.logs(&id("one"), "agent", None).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (503, "ServiceUnavailable"));
    let view = wired.bench.groups.get(&id("one")).unwrap();
    assert_eq!(view.state, GroupState::Running, "what is known is shown");
    wired.mend();
    wired.bench.log_with("one", "").await;
    let after = wired.bench.groups.get(&id("one")).unwrap();
    assert_eq!(container_id(&after), container_id(&before), "nothing was made anew");
    assert!(is_running(&after, 1));
    // It is watched again: its end is seen.
    wired.bench.engine.kill(&container_id(&after), Duration::ZERO).await.unwrap();
    until(&wired.bench.groups, &id("one"), "the restart", |view| is_running(view, 2)).await;
    assert_eq!(wired.bench.containers().await, 1);
    wired.bench.finish().await;
}

#[tokio::test]
async fn an_end_that_came_while_the_engine_was_away_is_treated_by_policy() {
    let mut wired = Wired::new("cutended").await;
    let again = wired.bench.up(shell("again", SLEEPER)).await;
    let mut once = shell("once", SLEEPER);
    once.restart_policy = RestartPolicy::Never;
    let once = wired.bench.up(once).await;
    wired.cut().await;
    for view in [&again, &once] {
        wired.bench.engine.kill(&container_id(view), Duration::ZERO).await.unwrap();
    }
    wired.mend();
    until(&wired.bench.groups, &id("again"), "the restart", |view| is_running(view, 2)).await;
    let ended =
        until(&wired.bench.groups, &id("once"), "its end", |view| view.state == GroupState::Failed).await;
    let state = ended.containers[0].current_state.as_ref().unwrap();
    assert_eq!((state.state, state.exit_code), (StatusKind::Terminated, Some(137)));
    assert_eq!(wired.bench.containers().await, 2, "one that runs, and one that is kept for its log");
    wired.bench.finish().await;
}

#[tokio::test]
async fn a_deployment_that_was_cut_off_is_finished_once_the_engine_answers() {
    let mut wired = Wired::new("cutdeploy").await;
    let mut spec = shell("one", SLEEPER);
    let mut init = spec.containers[0].clone();
    init.name = "wait".into();
    (init.cpu, init.memory_gb) = (0.0, 0.0);
    init.command = ["/bin/sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done"].map(str::to_owned).to_vec();
    spec.init_containers.push(init);
    wired.bench.groups.put(spec).await.unwrap();
    let view = until(&wired.bench.groups, &id("one"), "the init container", |view| {
        let state = view.init_containers[0].current_state.as_ref();
        state.is_some_and(|state| state.state == StatusKind::Running)
    })
    .await;
    wired.cut().await;
    let waiting = view.init_containers[0].container_id.clone().unwrap();
    super::docker(&["exec", &waiting, "touch", "/go"]).await;
    wait_until(DEADLINE, "the end of the init container", async || {
        let seen = wired.bench.engine.list(&wired.bench.home.instance, None).await.unwrap();
        let ended = seen.iter().any(|one| {
            one.id == waiting && matches!(one.status, container_groups::SeenStatus::Exited { .. })
        });
        if ended { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    let view = wired.bench.groups.get(&id("one")).unwrap();
    assert!(!view.provisioning_state.is_final(), "control: it could not go on, {view:?}");
    wired.mend();
    let view = wired.bench.groups.settled(&id("one")).await.unwrap();
    assert_eq!((view.provisioning_state, view.state), (ProvisioningState::Succeeded, GroupState::Running));
    wired.bench.groups.delete(&id("one")).await.unwrap();
    assert_eq!(wired.bench.containers().await, 0);
    wired.bench.finish().await;
}

#[tokio::test]
async fn a_group_that_is_put_while_the_engine_is_away_is_refused_and_leaves_nothing() {
    let mut wired = Wired::new("cutput").await;
    wired.cut().await;
    let refusal = wired.bench.groups.put(shell("one", SLEEPER)).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (503, "ServiceUnavailable"));
    assert!(wired.bench.groups.get(&id("one")).is_none());
    wired.mend();
    wired.bench.up(shell("one", SLEEPER)).await;
    wired.bench.finish().await;
}
