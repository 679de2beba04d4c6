//! Long-running operations: `Azure-AsyncOperation` first, then `Location` (Azure Resource Manager: async operations).

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use tokio::time::Instant;

use super::client::{ArmClient, failed};
use super::error::{ArmError, ErrorBody};
use crate::http::{self, Reply};

#[derive(Debug, Deserialize)]
struct OperationStatus {
    status: String,
    error: Option<ErrorBody>,
}

impl ArmClient {
    /// Follows an accepted operation to its end. An answer without either header has already ended, or is watched by
    /// reading the resource.
    pub(super) async fn watch(
        &self,
        action: &str,
        started: &Reply,
        deadline: Instant,
    ) -> Result<(), ArmError> {
        if let Some(url) = started.header("azure-asyncoperation") {
            let url = self.own(action, url)?;
            return self.watch_status(action, &url, started.retry_after(), deadline).await;
        }
        if let Some(url) = started.header("location").filter(|_| started.status.as_u16() == 202) {
            let url = self.own(action, url)?;
            return self.watch_location(action, url, started.retry_after(), deadline).await;
        }
        Ok(())
    }

    async fn watch_status(
        &self,
        action: &str,
        url: &str,
        first: Option<Duration>,
        deadline: Instant,
    ) -> Result<(), ArmError> {
        let mut pause = first;
        let mut last = "Accepted".to_owned();
        loop {
            self.pause(action, pause, deadline, &last).await?;
            let reply = self.send(action, Method::GET, url, None).await?;
            let reply = Self::accepted(action, reply)?;
            let status: OperationStatus = reply.json().map_err(|source| ArmError::Malformed {
                action: action.to_owned(),
                excerpt: http::excerpt(&reply.body),
                source: Some(source),
            })?;
            match status.status.to_ascii_lowercase().as_str() {
                "succeeded" => return Ok(()),
                "failed" | "canceled" => {
                    return Err(failed(action.to_owned(), &status.status, &status.error.unwrap_or_default()));
                }
                _ => last = status.status,
            }
            pause = reply.retry_after();
        }
    }

    async fn watch_location(
        &self,
        action: &str,
        mut url: String,
        first: Option<Duration>,
        deadline: Instant,
    ) -> Result<(), ArmError> {
        let mut pause = first;
        loop {
            self.pause(action, pause, deadline, "202 Accepted").await?;
            let reply = self.send(action, Method::GET, &url, None).await?;
            // An operation whose resource is gone may be gone itself.
            if reply.status.as_u16() == 404 {
                return Ok(());
            }
            let reply = Self::accepted(action, reply)?;
            if reply.status.as_u16() != 202 {
                return Ok(());
            }
            if let Some(next) = reply.header("location") {
                url = self.own(action, next)?;
            }
            pause = reply.retry_after();
        }
    }

    async fn pause(
        &self,
        action: &str,
        wanted: Option<Duration>,
        deadline: Instant,
        state: &str,
    ) -> Result<(), ArmError> {
        let pause = wanted.unwrap_or(self.timing.poll).max(self.timing.poll.min(Duration::from_secs(1)));
        if Instant::now() + pause > deadline {
            return Err(ArmError::OperationTimeout {
                action: action.to_owned(),
                seconds: self.timing.operation.as_secs(),
                state: state.to_owned(),
            });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
