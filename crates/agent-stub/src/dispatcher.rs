//! From a job message to a worker process and back (azure-pipelines-agent: JobDispatcher.cs).

use std::{process::Stdio, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, Command},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    listener::Agent,
    noise,
    process::ProcessGroup,
    renewal::Lock,
    server::AgentServer,
    settings::AgentSettings,
    wire::JobMessage,
    worker::{JobResult, crash},
};

/// A cancelled worker is killed this long after its time-out.
const AFTER_TIMEOUT: Duration = Duration::from_mins(1);
/// A stopping listener waits this long for its worker.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(30);

/// How the listener was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunMode {
    Once,
    Service,
}

/// What the worker is told while it works.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Cancel {
        timeout_seconds: u64,
    },
    ShutDown,
    /// How often what the console shows is sent.
    ConsoleRate {
        milliseconds: u32,
    },
}

/// Starts jobs, one after the other.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    agent: Agent,
    settings: AgentSettings,
    mode: RunMode,
    report_crashes: bool,
    current: Option<Dispatched>,
    once_done: CancellationToken,
    /// How many jobs are not finished.
    running: watch::Sender<u32>,
}

#[derive(Debug)]
struct Dispatched {
    job_id: String,
    orders: mpsc::UnboundedSender<Order>,
    task: tokio::task::JoinHandle<()>,
}

impl Dispatcher {
    pub(crate) fn new(agent: Agent, settings: AgentSettings, mode: RunMode, report_crashes: bool) -> Self {
        Self {
            agent,
            settings,
            mode,
            report_crashes,
            current: None,
            once_done: CancellationToken::new(),
            running: watch::Sender::new(0),
        }
    }

    /// Cancelled when the one job of `--once` has ended, in whatever way.
    pub(crate) fn once_done(&self) -> CancellationToken {
        self.once_done.clone()
    }
    pub(crate) fn has_taken_a_job(&self) -> bool {
        self.current.is_some()
    }
    pub(crate) fn is_busy(&self) -> bool {
        *self.running.borrow() > 0
    }
    /// For waiting until no job runs.
    pub(crate) fn idle(&self) -> watch::Receiver<u32> {
        self.running.subscribe()
    }

    /// Takes a job; it waits for the one before it.
    pub(crate) fn start(&mut self, server: Arc<AgentServer>, text: &str) {
        let parsed = serde_json::from_str::<Value>(text)
            .and_then(|value| Ok((serde_json::from_value::<JobMessage>(value.clone())?, value)));
        let (message, mut raw) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.agent.console.error(&format!("The job message cannot be read: {error}"));
                return;
            }
        };
        if self.mode == RunMode::Once {
            raw["variables"]["agent.runMode"] = json!({ "value": "once" });
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let job = Job {
            agent: self.agent.clone(),
            settings: self.settings.clone(),
            server,
            message,
            raw,
            report_crashes: self.report_crashes,
        };
        let job_id = job.message.job_id.clone();
        let before = self.current.take().map(|dispatched| dispatched.task);
        let (mode, once_done, running) = (self.mode, self.once_done.clone(), self.running.clone());
        running.send_modify(|count| *count += 1);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                drop(before.await);
            }
            job.run(inbox).await;
            running.send_modify(|count| *count -= 1);
            if mode == RunMode::Once {
                once_done.cancel();
            }
        });
        self.current = Some(Dispatched { job_id, orders, task });
    }

    /// Passes an order to a job, when it is the one that runs.
    pub(crate) fn order(&self, job_id: &str, order: Order) -> bool {
        self.current.as_ref().is_some_and(|current| {
            current.job_id.eq_ignore_ascii_case(job_id)
                && !current.task.is_finished()
                && current.orders.send(order).is_ok()
        })
    }

    /// Cancels what runs and waits for its end.
    pub(crate) async fn shut_down(&mut self) {
        if let Some(current) = self.current.take()
            && !current.task.is_finished()
        {
            _ = current.orders.send(Order::ShutDown);
            // The job itself kills its worker when that takes too long; this is the limit beyond it.
            drop(tokio::time::timeout(SHUTDOWN_WAIT + Duration::from_secs(5), current.task).await);
        }
    }
}

struct Job {
    agent: Agent,
    settings: AgentSettings,
    server: Arc<AgentServer>,
    message: JobMessage,
    raw: Value,
    report_crashes: bool,
}

impl Job {
    async fn run(self, inbox: mpsc::UnboundedReceiver<Order>) {
        let console = &self.agent.console;
        let name = self.message.display_name().to_owned();
        let lock = Lock {
            server: self.server.clone(),
            pool: self.settings.pool_id,
            request: self.message.request_id,
        };
        let Some(until) = lock.first(self.agent.diagnostics()).await else {
            self.agent.diagnostics().error(&format!("The lock on job {name} was never had; it is dropped."));
            return;
        };
        console.line(&format!("{}: Running job: {name}", clock::console_time()));
        let (http, base, credential) = (self.server.http(), self.server.base(), self.server.credential());
        for flag in ["EnableNewMaskerAndRegexes", "UseEnhancedLogging"] {
            noise::feature_flag(http, base, credential, flag).await;
        }
        let keep = lock.keep(until, self.agent.diagnostics());
        tokio::pin!(keep);
        let (result, crashed) = match self.work(inbox, keep).await {
            Ok(Some(result)) => (result, None),
            Ok(None) => (JobResult::Abandoned, None),
            Err(fault) => (JobResult::Failed, Some(fault)),
        };
        if let Some(fault) = crashed {
            console.error(&fault);
            let event = self.report_crashes && self.message.plan.version >= 8;
            crash::report(http, &self.message, &fault, event, self.agent.diagnostics()).await;
        }
        if self.message.plan.version < 8 {
            self.finish_old_plan(result).await;
        }
        console.line(&format!(
            "{}: Job {name} completed with result: {}",
            clock::console_time(),
            result.title()
        ));
    }

    /// Runs the worker; `Ok(None)` when the lock was lost, an error when the worker crashed.
    async fn work(
        &self,
        mut inbox: mpsc::UnboundedReceiver<Order>,
        mut lock_lost: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<JobResult>, String> {
        let mut command = Command::new(self.agent.layout.worker_program());
        command
            .arg("spawnclient")
            .current_dir(self.agent.layout.bin())
            .env_clear()
            .envs(self.agent.environment.iter())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut worker = ProcessGroup::spawn(&mut command)
            .map_err(|error| format!("The worker could not be started: {error}"))?;
        if let Some(out) = worker.child.stdout.take() {
            tokio::spawn(trace(out, self.agent.clone()));
        }
        if let Some(out) = worker.child.stderr.take() {
            tokio::spawn(trace(out, self.agent.clone()));
        }
        let mut pipe = worker.child.stdin.take().ok_or("The worker has no pipe.")?;
        send(&mut pipe, &json!({ "type": "job", "body": self.raw })).await;

        let mut deadline: Option<tokio::time::Instant> = None;
        let mut abandoned = false;
        let mut told_to_stop = false;
        loop {
            let expired = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = worker.child.wait() => {
                    let status = status.map_err(|error| format!("The worker was lost: {error}"))?;
                    if abandoned {
                        return Ok(None);
                    }
                    return match status.code().and_then(JobResult::of_exit_code) {
                        Some(result) => Ok(Some(result)),
                        None if told_to_stop => Ok(Some(JobResult::Canceled)),
                        None => Err(format!("Worker process exited unexpectedly ({status}).")),
                    };
                }
                Some(order) = inbox.recv() => {
                    let wait = match order {
                        Order::ConsoleRate { milliseconds } => {
                            send(&mut pipe, &json!({ "type": "consoleRate", "milliseconds": milliseconds })).await;
                            continue;
                        }
                        Order::Cancel { timeout_seconds } => {
                            send(&mut pipe, &json!({ "type": "cancel", "timeoutSeconds": timeout_seconds })).await;
                            Duration::from_secs(timeout_seconds) + AFTER_TIMEOUT
                        }
                        Order::ShutDown => {
                            send(&mut pipe, &json!({ "type": "shutdown" })).await;
                            SHUTDOWN_WAIT
                        }
                    };
                    told_to_stop = true;
                    deadline = Some(tokio::time::Instant::now() + wait);
                }
                () = &mut lock_lost, if !abandoned => {
                    abandoned = true;
                    send(&mut pipe, &json!({ "type": "cancel", "timeoutSeconds": 60 })).await;
                    deadline = Some(tokio::time::Instant::now() + Duration::from_mins(1) + AFTER_TIMEOUT);
                }
                () = expired => {
                    worker.kill();
                    deadline = None;
                }
            }
        }
    }

    async fn finish_old_plan(&self, result: JobResult) {
        for _ in 0..5 {
            match self.server.finish(self.settings.pool_id, self.message.request_id, result.wire()).await {
                Ok(()) => return,
                Err(error) => {
                    self.agent.diagnostics().error(&format!("The job could not be finished: {error}"));
                }
            }
            clock::sleep(Duration::from_secs(5)).await;
        }
    }
}

/// One line of JSON. A worker that is gone shows by its exit.
async fn send(pipe: &mut ChildStdin, packet: &Value) {
    drop(pipe.write_all(format!("{packet}\n").as_bytes()).await);
    drop(pipe.flush().await);
}

/// The worker has nothing to say but what goes wrong in it.
async fn trace(stream: impl tokio::io::AsyncRead + Unpin, agent: Agent) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        agent.diagnostics().info(&format!("worker: {line}"));
    }
}
