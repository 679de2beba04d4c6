//! Waiting for a condition with a deadline, never for a time.

use std::fmt::Display;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(25);

/// Asks `probe` until it gives a value. It gives the present state as an error until then; the last one is in the
/// panic's message when the deadline passes.
///
/// # Panics
///
/// When the deadline has passed.
#[track_caller]
pub fn wait_until<T, S: Display>(
    deadline: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, S>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let begin = Instant::now();
        loop {
            let state = match probe().await {
                Ok(value) => return value,
                Err(state) => state,
            };
            assert!(begin.elapsed() < deadline, "{}", late(deadline, what, &state, caller));
            tokio::time::sleep(POLL).await;
        }
    }
}

/// [`wait_until`] for tests without a runtime.
///
/// # Panics
///
/// When the deadline has passed.
#[track_caller]
pub fn wait_until_blocking<T, S: Display>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T, S>,
) -> T {
    let (begin, caller) = (Instant::now(), std::panic::Location::caller());
    loop {
        let state = match probe() {
            Ok(value) => return value,
            Err(state) => state,
        };
        assert!(begin.elapsed() < deadline, "{}", late(deadline, what, &state, caller));
        std::thread::sleep(POLL);
    }
}

fn late(deadline: Duration, what: &str, state: &dyn Display, caller: &std::panic::Location<'_>) -> String {
    format!("waited {deadline:?} for {what} (at {caller}); last state: {state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_ends_the_wait() {
        let mut asked = 0;
        let value = wait_until(Duration::from_secs(5), "three questions", async || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err(format!("asked {asked}")) }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "for the impossible")]
    fn the_deadline_names_what_was_waited_for() {
        wait_until_blocking(Duration::ZERO, "the impossible", || Err::<(), _>("still not"));
    }
}
