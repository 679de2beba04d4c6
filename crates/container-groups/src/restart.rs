//! When a container that ended is started again, and after how long.
//!
//! Microsoft publishes no numbers; messages and state names are those of Kubernetes, and so are these delays, but for
//! the exit code: here success is delayed as well, unless the back-off is off.

use jiff::{SignedDuration, Timestamp};

use crate::group::RestartPolicy;
use crate::service::RestartBackoff;

const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_DELAY: SignedDuration = SignedDuration::from_mins(5);
/// A run of this length makes earlier failures forgotten.
const LONG_RUN: SignedDuration = SignedDuration::from_mins(10);

/// What decides over restarts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) policy: RestartPolicy,
    pub(crate) backoff: RestartBackoff,
}

impl Rules {
    /// Whether a container that ended with `code` is started again.
    pub(crate) fn restarts(self, code: i32) -> bool {
        match self.policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != 0,
            RestartPolicy::Never => false,
        }
    }

    /// How long to wait before restart number `series` (counted from 0 since the last long run).
    pub(crate) fn delay(self, series: u32) -> SignedDuration {
        match (self.backoff, series) {
            (RestartBackoff::Off, _) | (RestartBackoff::On, 0) => SignedDuration::ZERO,
            (RestartBackoff::On, number) => {
                let doublings = (number - 1).min(16);
                FIRST_DELAY.saturating_mul(1 << doublings).min(LONGEST_DELAY)
            }
        }
    }

    /// Whether a run of this length makes earlier failures forgotten.
    pub(crate) fn forgets(started: Option<Timestamp>, finished: Timestamp) -> bool {
        started.is_some_and(|started| finished.duration_since(started) >= LONG_RUN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_ten_seconds_to_five_minutes() {
        let rules = Rules { policy: RestartPolicy::Always, backoff: RestartBackoff::On };
        let seconds: Vec<i64> = (0..9).map(|series| rules.delay(series).as_secs()).collect();
        assert_eq!(seconds, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(rules.delay(u32::MAX).as_secs(), 300);
        let off = Rules { backoff: RestartBackoff::Off, ..rules };
        assert!((0..9).all(|series| off.delay(series).is_zero()));
    }

    #[test]
    fn the_policy_decides_by_exit_code() {
        let table = [
            (RestartPolicy::Always, 0, true),
            (RestartPolicy::Always, 1, true),
            (RestartPolicy::OnFailure, 0, false),
            (RestartPolicy::OnFailure, 137, true),
            (RestartPolicy::Never, 0, false),
            (RestartPolicy::Never, 1, false),
        ];
        for (policy, code, expected) in table {
            let rules = Rules { policy, backoff: RestartBackoff::On };
            assert_eq!(rules.restarts(code), expected, "{policy:?} {code}");
        }
    }
}
