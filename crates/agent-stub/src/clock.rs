//! The only place where the stub reads the clock and draws random numbers: it is a program of its own,
//! standing in for a vendor's binary, and nothing in it is replayed.

use std::{sync::OnceLock, time::Duration};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Makes the stub's time run faster, for tests that cannot wait as long as an agent does: `<start>x<speed>`, the start as
/// milliseconds since 1970, at which this time and the machine's are the same. It shortens the waits between tries,
/// polls and renewals, and is what assertions and records are dated with; how often and in what order is tried stays.
/// Limits of HTTP calls and of steps stay in the machine's time.
const PACE: &str = "MAYFLY_STUB_CLOCK";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    start: Timestamp,
    speed: u32,
}

impl Pace {
    /// The machine's own pace where the text is none.
    fn of(text: &str) -> Self {
        let read = || {
            let (start, speed) = text.split_once('x')?;
            let start = Timestamp::from_millisecond(start.parse().ok()?).ok()?;
            Some(Self { start, speed: speed.parse().ok().filter(|speed| (1..=1000).contains(speed))? })
        };
        read().unwrap_or(Self { start: Timestamp::UNIX_EPOCH, speed: 1 })
    }

    fn at(self, machine: Timestamp) -> Timestamp {
        let passed = machine.duration_since(self.start);
        let ahead = passed.checked_mul(self.speed as i32 - 1).unwrap_or(SignedDuration::ZERO);
        machine.saturating_add(ahead).unwrap_or(machine)
    }
}

fn pace() -> Pace {
    static READ: OnceLock<Pace> = OnceLock::new();
    *READ.get_or_init(|| Pace::of(&std::env::var(PACE).unwrap_or_default()))
}

/// The present instant.
#[expect(clippy::disallowed_methods, reason = "the edge of a stand-alone binary; nothing replays its time")]
pub(crate) fn now() -> Timestamp {
    pace().at(Timestamp::now())
}

/// Waits so long by the stub's own time.
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time / pace().speed).await;
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
    use jiff::{SignedDuration, Timestamp};

    use super::{Pace, random_between, round_trip_time};

    #[test]
    fn a_pace_begins_at_the_machines_time_and_runs_ahead_of_it() {
        let pace = Pace::of("1000x25");
        let start = Timestamp::from_second(1).expect("a time");
        assert_eq!(pace.at(start), start);
        let later = start + SignedDuration::from_secs(4);
        assert_eq!(pace.at(later), start + SignedDuration::from_secs(100));
        for none in ["", "x", "1000x0", "1000x5000", "nowx3"] {
            assert_eq!(Pace::of(none).at(later), later, "{none}");
        }
    }

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
        text.parse::<Timestamp>().expect("a timestamp");
    }
}
