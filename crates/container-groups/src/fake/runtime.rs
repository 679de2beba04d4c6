//! What the service asks of the engine.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::fake::{FakeRuntime, Held, gone};
use crate::group::{OsType, RegistryCredential};
use crate::image;
use crate::runtime::{
    CommandOutput, ContainerId, CreateContainer, CreateHolder, ExitStatus, LogRequest, NetworkMode, Runtime,
    RuntimeError, Seen, SeenStatus,
};
use crate::session::{ExecCommand, Session};

/// Bytes that a terminal holds back until they are read.
const TERMINAL_BUFFER: usize = 64 << 10;

#[async_trait]
impl Runtime for FakeRuntime {
    fn os(&self) -> OsType {
        self.lock().os
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.up("ping").map(|_| ())
    }

    async fn check_image(&self, image: &str, login: Option<&RegistryCredential>) -> Result<(), RuntimeError> {
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
        if self.lock().creations_held {
            self.change(|state| state.creations_waiting += 1);
            self.until(|| (!self.lock().creations_held).then_some(())).await;
        }
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
        let code = {
            let mut state = self.lock();
            state.probes += 1;
            state.probe_code
        };
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
