//! A job as a test queues it, and how it ended.

use std::collections::BTreeMap;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AzureDevOps;

/// A job to be queued: script steps in a pool, `Default` unless another is named.
#[derive(Debug, Clone)]
pub struct Job {
    pool: String,
    name: String,
    steps: Vec<Value>,
    demands: Vec<String>,
    variables: Map<String, Value>,
}

impl Job {
    /// A job of one step for the agent's own shell.
    pub fn script(script: &str) -> Self {
        Self {
            pool: "Default".to_owned(),
            name: "Job".to_owned(),
            steps: vec![json!({"script": script})],
            demands: Vec::new(),
            variables: Map::new(),
        }
    }

    /// A further step for the agent's own shell.
    pub fn then(mut self, script: &str) -> Self {
        self.steps.push(json!({"script": script}));
        self
    }

    /// A further step for bash.
    pub fn then_bash(mut self, script: &str) -> Self {
        self.steps.push(json!({"bash": script}));
        self
    }

    /// The name that is shown.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The pool whose agents may run it.
    pub fn pool(mut self, pool: &str) -> Self {
        pool.clone_into(&mut self.pool);
        self
    }

    /// A demand: `name` or `name -equals value`.
    pub fn demand(mut self, demand: &str) -> Self {
        self.demands.push(demand.to_owned());
        self
    }

    /// A variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), json!(value));
        self
    }

    /// A variable that agents mask in logs.
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), json!({"value": value, "isSecret": true}));
        self
    }

    pub(super) fn into_body(self) -> Value {
        json!({
            "pool": self.pool,
            "name": self.name,
            "steps": self.steps,
            "demands": self.demands,
            "variables": self.variables,
        })
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Every step succeeded.
    Succeeded,
    /// It went on after a step that failed.
    SucceededWithIssues,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Canceled,
    /// It did not run.
    Skipped,
    /// Its agent fell silent.
    Abandoned,
}

/// An error or a warning of a job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// `error` or `warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
}

/// A job that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Who ran it; `None` when nobody did.
    pub agent: Option<String>,
    /// The lines of its steps in their order, without the times before them.
    pub log: Vec<String>,
    /// Output variables; secret ones without their value.
    pub outputs: BTreeMap<String, Option<String>>,
    /// What its record says.
    pub issues: Vec<Issue>,
}

/// A job that was queued.
#[derive(Debug)]
pub struct QueuedJob<'a> {
    azure: &'a AzureDevOps,
    id: String,
}

impl<'a> QueuedJob<'a> {
    pub(super) fn new(azure: &'a AzureDevOps, queued: &Value) -> Self {
        Self { azure, id: queued["jobId"].as_str().unwrap_or_default().to_owned() }
    }

    /// The job's id: a GUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `queued`, `assigned`, `running` or `completed`.
    pub async fn state(&self) -> String {
        self.shown().await["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Cancels the job. One that has ended stays as it is.
    pub async fn cancel(&self) {
        let path = format!("/jobs/{}/cancel", self.id);
        // It is refused when the job ended in the meantime, which is what was wanted.
        let _ = self.azure.try_control(Method::POST, &path, None).await;
    }

    /// Waits until the job has ended.
    ///
    /// # Panics
    /// If it has not after the instance's patience ([`super::Builder::patience`]).
    pub async fn result(&self) -> Ended {
        let mut changes = self.azure.service.changes();
        let ended = async {
            loop {
                changes.borrow_and_update();
                let shown = self.shown().await;
                if shown["state"] == "completed" || changes.changed().await.is_err() {
                    return shown;
                }
            }
        };
        let Ok(shown) = tokio::time::timeout(self.azure.patience, ended).await else {
            let (state, patience) = (self.state().await, self.azure.patience);
            panic!("the job {} is still {state} after {patience:?}", self.id);
        };
        let log = self.azure.control(Method::GET, &format!("/jobs/{}/log", self.id), None).await;
        let lines = log["lines"].as_array().into_iter().flatten();
        let outputs = shown["outputs"].as_object().into_iter().flatten();
        Ended {
            outcome: serde_json::from_value(shown["result"].clone()).expect("a job that ended has a result"),
            agent: shown["agent"].as_str().map(str::to_owned),
            log: lines.filter_map(Value::as_str).map(str::to_owned).collect(),
            outputs: outputs
                .map(|(name, output)| (name.clone(), output["value"].as_str().map(str::to_owned)))
                .collect(),
            issues: serde_json::from_value(shown["issues"].clone()).unwrap_or_default(),
        }
    }

    async fn shown(&self) -> Value {
        self.azure.control(Method::GET, &format!("/jobs/{}", self.id), None).await
    }
}
