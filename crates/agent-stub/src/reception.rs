//! The loop that takes messages, and what an update has to do with jobs (azure-pipelines-agent: Agent.Listener/Agent.cs).
//!
//! While an update goes on, and after the one job of `--once`, a job's message is left in the queue: the service has
//! to give it to somebody else. When the update fails, the last message that was left is worked on after all.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    dispatcher::{Dispatcher, Order, RunMode},
    error::ClientError,
    listener::{Agent, RUN_ONCE_UPDATING, SUCCESS, UPDATING},
    messages::Poller,
    session::OpenSession,
    update::{Updated, update},
    wire::{AgentRefresh, JobCancel, JobMetadata, Message, time_span_seconds},
};

/// Any text in it, even `false`, makes the agent ignore that it is to update itself.
const DISABLE_UPDATE: &str = "agent.disableupdate";

/// What becomes of a message once it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Deleted,
    LeftInTheQueue,
}

/// Takes messages.
#[derive(Debug)]
pub(crate) struct Reception<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) mode: RunMode,
    pub(crate) dispatcher: &'a mut Dispatcher,
    /// The update that goes on.
    update: Option<JoinHandle<Updated>>,
    /// The last job message that was left because of it.
    left: Option<Message>,
}

impl<'a> Reception<'a> {
    pub(crate) fn new(agent: &'a Agent, mode: RunMode, dispatcher: &'a mut Dispatcher) -> Self {
        Self { agent, mode, dispatcher, update: None, left: None }
    }

    /// Takes messages until there is a reason to end, and returns the listener's exit code.
    pub(crate) async fn run(
        mut self,
        mut poller: Poller<'_>,
        stop: &CancellationToken,
    ) -> Result<u8, ClientError> {
        loop {
            let (once_done, updating) = (self.dispatcher.once_done(), self.update.is_some());
            let message = tokio::select! {
                () = stop.cancelled() => return Ok(SUCCESS),
                // The end of the one job is looked at only when no update goes on.
                () = once_done.cancelled(), if !updating => return Ok(SUCCESS),
                outcome = finished(&mut self.update) => match (outcome, self.left.take()) {
                    (Updated::Yes, _) if self.mode == RunMode::Once => return Ok(RUN_ONCE_UPDATING),
                    (Updated::Yes, _) => return Ok(UPDATING),
                    (Updated::No, Some(message)) => message,
                    (Updated::No, None) => continue,
                },
                message = poller.next() => message?,
            };
            let session = poller.live.read().await.clone();
            if self.work_on(&message, &session, &poller) == Fate::LeftInTheQueue {
                let text = format!("Message {} is left in the queue.", message.message_id);
                self.agent.diagnostics().info(&text);
                continue;
            }
            let deleted = session.server.delete_message(poller.pool, &session.id, message.message_id).await;
            if let Err(error) = deleted {
                let text = format!("Message {} could not be deleted: {error}", message.message_id);
                self.agent.diagnostics().error(&text);
            }
        }
    }

    fn work_on(&mut self, message: &Message, session: &OpenSession, poller: &Poller<'_>) -> Fate {
        match message.message_type.to_ascii_lowercase().as_str() {
            "pipelineagentjobrequest" => self.job(message, session),
            "jobcancellation" => self.cancellation(message, session),
            "jobmetadataupdate" => {
                self.metadata(message, session);
                Fate::Deleted
            }
            "agentrefresh" => {
                self.refresh(message, session, poller);
                Fate::Deleted
            }
            other => {
                self.agent.diagnostics().info(&format!("A message of the type '{other}' is ignored."));
                Fate::Deleted
            }
        }
    }

    /// Whether jobs are left for others.
    fn takes_no_job(&self) -> bool {
        self.update.is_some() || (self.mode == RunMode::Once && self.dispatcher.has_taken_a_job())
    }

    fn job(&mut self, message: &Message, session: &OpenSession) -> Fate {
        if self.update.is_some() {
            self.left = Some(message.clone());
        }
        if self.takes_no_job() {
            return Fate::LeftInTheQueue;
        }
        match self.text(message, session) {
            Some(text) => self.dispatcher.start(session.server.clone(), &text),
            None => self.agent.console.error("The job message could not be read."),
        }
        Fate::Deleted
    }

    fn cancellation(&self, message: &Message, session: &OpenSession) -> Fate {
        let cancel =
            self.text(message, session).and_then(|text| serde_json::from_str::<JobCancel>(&text).ok());
        let known = cancel.as_ref().is_some_and(|cancel| {
            let timeout = cancel.timeout.as_deref().and_then(time_span_seconds).unwrap_or(0);
            self.dispatcher.order(&cancel.job_id, Order::Cancel { timeout_seconds: timeout.max(60) })
        });
        // A cancellation of a job that was left goes to whoever gets that job.
        if cancel.is_some() && !known && self.takes_no_job() { Fate::LeftInTheQueue } else { Fate::Deleted }
    }

    fn metadata(&self, message: &Message, session: &OpenSession) {
        let metadata =
            self.text(message, session).and_then(|text| serde_json::from_str::<JobMetadata>(&text).ok());
        if let Some(JobMetadata { job_id, post_lines_frequency_millis: Some(milliseconds) }) = metadata {
            self.dispatcher.order(&job_id, Order::ConsoleRate { milliseconds });
        }
    }

    fn refresh(&mut self, message: &Message, session: &OpenSession, poller: &Poller<'_>) {
        if self.agent.environment.get(DISABLE_UPDATE).is_some() {
            self.agent.diagnostics().info(&format!("No update: the variable {DISABLE_UPDATE} is set."));
            return;
        }
        if self.update.is_some() {
            self.agent.diagnostics().info("No second update: one goes on.");
            return;
        }
        let target = self
            .text(message, session)
            .and_then(|text| serde_json::from_str::<AgentRefresh>(&text).ok())
            .and_then(|refresh| refresh.target_version);
        let (agent, settings) = (self.agent.clone(), poller.maker.settings.clone());
        let (server, idle) = (session.server.clone(), self.dispatcher.idle());
        self.update =
            Some(tokio::spawn(
                async move { update(&agent, &settings, &server, target.as_deref(), idle).await },
            ));
    }

    fn text(&self, message: &Message, session: &OpenSession) -> Option<String> {
        session
            .body(message)
            .inspect_err(|error| {
                self.agent.diagnostics().error(&format!("Message {}: {error:#}", message.message_id));
            })
            .ok()
    }
}

/// Waits for the end of an update; for ever where none goes on.
async fn finished(update: &mut Option<JoinHandle<Updated>>) -> Updated {
    let Some(task) = update else { return std::future::pending().await };
    let outcome = task.await.unwrap_or(Updated::No);
    *update = None;
    outcome
}
