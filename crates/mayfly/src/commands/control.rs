//! The sandbox's control API, as `run` needs it.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sandbox::Record;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sandbox_env::{instance, running};
use crate::cli::Common;
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};

/// How long what moves whole files may take.
pub(crate) const LONG: Duration = Duration::from_mins(30);

/// The next lines of a job's log.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) lines: Vec<String>,
    pub(crate) next: u64,
    /// Whether there will be no more.
    pub(crate) complete: bool,
}

/// A client of one running sandbox.
pub(crate) struct Control {
    client: Client,
    base: String,
    token: SecretString,
}

impl Control {
    /// The sandbox that the environment names, else the instance's own.
    pub(crate) fn find(common: &Common, environment: &Environment) -> Result<Self> {
        if let (Some(url), Some(token)) =
            (environment.get("MAYFLY_CONTROL_URL"), environment.get("MAYFLY_CONTROL_TOKEN"))
        {
            return Ok(Self {
                client: client()?,
                base: url.trim_end_matches('/').to_owned(),
                token: token.to_owned().into(),
            });
        }
        Self::of(&running(&instance(common, environment)?)?)
    }

    /// The sandbox that a record is of.
    pub(crate) fn of(record: &Record) -> Result<Self> {
        let base = record.control_url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client: client()?, base, token: record.control_token.clone() })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(self.request(Method::GET, path), path).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.send(self.request(Method::POST, path).json(body), path).await
    }

    /// As [`Self::post`] where nothing is answered.
    pub(crate) async fn tell(&self, path: &str, body: &Value) -> Result<()> {
        self.told(self.request(Method::POST, path).json(body), path).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.told(self.request(Method::DELETE, path), path).await
    }

    /// As [`Self::tell`] for a request that is made already.
    pub(crate) async fn told(&self, request: RequestBuilder, path: &str) -> Result<()> {
        let (status, text) = self.answer(request, path).await?;
        succeeded(status, &text)
    }

    /// As [`Self::post`], but what was sent may be wrong or come at a wrong time: then the body of the refusal.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Result<Result<Value, Value>> {
        self.try_send(self.request(Method::POST, path).json(body), path).await
    }

    /// As [`Self::try_post`] for a body that is no JSON.
    pub(crate) async fn try_post_text(&self, path: &str, text: String) -> Result<Result<Value, Value>> {
        self.try_send(self.request(Method::POST, path).body(text), path).await
    }

    /// An answer that is read piece by piece, once it is a good one.
    pub(crate) async fn stream(&self, request: RequestBuilder, path: &str) -> Result<Response> {
        let answer = self.begun(request, path).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(refused(status, &answer.text().await.map_err(away)?).into())
    }

    /// As [`Self::send`], but what was sent may be wrong or come at a wrong time: then the body of the refusal.
    pub(crate) async fn try_send(&self, request: RequestBuilder, path: &str) -> Result<Result<Value, Value>> {
        let (status, text) = self.answer(request, path).await?;
        if (status == StatusCode::BAD_REQUEST || status == StatusCode::CONFLICT)
            && let Ok(refusal) = serde_json::from_str(&text)
        {
            return Ok(Err(refusal));
        }
        read(status, &text, path).map(Ok)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(self.token.expose_secret())
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> Result<T> {
        let (status, text) = self.answer(request, path).await?;
        read(status, &text, path)
    }

    async fn answer(&self, request: RequestBuilder, path: &str) -> Result<(StatusCode, String)> {
        let answer = self.begun(request, path).await?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(away)?))
    }

    async fn begun(&self, request: RequestBuilder, path: &str) -> Result<Response> {
        request.send().await.map_err(away).with_context(|| format!("ask the sandbox for `{path}`"))
    }
}

fn away(error: reqwest::Error) -> Problem {
    Problem::from_error(Outcome::Service, error.without_url())
        .hint("is the sandbox running? `mayfly sandbox env` names it")
}

fn client() -> Result<Client> {
    Ok(Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?)
}

/// What is wrong with a file that the sandbox was sent, each with file, line, column and key. A fault of a template names it.
pub(crate) fn lines(shown: &str, faults: &Value) -> Vec<String> {
    let faults = faults.as_array().into_iter().flatten().map(|fault| {
        let key = fault["key"].as_str().filter(|key| !key.is_empty()).map(|key| format!("`{key}` "));
        let message = fault["message"].as_str().unwrap_or_default();
        let file = fault["file"].as_str().unwrap_or(shown);
        format!("{file}:{}:{}: {}{message}", fault["line"], fault["column"], key.unwrap_or_default())
    });
    faults.collect()
}

fn read<T: DeserializeOwned>(status: StatusCode, text: &str, path: &str) -> Result<T> {
    succeeded(status, text)?;
    serde_json::from_str(text).with_context(|| format!("read the sandbox's answer for `{path}`"))
}

fn succeeded(status: StatusCode, text: &str) -> Result<()> {
    if status.is_success() { Ok(()) } else { Err(refused(status, text).into()) }
}

fn refused(status: StatusCode, text: &str) -> Problem {
    let why = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|body| body["error"].as_str().or_else(|| body["message"].as_str()).map(ToOwned::to_owned));
    let why = why.unwrap_or_else(|| text.to_owned());
    Problem::new(Outcome::Failed, format!("the sandbox answered {status}: {why}"))
}
