//! Azure DevOps in a test: an organization of its own on a free port, jobs that are queued and awaited, and a check at
//! the end that everything happened.
//!
//! It runs nothing: an agent that the test starts, the real one or any other, registers at [`AzureDevOps::url`] with
//! [`AzureDevOps::token`] and takes the jobs. Each instance has its own port, state and token, so many can run in one
//! process.
//!
//! ```no_run
//! use azdo_mock::testing::{AzureDevOps, Job, Outcome};
//!
//! # async fn example() {
//! let azure = AzureDevOps::start().await;
//! // An agent is pointed at `azure.url()` with `azure.token()` and listens in the pool `Default`.
//! let job = azure.queue(Job::script("echo hello")).await;
//! let done = job.result().await;
//! assert_eq!(done.outcome, Outcome::Succeeded);
//! assert!(done.log.iter().any(|line| line == "hello"));
//! # }
//! ```
//!
//! Without an agent a job waits; one that is cancelled has ended:
//!
//! ```
//! use azdo_mock::testing::{AzureDevOps, Job, Outcome};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let azure = AzureDevOps::start().await;
//! azure.expect_jobs(1);
//! let job = azure.queue(Job::script("make").named("build").demand("docker")).await;
//! job.cancel().await;
//! assert_eq!(job.result().await.outcome, Outcome::Canceled);
//! # });
//! ```
//!
//! An instance checks itself when it is dropped, and panics when a job has not ended or an expectation is not met:
//!
//! ```should_panic
//! use azdo_mock::testing::{AzureDevOps, Job};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let azure = AzureDevOps::start().await;
//! azure.queue(Job::script("make")).await;
//! // Nobody takes the job: dropping `azure` panics.
//! # });
//! ```
//!
//! Calls can be made to fail, to see what a client does:
//!
//! ```
//! use azdo_mock::testing::{AzureDevOps, Fault};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let azure = AzureDevOps::builder().pool("Linux").start().await;
//! azure.mount(Fault::status(503).method("GET").path_contains("/pools").times(2)).await;
//! # let client = reqwest::Client::new();
//! # let pools = || client.get(format!("{}/_apis/distributedtask/pools", azure.url())).basic_auth("", Some(azure.token()));
//! // … two calls of a client are refused, the third is answered …
//! # assert_eq!(pools().send().await.unwrap().status(), 503);
//! # assert_eq!(pools().send().await.unwrap().status(), 503);
//! # assert_eq!(pools().send().await.unwrap().status(), 200);
//! assert_eq!(azure.requests().len(), 3);
//! # });
//! ```

mod builder;
mod job;
mod lifecycle;
mod snapshot;

use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;
use service_kit::Shutdown;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub use crate::app::lifecycle::Seeded;
pub use builder::Builder;
pub use job::{Ended, Issue, Job, Outcome, QueuedJob};
pub use snapshot::Restored;

/// An organization on a port of its own, for one test.
///
/// Dropping it calls [`AzureDevOps::verify`], unless the test is panicking already.
#[derive(Debug)]
pub struct AzureDevOps {
    service: crate::AzureDevOps,
    url: String,
    token: String,
    patience: Duration,
    expected_jobs: Mutex<Option<usize>>,
    shutdown: Shutdown,
    _folder: TempDir,
}

/// An agent as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its number in the organization.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Whether it listens.
    pub online: bool,
    /// Whether it may be given jobs.
    pub enabled: bool,
    /// Whether a job is its own.
    pub busy: bool,
}

/// A call that came in. Secrets are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it was answered with; `None` when the connection was cut.
    pub status: Option<u16>,
    /// Who called: `user`, `agent <name>`, `job <number>`, `anonymous` or `refused`.
    pub caller: String,
}

/// Calls that are answered with an error.
#[derive(Debug, Clone)]
pub struct Fault(Value);

impl Fault {
    /// The next call is answered with this status, 400 to 599.
    pub fn status(status: u16) -> Self {
        Self(serde_json::json!({"status": status, "count": 1}))
    }

    /// Only calls with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.0["method"] = method.into();
        self
    }

    /// Only calls whose path holds this text, in any case.
    pub fn path_contains(mut self, part: &str) -> Self {
        self.0["path_contains"] = part.into();
        self
    }

    /// How many calls; one if this is not said.
    pub fn times(mut self, count: u32) -> Self {
        self.0["count"] = count.into();
        self
    }
}

impl AzureDevOps {
    /// Starts an organization with the pool `Default`. Must be called inside a tokio runtime.
    ///
    /// # Panics
    /// If no port can be bound or no temporary folder made.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// An organization with more than the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The organization's address, without a trailing slash: what an agent's `--url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A personal access token with all scopes.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Queues a job.
    ///
    /// # Panics
    /// If there is no such pool or the job has no steps.
    pub async fn queue(&self, job: Job) -> QueuedJob<'_> {
        let queued = self.control(Method::POST, "/jobs", Some(job.into_body())).await;
        QueuedJob::new(self, &queued)
    }

    /// The registered agents.
    pub fn agents(&self) -> Vec<Agent> {
        let state = self.service.state();
        let show = |agent: &crate::state::agents::Agent| Agent {
            id: agent.id.0,
            name: agent.name.clone(),
            online: state.online(agent.id),
            enabled: agent.enabled,
            busy: state.assigned_request(agent.id).is_some(),
        };
        state.agents.values().map(show).collect()
    }

    /// The calls that came in and were answered, oldest first. The newest 10,000 are kept.
    pub fn requests(&self) -> Vec<Call> {
        let entries = self.service.journal().entries();
        let show = |entry: service_kit::Entry| Call {
            method: entry.method,
            path: entry.path,
            status: entry.status,
            caller: entry.caller,
        };
        entries.into_iter().map(show).collect()
    }

    /// Makes calls fail.
    ///
    /// # Panics
    /// If the status is not an error.
    pub async fn mount(&self, fault: Fault) {
        self.control(Method::POST, "/faults", Some(serde_json::json!([fault.0]))).await;
    }

    /// So many jobs must have ended when the instance is dropped, no more and no less.
    pub fn expect_jobs(&self, count: usize) {
        *self.expected_jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(count);
    }

    /// Checks that every queued job has ended and that what was expected happened.
    ///
    /// # Panics
    /// If not; the message names the jobs and their states.
    #[track_caller]
    pub fn verify(&self) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    fn faults(&self) -> Vec<String> {
        let state = self.service.state();
        let mut faults: Vec<_> = state
            .requests
            .values()
            .filter(|request| request.finish_time.is_none())
            .map(|request| {
                format!("the job `{}` (request {}) is {}", request.name, request.id, request.phase())
            })
            .collect();
        let ended = state.requests.values().filter(|request| request.finish_time.is_some()).count();
        let expected = *self.expected_jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(expected) = expected.filter(|expected| *expected != ended) {
            faults.push(format!("{expected} jobs were expected to end and {ended} did"));
        }
        faults
    }

    /// A call of the control API, without a socket.
    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_control(method, path, body).await;
        assert!(status.is_success(), "{path}: {status}: {answer}");
        answer
    }

    async fn try_control(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("the parts are valid");
        let Ok(response) = self.service.control_router().oneshot(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

impl Drop for AzureDevOps {
    fn drop(&mut self) {
        self.shutdown.token().cancel();
        if !std::thread::panicking() {
            self.verify();
        }
    }
}
