//! `Agent.Worker`: runs one job and ends with 100 + result (azure-pipelines-agent: Worker.cs, JobRunner.cs).
//!
//! It is told what to do over its standard input, one JSON object a line: first the job, later perhaps an order
//! to cancel. When the pipe closes, the listener is gone and the job is cancelled too.

mod cleanup;
mod commands;
mod completion;
mod condition;
mod connect;
pub(crate) mod crash;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod job;
mod plan_server;
mod queue;
mod record;
mod script;
mod secrets;
mod tasks;
mod variables;

use std::{process::ExitCode, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    diagnostics::Diagnostics,
    environment::Environment,
    layout::Layout,
    masking::Masker,
    settings::{AgentSettings, CertificateSettings},
    wire::JobMessage,
};

/// How a job or a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobResult {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl JobResult {
    const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::SucceededWithIssues,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::Abandoned,
    ];

    /// The word on the wire.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithIssues => "succeededWithIssues",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
        }
    }

    /// The word for people and for the variable `agent.jobStatus`.
    pub(crate) fn title(self) -> String {
        let word = self.wire();
        word[..1].to_ascii_uppercase() + &word[1..]
    }

    fn exit_code(self) -> u8 {
        100 + self as u8
    }

    pub(crate) fn of_exit_code(code: i32) -> Option<Self> {
        usize::try_from(code - 100).ok().and_then(|index| Self::ALL.get(index)).copied()
    }

    fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.wire().eq_ignore_ascii_case(text))
    }
}

/// What every part of the worker needs.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) layout: Layout,
    pub(crate) environment: Environment,
    pub(crate) settings: AgentSettings,
    pub(crate) certificates: CertificateSettings,
    pub(crate) masker: Masker,
    pub(crate) diagnostics: Diagnostics,
}

#[derive(Deserialize)]
struct Packet {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    body: Value,
    /// Of `consoleRate`.
    #[serde(default)]
    milliseconds: u64,
}

/// The whole program.
pub fn worker_main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    else {
        return ExitCode::from(1);
    };
    let code = match runtime.block_on(start()) {
        Ok(result) => result.exit_code(),
        Err(error) => {
            use std::io::Write as _;
            drop(writeln!(std::io::stderr().lock(), "{error:#}"));
            1
        }
    };
    // The reader of standard input still waits for an order.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn start() -> anyhow::Result<JobResult> {
    ignore_terminal_signals();
    let layout = Layout::of_program()?;
    let masker = Masker::default();
    let diagnostics = Diagnostics::open(&layout.diagnostics(), "Worker", masker.clone());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Some(first) = lines.next_line().await? else { anyhow::bail!("no job came over the pipe") };
    let packet: Packet = serde_json::from_str(&first)?;
    anyhow::ensure!(packet.kind == "job", "the first packet must be a job, not `{}`", packet.kind);
    let message: JobMessage = serde_json::from_value(packet.body.clone())?;
    secrets::learn_secrets(&masker, &message);
    diagnostics.info(&format!("Job message:\n{:#}", packet.body));

    let cancelled = CancellationToken::new();
    let order = cancelled.clone();
    let (set_console_rate, console_rate) = watch::channel(None);
    let trace = diagnostics.clone();
    tokio::spawn(async move {
        loop {
            if let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str::<Packet>(&line) {
                    Ok(packet) if packet.kind == "cancel" || packet.kind == "shutdown" => {
                        trace.info(&format!("Order: {}", packet.kind));
                        order.cancel();
                    }
                    Ok(packet) if packet.kind == "consoleRate" => {
                        trace.info(&format!("Console lines go every {} ms.", packet.milliseconds));
                        set_console_rate.send_replace(Some(Duration::from_millis(packet.milliseconds)));
                    }
                    _ => trace.error("An order that cannot be read is ignored."),
                }
            } else {
                order.cancel();
                return;
            }
        }
    });
    let (settings, certificates) = (layout.read_settings()?, layout.read_certificates()?);
    let environment = Environment::of_process();
    let context = WorkerContext { layout, environment, settings, certificates, masker, diagnostics };
    Ok(job::run(&context, &message, &cancelled, console_rate).await)
}

/// Ctrl-C and SIGTERM are the listener's to handle; it then tells this process.
fn ignore_terminal_signals() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            if let Ok(mut stream) = signal(kind) {
                tokio::spawn(async move { while stream.recv().await.is_some() {} });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JobResult;

    #[test]
    fn results_and_exit_codes() {
        assert_eq!(JobResult::Succeeded.exit_code(), 100);
        assert_eq!(JobResult::Abandoned.exit_code(), 105);
        assert_eq!(JobResult::of_exit_code(102), Some(JobResult::Failed));
        for code in [0, 1, 99, 106, -1] {
            assert_eq!(JobResult::of_exit_code(code), None, "{code}");
        }
        assert_eq!(JobResult::SucceededWithIssues.title(), "SucceededWithIssues");
    }
}
