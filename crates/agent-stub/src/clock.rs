//! The only place where the stub reads the clock and draws random numbers: it is a program of its own,
//! standing in for a vendor's binary, and nothing in it is replayed.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// The present instant.
#[expect(clippy::disallowed_methods, reason = "the edge of a stand-alone binary; nothing replays its time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A fresh random identifier.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge of a stand-alone binary; nothing replays its randomness"
)]
pub(crate) fn new_id() -> Uuid {
    Uuid::new_v4()
}

/// A random whole number of milliseconds between two bounds in seconds.
pub(crate) fn random_between(low_seconds: u64, high_seconds: u64) -> Duration {
    let span = (high_seconds - low_seconds) * 1000 + 1;
    let draw = new_id().as_u128() % u128::from(span);
    Duration::from_millis(low_seconds * 1000 + draw as u64)
}

/// `2026-01-02 03:04:05Z`, the form of times on the console (.NET format `u`).
pub(crate) fn console_time() -> String {
    now().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05.6789012Z`, the form of times in logs and records (.NET format `O`).
pub(crate) fn round_trip_time() -> String {
    let now = now();
    format!("{}.{:07}Z", now.strftime("%Y-%m-%dT%H:%M:%S"), now.subsec_nanosecond() / 100)
}

#[cfg(test)]
mod tests {
    use super::{random_between, round_trip_time};

    #[test]
    fn random_gaps_stay_inside_their_bounds() {
        for _ in 0..200 {
            let gap = random_between(5, 15).as_millis();
            assert!((5_000..=15_000).contains(&gap), "{gap} ms");
        }
    }

    #[test]
    fn round_trip_times_have_seven_digits() {
        let text = round_trip_time();
        assert_eq!(text.len(), "2026-01-02T03:04:05.6789012Z".len(), "{text}");
        text.parse::<jiff::Timestamp>().expect("a timestamp");
    }
}
