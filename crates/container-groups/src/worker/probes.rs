//! Liveness and readiness: asking containers how they are, and killing those that do not answer.
//!
//! Source: MicrosoftDocs/azure-docs: container-instances-liveness-probe.md, -readiness-probe.md, and for the times that
//! they leave out Kubernetes, which they refer to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::entry::{Entry, Shared};
use crate::group::{HttpGet, Probe, ProbeCheck};
use crate::record::Note;
use crate::runtime::RuntimeError;
use crate::state::Phase;
use crate::worker::effects::sleep_until;
use crate::worker::{Signal, Worker};

const PERIOD_SECONDS: u32 = 10;
const FAILURE_THRESHOLD: u32 = 3;
const TIMEOUT_SECONDS: u32 = 1;

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Liveness,
    Readiness,
}

/// How a probe went.
enum Answer {
    Well,
    /// Why it counts as a failure.
    Badly(String),
    /// It could not be asked, which says nothing of the container.
    Unknown,
}

/// One generation of a container that is asked again and again.
struct Patient {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    container: String,
    generation: u64,
    /// The engine's id of the container.
    id: String,
}

impl Worker {
    /// Starts to ask a generation that runs.
    pub(super) fn start_probes(&mut self, container: &str, generation: u64) {
        let spec = {
            let record = self.entry.record();
            record.spec.containers.iter().find(|spec| spec.name == container).cloned()
        };
        let Some(spec) = spec else { return };
        let probes = [(Aim::Liveness, spec.liveness_probe), (Aim::Readiness, spec.readiness_probe)];
        for (aim, probe) in probes {
            let Some(probe) = probe else { continue };
            let patient = Patient {
                shared: self.shared.clone(),
                entry: self.entry.clone(),
                container: container.to_owned(),
                generation,
                id: self.container_id(container),
            };
            self.signals.spawn(async move { patient.watch(&probe, aim).await });
        }
    }

    /// Kills a generation that failed its probe; its end is then treated by policy, like any other.
    pub(super) async fn kill_unhealthy(
        &mut self,
        container: &str,
        generation: u64,
    ) -> Result<(), RuntimeError> {
        let id = {
            let record = self.entry.record();
            let progress = record.containers.get(container);
            progress.filter(|one| one.machine.is_running(generation)).and_then(|one| one.container_id.clone())
        };
        let Some(id) = id else { return Ok(()) };
        let message = format!(
            "Killing container with id {id}:Container failed liveness probe.. Container will be killed and recreated."
        );
        self.note(container, Note::normal("Killing", message));
        match self.shared.runtime.kill(&id, self.shared.switches().stop_grace).await {
            // It ended by itself meanwhile.
            Ok(()) | Err(RuntimeError::Gone { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Patient {
    /// Asks until the generation has ended, or has failed too often.
    async fn watch(self, probe: &Probe, aim: Aim) -> Signal {
        let period = probe.period_seconds.unwrap_or(PERIOD_SECONDS).max(1);
        let threshold = probe.failure_threshold.unwrap_or(FAILURE_THRESHOLD).max(1);
        let mut failures = 0;
        self.sleep(probe.initial_delay_seconds.unwrap_or(0)).await;
        loop {
            let answer = self.ask(probe).await;
            if !self.still_runs() {
                return Signal::Nothing;
            }
            match answer {
                Answer::Well => failures = 0,
                Answer::Unknown => {}
                Answer::Badly(why) => {
                    failures += 1;
                    let message = format!("{aim:?} probe failed: {why}");
                    let now = self.shared.now();
                    self.entry.update(&self.shared, |record| {
                        let progress = record.containers.entry(self.container.clone()).or_default();
                        progress.note(Note::warning("Unhealthy", message), now);
                    });
                    if aim == Aim::Liveness && failures >= threshold {
                        return Signal::Unhealthy { container: self.container, generation: self.generation };
                    }
                }
            }
            self.sleep(period).await;
        }
    }

    async fn sleep(&self, seconds: u32) {
        let now = self.shared.now();
        let until = now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(now);
        sleep_until(&self.shared.settings.clock, until).await;
    }

    fn still_runs(&self) -> bool {
        let record = self.entry.record();
        record.containers.get(&self.container).is_some_and(|one| one.machine.is_running(self.generation))
    }

    async fn ask(&self, probe: &Probe) -> Answer {
        let limit = Duration::from_secs(u64::from(probe.timeout_seconds.unwrap_or(TIMEOUT_SECONDS).max(1)));
        let asked = async {
            match &probe.check {
                ProbeCheck::Exec(command) => self.run(command).await,
                ProbeCheck::HttpGet(request) => self.get(request, limit).await,
            }
        };
        let late = || Answer::Badly(format!("no answer within {} s", limit.as_secs()));
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| late())
    }

    async fn run(&self, command: &[String]) -> Answer {
        match self.shared.runtime.run_in(&self.id, command).await {
            Ok(output) if output.code == 0 => Answer::Well,
            Ok(output) => Answer::Badly(output.output),
            Err(RuntimeError::Refused { reason, .. }) => Answer::Badly(reason),
            Err(_) => Answer::Unknown,
        }
    }

    async fn get(&self, request: &HttpGet, limit: Duration) -> Answer {
        let holder = {
            let record = self.entry.record();
            record.holder.clone().filter(|_| record.spec.holds_network())
        };
        match self.shared.runtime.address(holder.as_ref().unwrap_or(&self.id)).await {
            Ok(Some(address)) => get(address, request, limit).await,
            Ok(None) | Err(_) => Answer::Unknown,
        }
    }
}

async fn get(address: IpAddr, request: &HttpGet, limit: Duration) -> Answer {
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit)
        .build();
    let Ok(client) = client else { return Answer::Unknown };
    let path = request.path.as_deref().unwrap_or("/").trim_start_matches('/');
    let socket = SocketAddr::new(address, request.port);
    let mut asked = client.get(format!("{}://{socket}/{path}", request.scheme.as_str()));
    for (name, value) in &request.headers {
        asked = asked.header(name, value);
    }
    match asked.send().await {
        Ok(answer) if (200..400).contains(&answer.status().as_u16()) => Answer::Well,
        Ok(answer) => {
            Answer::Badly(format!("HTTP probe failed with statuscode: {}", answer.status().as_u16()))
        }
        Err(error) => Answer::Badly(format!(
            "Get \"{}://{socket}/{path}\": {}",
            request.scheme.as_str(),
            reason(&error)
        )),
    }
}

/// The innermost cause, which says what happened to the connection.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl crate::state::Machine {
    /// Whether this generation is the one that runs.
    fn is_running(&self, generation: u64) -> bool {
        self.current == generation && matches!(self.phase, Phase::Running { .. })
    }
}
