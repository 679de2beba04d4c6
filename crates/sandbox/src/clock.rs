//! Whose time a sandbox has, and how far it was moved.

use jiff::SignedDuration;
use service_kit::{SharedClock, Store, StoreError, SystemClock, VirtualClock};

const TABLE: &str = "sandbox";
const AHEAD: &str = "clock";

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Time {
    /// The machine's.
    #[default]
    Machine,
    /// One that begins with the machine's, runs as fast, and can be moved forward.
    Virtual,
}

/// Why there is no clock.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Everything in the state would be of the future.
    #[error("start the sandbox: its clock was moved forward by {seconds} s, and the machine's own cannot be")]
    Ahead {
        /// By how much.
        seconds: i64,
    },
    /// The state could not be read or written.
    #[error("keep how far the sandbox's clock was moved")]
    Store(#[from] StoreError),
}

/// The clock of a state: a virtual one goes on as far ahead of the machine's as it was moved.
pub(crate) fn of(time: Time, store: &Store) -> Result<SharedClock, ClockError> {
    let ahead = SignedDuration::from_millis(store.get(TABLE, AHEAD)?.unwrap_or(0));
    let machine = SystemClock::shared();
    match time {
        Time::Machine if ahead.is_positive() => Err(ClockError::Ahead { seconds: ahead.as_secs() }),
        Time::Machine => Ok(machine),
        Time::Virtual => {
            let clock = VirtualClock::running(machine.now(), 1);
            clock.advance(ahead);
            Ok(clock.shared())
        }
    }
}

/// Keeps how far the clock was moved, where that is news.
pub(crate) fn keep(clock: &SharedClock, store: &Store) -> Result<(), ClockError> {
    let Some(hands) = clock.hands() else { return Ok(()) };
    let ahead = i64::try_from(hands.advanced().as_millis()).unwrap_or(i64::MAX);
    if store.get(TABLE, AHEAD)?.unwrap_or(0) != ahead {
        store.put(TABLE, AHEAD, &ahead)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use service_kit::Clock as _;

    use super::*;

    #[test]
    fn a_clock_that_was_moved_is_as_far_ahead_after_a_restart() {
        let store = Store::in_memory();
        assert!(of(Time::Machine, &store).is_ok(), "control: nothing was moved");
        let clock = of(Time::Virtual, &store).unwrap();
        clock.hands().unwrap().advance(SignedDuration::from_secs(240));
        keep(&clock, &store).unwrap();
        drop(clock);

        let again = of(Time::Virtual, &store).unwrap();
        let ahead = again.now().duration_since(SystemClock.now());
        assert!((239..=241).contains(&ahead.as_secs()), "{ahead}");
        again.hands().unwrap().advance(SignedDuration::from_secs(60));
        keep(&again, &store).unwrap();
        let refused = of(Time::Machine, &store).unwrap_err();
        assert!(matches!(refused, ClockError::Ahead { seconds: 300 }), "{refused}");
    }
}
