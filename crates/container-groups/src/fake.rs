//! A container engine in memory, for tests of services.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use service_kit::SharedClock;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use crate::group::{OsType, RegistryCredential};
use crate::image;
use crate::runtime::{
    CommandOutput, ContainerId, CreateContainer, CreateHolder, ExitStatus, LogRequest, NetworkMode, Runtime,
    RuntimeError, Seen, SeenStatus,
};
use crate::session::{ExecCommand, Session};

/// Bytes that a terminal holds back until they are read.
const TERMINAL_BUFFER: usize = 64 << 10;

/// A container engine in memory. Clones share the same containers.
#[derive(Debug, Clone)]
pub struct FakeRuntime {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    clock: SharedClock,
}

#[derive(Debug)]
struct State {
    os: OsType,
    down: bool,
    pulls_held: bool,
    refused_images: BTreeMap<String, String>,
    logins: BTreeMap<String, (String, String)>,
    containers: Vec<Held>,
    volumes: BTreeMap<String, String>,
    broken_starts: u32,
    unanswered: u32,
    created: u64,
    kills: Vec<(ContainerId, Duration)>,
    most_running: BTreeMap<(String, String), usize>,
    addresses: BTreeMap<ContainerId, IpAddr>,
    logins_seen: Vec<RegistryCredential>,
    probe_code: i64,
}

#[derive(Debug, Clone)]
struct Held {
    seen: Seen,
    request: CreateContainer,
    log: Vec<u8>,
}

impl FakeRuntime {
    /// An engine without containers that has every image.
    pub fn new(clock: SharedClock) -> Self {
        let state = State {
            os: OsType::Linux,
            down: false,
            pulls_held: false,
            refused_images: BTreeMap::new(),
            logins: BTreeMap::new(),
            containers: Vec::new(),
            volumes: BTreeMap::new(),
            broken_starts: 0,
            unanswered: 0,
            created: 0,
            kills: Vec::new(),
            most_running: BTreeMap::new(),
            addresses: BTreeMap::new(),
            logins_seen: Vec::new(),
            probe_code: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0), clock }
    }

    /// Lets the engine answer (`false`) or not (`true`).
    pub fn set_down(&self, down: Down) {
        self.change(|state| state.down = down == Down::Yes);
    }

    /// Holds every pull back until [`FakeRuntime::release_pulls`].
    pub fn hold_pulls(&self) {
        self.change(|state| state.pulls_held = true);
    }

    /// Lets held pulls go on.
    pub fn release_pulls(&self) {
        self.change(|state| state.pulls_held = false);
    }

    /// Makes an image inaccessible.
    pub fn refuse_image(&self, image: &str) {
        self.refuse_image_with(image, "manifest unknown");
    }

    /// Makes an image inaccessible, for a reason that the registry gives.
    pub fn refuse_image_with(&self, image: &str, reason: &str) {
        self.change(|state| state.refused_images.insert(image.to_owned(), reason.to_owned()));
    }

    /// Makes a registry ask for a login.
    pub fn require_login(&self, server: &str, username: &str, password: &str) {
        self.change(|state| {
            state.logins.insert(server.to_owned(), (username.to_owned(), password.to_owned()))
        });
    }

    /// Lets the next `count` starts fail.
    pub fn break_starts(&self, count: u32) {
        self.change(|state| state.broken_starts = count);
    }

    /// Calls that came while the engine was down.
    pub fn unanswered(&self) -> u32 {
        self.lock().unanswered
    }

    /// All containers.
    pub fn containers(&self) -> Vec<Seen> {
        self.lock().containers.iter().map(|held| held.seen.clone()).collect()
    }

    /// The running containers.
    pub fn running(&self) -> Vec<Seen> {
        let running = |one: &Seen| matches!(one.status, SeenStatus::Running { .. });
        self.containers().into_iter().filter(running).collect()
    }

    /// What a container was created from.
    pub fn request(&self, id: &str) -> Option<CreateContainer> {
        self.lock().containers.iter().find(|held| held.seen.id == id).map(|held| held.request.clone())
    }

    /// The names of all volumes.
    pub fn volumes(&self) -> Vec<String> {
        self.lock().volumes.keys().cloned().collect()
    }

    /// Containers that were killed, with the grace they were given.
    pub fn kills(&self) -> Vec<(ContainerId, Duration)> {
        self.lock().kills.clone()
    }

    /// The most generations of one container of one group that ever ran at once.
    pub fn most_running_at_once(&self) -> usize {
        self.lock().most_running.values().copied().max().unwrap_or(0)
    }

    /// Lets a running container end.
    pub fn exit(&self, id: &str, code: i32) {
        let now = self.clock.now();
        self.change(|state| {
            for held in state.containers.iter_mut().filter(|held| held.seen.id == id) {
                if let SeenStatus::Running { started } = held.seen.status {
                    held.seen.status = SeenStatus::Exited {
                        started,
                        exit: ExitStatus { code, finished: now, out_of_memory: false },
                    };
                }
            }
        });
    }

    /// Adds to what a container wrote.
    pub fn write_log(&self, id: &str, text: &str) {
        self.change(|state| {
            for held in state.containers.iter_mut().filter(|held| held.seen.id == id) {
                held.log.extend_from_slice(text.as_bytes());
            }
        });
    }

    /// Every login that came with an image.
    pub fn logins_seen(&self) -> Vec<RegistryCredential> {
        self.lock().logins_seen.clone()
    }

    /// What commands that probe a container end with from now on.
    pub fn set_probe_code(&self, code: i64) {
        self.change(|state| state.probe_code = code);
    }

    /// Gives a container an address; without one it has that of this host.
    pub fn set_address(&self, id: &str, address: IpAddr) {
        self.change(|state| state.addresses.insert(id.to_owned(), address));
    }

    /// Makes a container vanish behind the service's back.
    pub fn vanish(&self, id: &str) {
        self.change(|state| state.containers.retain(|held| held.seen.id != id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn up(&self, action: &str) -> Result<MutexGuard<'_, State>, RuntimeError> {
        let mut state = self.lock();
        if state.down {
            state.unanswered += 1;
            return Err(RuntimeError::Unavailable {
                action: action.to_owned(),
                reason: "it is down".to_owned(),
            });
        }
        Ok(state)
    }

    /// Fails unless the container runs.
    fn run_state(&self, id: &str, action: &str) -> Result<(), RuntimeError> {
        let state = self.up(action)?;
        let held = state.containers.iter().find(|held| held.seen.id == id).ok_or_else(|| gone(action))?;
        if matches!(held.seen.status, SeenStatus::Running { .. }) {
            return Ok(());
        }
        Err(RuntimeError::Refused { action: action.to_owned(), reason: "it does not run".to_owned() })
    }

    /// What a container wrote after the first `seen` bytes, and the new count; `None` once it has ended.
    async fn written(&self, id: &str, seen: usize) -> Option<(Bytes, usize)> {
        self.until(|| {
            let state = self.lock();
            let Some(held) = state.containers.iter().find(|held| held.seen.id == id) else {
                return Some(None);
            };
            let fresh = held.log.get(seen..).filter(|fresh| !fresh.is_empty());
            let ended = !matches!(held.seen.status, SeenStatus::Running { .. });
            match fresh {
                Some(fresh) => Some(Some((Bytes::copy_from_slice(fresh), held.log.len()))),
                None => ended.then_some(None),
            }
        })
        .await
    }

    /// Waits until `ready` gives something.
    async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }
}

/// Whether a fake engine is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// It does not answer.
    Yes,
    /// It answers.
    No,
}

fn gone(action: &str) -> RuntimeError {
    RuntimeError::Gone { action: action.to_owned() }
}

#[async_trait]
impl Runtime for FakeRuntime {
    fn os(&self) -> OsType {
        self.lock().os
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.up("ping").map(|_| ())
    }

    async fn check_image(&self, image: &str, login: Option<&RegistryCredential>) -> Result<(), RuntimeError> {
        use secrecy::ExposeSecret;
        let mut state = self.up("check image")?;
        state.logins_seen.extend(login.cloned());
        let refused =
            |reason: &str| RuntimeError::Image { image: image.to_owned(), reason: reason.to_owned() };
        if let Some(reason) = state.refused_images.get(image) {
            return Err(refused(reason));
        }
        if let Some((username, password)) = image::registry(image).and_then(|host| state.logins.get(host)) {
            let right = login.is_some_and(|login| {
                login.username == *username && login.password.expose_secret() == password.as_str()
            });
            if !right {
                return Err(refused("unauthorized"));
            }
        }
        Ok(())
    }

    async fn pull(&self, image: &str, login: Option<&RegistryCredential>) -> Result<String, RuntimeError> {
        self.until(|| (!self.lock().pulls_held).then_some(())).await;
        self.check_image(image, login).await?;
        Ok(format!("id-of-{image}"))
    }

    async fn create(&self, request: &CreateContainer) -> Result<ContainerId, RuntimeError> {
        drop(self.up("create")?);
        self.change(|state| {
            if state.containers.iter().any(|held| held.request.name == request.name) {
                return Err(RuntimeError::Refused {
                    action: "create".to_owned(),
                    reason: format!("the name `{}` is in use", request.name),
                });
            }
            state.created += 1;
            let id = format!("{:064x}", state.created);
            let seen = Seen { id: id.clone(), labels: request.labels.clone(), status: SeenStatus::Created };
            state.containers.push(Held { seen, request: request.clone(), log: Vec::new() });
            Ok(id)
        })
    }

    async fn create_holder(&self, request: &CreateHolder) -> Result<ContainerId, RuntimeError> {
        self.create(&CreateContainer {
            name: request.name.clone(),
            image: "holder".to_owned(),
            labels: request.labels.clone(),
            command: Vec::new(),
            environment: Vec::new(),
            cpu: 1.0,
            memory_bytes: 0,
            network: NetworkMode::Attach(request.network.clone()),
            mounts: Vec::new(),
        })
        .await
    }

    async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        drop(self.up("start")?);
        let now = self.clock.now();
        self.change(|state| {
            if state.broken_starts > 0 {
                state.broken_starts -= 1;
                return Err(RuntimeError::Refused {
                    action: "start".to_owned(),
                    reason: "no such file".to_owned(),
                });
            }
            let held =
                state.containers.iter_mut().find(|held| held.seen.id == id).ok_or_else(|| gone("start"))?;
            if held.seen.status != SeenStatus::Created {
                return Err(RuntimeError::Refused {
                    action: "start".to_owned(),
                    reason: "a container is never started twice".to_owned(),
                });
            }
            held.seen.status = SeenStatus::Running { started: now };
            let labels = held.seen.labels.clone();
            let running = state.containers.iter().filter(|held| {
                let same =
                    held.seen.labels.group == labels.group && held.seen.labels.container == labels.container;
                same && matches!(held.seen.status, SeenStatus::Running { .. })
            });
            let count = running.count();
            let most = state.most_running.entry((labels.group, labels.container)).or_default();
            *most = (*most).max(count);
            Ok(())
        })
    }

    async fn wait(&self, id: &str) -> Result<ExitStatus, RuntimeError> {
        self.until(|| {
            let state = match self.up("wait") {
                Ok(state) => state,
                Err(error) => return Some(Err(error)),
            };
            match state.containers.iter().find(|held| held.seen.id == id).map(|held| held.seen.status) {
                None => Some(Err(gone("wait"))),
                Some(SeenStatus::Exited { exit, .. }) => Some(Ok(exit)),
                Some(_) => None,
            }
        })
        .await
    }

    async fn kill(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        drop(self.up("kill")?);
        self.change(|state| state.kills.push((id.to_owned(), grace)));
        self.exit(id, if grace.is_zero() { 137 } else { 143 });
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        drop(self.up("remove")?);
        self.vanish(id);
        Ok(())
    }

    async fn list(&self, instance: &str, group: Option<&str>) -> Result<Vec<Seen>, RuntimeError> {
        drop(self.up("list")?);
        let ours = |seen: &Seen| {
            seen.labels.instance == instance && group.is_none_or(|group| seen.labels.group == group)
        };
        Ok(self.containers().into_iter().filter(ours).collect())
    }

    async fn address(&self, id: &str) -> Result<Option<IpAddr>, RuntimeError> {
        let state = self.up("address")?;
        let held = state.containers.iter().find(|held| held.seen.id == id);
        let runs = held.is_some_and(|held| matches!(held.seen.status, SeenStatus::Running { .. }));
        let address = state.addresses.get(id).copied();
        Ok(runs.then(|| address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }

    async fn logs(&self, id: &str, request: LogRequest) -> Result<Vec<u8>, RuntimeError> {
        let state = self.up("logs")?;
        let held = state.containers.iter().find(|held| held.seen.id == id).ok_or_else(|| gone("logs"))?;
        let mut log = held.log.clone();
        if request.timestamps {
            let lines = held.log.split_inclusive(|byte| *byte == b'\n');
            log =
                lines.flat_map(|line| [format!("{} ", self.clock.now()).as_bytes(), line].concat()).collect();
        }
        log.drain(..log.len().saturating_sub(request.max_bytes));
        Ok(log)
    }

    /// A terminal that says what it was asked for, then repeats what is typed until the keyboard is closed.
    async fn exec(&self, id: &str, command: &ExecCommand) -> Result<Session, RuntimeError> {
        self.run_state(id, "exec")?;
        let (output, mut input) = tokio::io::simplex(TERMINAL_BUFFER);
        let ExecCommand { command, rows, columns } = command;
        let greeting = format!("{} in {rows}x{columns}\n", command.join(" "));
        let failed = |error: std::io::Error| RuntimeError::Unavailable {
            action: "exec".to_owned(),
            reason: error.to_string(),
        };
        input.write_all(greeting.as_bytes()).await.map_err(failed)?;
        let output = ReaderStream::new(output).map(move |piece| piece.map_err(failed));
        Ok(Session { output: Box::pin(output), input: Some(Box::pin(input)) })
    }

    async fn run_in(&self, id: &str, _command: &[String]) -> Result<CommandOutput, RuntimeError> {
        self.run_state(id, "run a command")?;
        let code = self.lock().probe_code;
        Ok(CommandOutput { code, output: format!("ended with {code}") })
    }

    /// Ends with the container.
    async fn attach(&self, id: &str) -> Result<Session, RuntimeError> {
        self.run_state(id, "attach")?;
        let (runtime, id) = (self.clone(), id.to_owned());
        let seen =
            self.lock().containers.iter().find(|held| held.seen.id == id).map_or(0, |held| held.log.len());
        let output = futures_util::stream::unfold(seen, move |seen| {
            let (runtime, id) = (runtime.clone(), id.clone());
            async move { runtime.written(&id, seen).await.map(|(piece, seen)| (Ok(piece), seen)) }
        });
        Ok(Session { output: Box::pin(output), input: None })
    }

    async fn create_volume(&self, name: &str, instance: &str, _group: &str) -> Result<(), RuntimeError> {
        drop(self.up("create volume")?);
        self.change(|state| state.volumes.insert(name.to_owned(), instance.to_owned()));
        Ok(())
    }

    async fn list_volumes(&self, instance: &str) -> Result<Vec<String>, RuntimeError> {
        let state = self.up("list volumes")?;
        Ok(state.volumes.iter().filter(|(_, of)| *of == instance).map(|(name, _)| name.clone()).collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError> {
        drop(self.up("remove volume")?);
        self.change(|state| state.volumes.remove(name));
        Ok(())
    }
}
