//! The lock on a job (azure-pipelines-agent: JobDispatcher.cs RenewJobRequestAsync).

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock,
    diagnostics::Diagnostics,
    error::{ClientError, kind},
    server::AgentServer,
};

/// Retries of the very first renewal.
const FIRST_RETRIES: u32 = 5;
/// Gap between renewals.
const GAP: Duration = Duration::from_mins(1);
/// After the lock has run out the agent still tries this long.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// The lock on one job request.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) server: Arc<AgentServer>,
    pub(crate) pool: i64,
    pub(crate) request: i64,
}

impl Lock {
    /// The renewal before the worker starts; `None` drops the job.
    pub(crate) async fn first(&self, diagnostics: &Diagnostics) -> Option<Timestamp> {
        let mut retries = 0;
        loop {
            match self.once(retries > 0).await {
                Ok(until) => return Some(until),
                Err(error) => {
                    diagnostics
                        .error(&format!("The job request {} could not be renewed: {error}", self.request));
                    if lost(&error) || retries == FIRST_RETRIES {
                        return None;
                    }
                }
            }
            retries += 1;
            tokio::time::sleep(clock::random_between(1, 10)).await;
        }
    }

    /// Renews until the lock is lost.
    pub(crate) async fn keep(&self, mut until: Timestamp, diagnostics: &Diagnostics) {
        let mut failed = false;
        loop {
            tokio::time::sleep(if failed { clock::random_between(5, 15) } else { GAP }).await;
            match self.once(failed).await {
                Ok(renewed) => {
                    until = renewed;
                    failed = false;
                }
                Err(error) => {
                    diagnostics
                        .error(&format!("The job request {} could not be renewed: {error}", self.request));
                    failed = true;
                    if lost(&error) || clock::now() > until.saturating_add(GRACE).unwrap_or(until) {
                        return;
                    }
                }
            }
        }
    }

    /// An answer without a time counts as a failure.
    async fn once(&self, repeated: bool) -> Result<Timestamp, ClientError> {
        self.server
            .renew(self.pool, self.request, repeated)
            .await?
            .ok_or_else(|| ClientError::Protocol("The answer holds no 'lockedUntil'.".to_owned()))
    }
}

fn lost(error: &ClientError) -> bool {
    error.is(kind::JOB_NOT_FOUND) || error.is(kind::JOB_TOKEN_EXPIRED)
}
