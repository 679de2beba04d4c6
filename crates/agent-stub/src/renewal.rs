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
        first(|repeated| self.once(repeated), diagnostics).await
    }

    /// Renews until the lock is lost.
    pub(crate) async fn keep(&self, until: Timestamp, diagnostics: &Diagnostics) {
        let mut until = until;
        let mut failed = false;
        loop {
            clock::sleep(if failed { clock::random_between(5, 15) } else { GAP }).await;
            match self.once(failed).await {
                Ok(renewed) => {
                    until = renewed;
                    failed = false;
                }
                Err(error) => {
                    diagnostics
                        .error(&format!("The job request {} could not be renewed: {error}", self.request));
                    failed = true;
                    if is_over(&error, until, clock::now()) {
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

async fn first<F: Future<Output = Result<Timestamp, ClientError>>>(
    mut renew: impl FnMut(bool) -> F,
    diagnostics: &Diagnostics,
) -> Option<Timestamp> {
    let mut retries = 0;
    loop {
        match renew(retries > 0).await {
            Ok(until) => return Some(until),
            Err(error) => {
                diagnostics.error(&format!("The first renewal failed: {error}"));
                if lost(&error) || retries == FIRST_RETRIES {
                    return None;
                }
            }
        }
        retries += 1;
        clock::sleep(clock::random_between(1, 10)).await;
    }
}

/// Whether a failed renewal is the last one.
fn is_over(error: &ClientError, until: Timestamp, now: Timestamp) -> bool {
    lost(error) || now > until.saturating_add(GRACE).unwrap_or(until)
}

fn lost(error: &ClientError) -> bool {
    error.is(kind::JOB_NOT_FOUND) || error.is(kind::JOB_TOKEN_EXPIRED)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{first, is_over};
    use crate::{diagnostics::Diagnostics, error::ClientError};

    fn broken() -> ClientError {
        ClientError::Network("reset".to_owned())
    }
    fn gone() -> ClientError {
        let type_key = "TaskAgentJobNotFoundException".to_owned();
        ClientError::Service { status: 404, type_key, message: "gone".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_renewal_is_retried_five_times_and_then_the_job_is_dropped() {
        let start = tokio::time::Instant::now();
        let mut tries = Vec::new();
        let until = first(
            |repeated| {
                tries.push(repeated);
                std::future::ready(Err(broken()))
            },
            &Diagnostics::none(),
        )
        .await;
        assert_eq!((until, tries), (None, vec![false, true, true, true, true, true]));
        assert!((5..=50).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());

        let mut tries = 0;
        let until = first(
            |_| {
                tries += 1;
                std::future::ready(Err(gone()))
            },
            &Diagnostics::none(),
        )
        .await;
        assert_eq!((until, tries), (None, 1), "a job that is gone is not asked for again");
    }

    #[test]
    fn a_lock_is_lost_five_minutes_after_its_end_or_when_the_job_is_gone() {
        let until = Timestamp::UNIX_EPOCH;
        let after = |minutes: i64| until + SignedDuration::from_mins(minutes);
        assert!(!is_over(&broken(), until, after(5)));
        assert!(is_over(&broken(), until, after(6)));
        assert!(is_over(&gone(), until, after(-9)));
    }
}
