//! Time as an input: to be told, and to be waited for.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

/// Where a service takes the time from. What waits for a moment of it waits here and not on the runtime's timer, so
/// that whoever moves the clock need not wait.
pub trait Clock: Send + Sync + Debug {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;

    /// Ends when the clock shows `moment` or later; at once where it does so already. Must be polled inside a tokio
    /// runtime.
    fn wait_until(&self, moment: Timestamp) -> BoxFuture<'static, ()>;

    /// The clock's hands, where they can be moved: `None` for the machine's own clock.
    fn hands(&self) -> Option<VirtualClock> {
        None
    }
}

/// A clock that several services share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// A shared system clock.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let left = moment.duration_since(self.now());
        Box::pin(tokio::time::sleep(left.try_into().unwrap_or(Duration::ZERO)))
    }
}

/// A clock that is moved by hand. It stands still between the moves ([`VirtualClock::at`]), or runs evenly
/// ([`VirtualClock::running`]). Clones share the same hands.
///
/// Moving it forward wakes whoever waits for a moment that has come, in the order of these moments. All of them then see
/// the clock where it was moved to.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<Mutex<Hands>>);

/// A clock that stands still until a test moves it.
pub type ManualClock = VirtualClock;

#[derive(Debug)]
struct Hands {
    /// What the clock showed when it was last set.
    set: Timestamp,
    /// How far it was moved by hand.
    advanced: SignedDuration,
    run: Option<Run>,
    next_waiter: u64,
    /// By the moment they wait for, then in the order in which they came.
    waiters: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Run {
    since: Instant,
    /// Seconds of this clock in one second of the machine's.
    speed: u32,
}

impl Hands {
    fn now(&self) -> Timestamp {
        let Some(run) = &self.run else { return self.set };
        let passed = SignedDuration::try_from(run.since.elapsed()).unwrap_or(SignedDuration::MAX);
        let passed = passed.checked_mul(i32::try_from(run.speed).unwrap_or(i32::MAX));
        moved(self.set, passed.unwrap_or(SignedDuration::MAX))
    }

    /// Tells everybody whose moment has come.
    fn wake(&mut self) {
        let now = self.now();
        while let Some(first) = self.waiters.first_entry()
            && first.key().0 <= now
        {
            // One that does not wait any more has no need of it.
            let _ = first.remove().send(());
        }
    }

    /// How long the machine's clock will need to a moment of this one; `None` while it stands.
    fn real_time_to(&self, moment: Timestamp) -> Option<Duration> {
        let run = self.run.as_ref()?;
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or(Duration::ZERO);
        // A little more, so that rounding leaves nothing to wait for.
        Some(left / run.speed + Duration::from_micros(1))
    }
}

fn moved(moment: Timestamp, step: SignedDuration) -> Timestamp {
    moment.saturating_add(step).unwrap_or(moment)
}

impl VirtualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        let (advanced, waiters) = (SignedDuration::ZERO, BTreeMap::new());
        Self(Arc::new(Mutex::new(Hands { set: start, advanced, run: None, next_waiter: 0, waiters })))
    }

    /// A clock that runs from `start`, `speed` times as fast as the machine's; 0 counts as 1.
    pub fn running(start: Timestamp, speed: u32) -> Self {
        let clock = Self::at(start);
        clock.hands().run = Some(Run { since: Instant::now(), speed: speed.max(1) });
        clock
    }

    /// Moves the clock by `step`; backwards if negative. Saturates at the ends of representable time.
    pub fn advance(&self, step: SignedDuration) {
        let mut hands = self.hands();
        hands.set = moved(hands.set, step);
        hands.advanced = hands.advanced.saturating_add(step);
        hands.wake();
    }

    /// How far the clock was moved by hand, all in all.
    pub fn advanced(&self) -> SignedDuration {
        self.hands().advanced
    }

    /// This clock as a service takes it.
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    /// Seconds of this clock in one second of the machine's; 0 while it stands.
    pub fn speed(&self) -> u32 {
        self.hands().run.as_ref().map_or(0, |run| run.speed)
    }

    /// How many wait for a moment of this clock.
    pub fn waiters(&self) -> usize {
        self.hands().waiters.len()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the queue of those who wait; `None` where the moment has come.
    fn queue(&self, moment: Timestamp) -> Option<(Waiting, Option<Duration>)> {
        let mut hands = self.hands();
        if hands.now() >= moment {
            return None;
        }
        let place = (moment, hands.next_waiter);
        hands.next_waiter += 1;
        let (tell, told) = oneshot::channel();
        hands.waiters.insert(place, tell);
        let real = hands.real_time_to(moment);
        Some((Waiting { clock: self.clone(), place, told }, real))
    }
}

/// One who waits. Gives up its place when it is dropped: who stops to wait leaves nothing behind.
struct Waiting {
    clock: VirtualClock,
    place: (Timestamp, u64),
    told: oneshot::Receiver<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clock.hands().waiters.remove(&self.place);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.hands().now()
    }

    fn wait_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        // The place is taken at once and not when the future is first polled.
        let mut queued = clock.queue(moment);
        Box::pin(async move {
            while let Some((mut waiting, real)) = queued.take() {
                let told = &mut waiting.told;
                match real {
                    None => drop(told.await),
                    Some(real) => tokio::select! {
                        _ = told => {}
                        () = tokio::time::sleep(real) => {}
                    },
                }
                drop(waiting);
                // A clock that was set back in between has the moment still before it.
                queued = clock.queue(moment);
            }
        })
    }

    fn hands(&self) -> Option<VirtualClock> {
        Some(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[tokio::test]
    async fn an_advance_wakes_those_whose_moment_has_come_in_the_order_of_their_moments() {
        let clock = VirtualClock::at(Timestamp::UNIX_EPOCH);
        let (tell, told) = mpsc::channel();
        let mut tasks = Vec::new();
        for second in [240, 50, 600, 300] {
            let (wait, tell) = (clock.wait_until(after(second)), tell.clone());
            tasks.push(tokio::spawn(async move {
                wait.await;
                tell.send(second).unwrap();
            }));
        }
        assert_eq!(clock.waiters(), 4);
        clock.advance(SignedDuration::from_secs(49));
        tokio::task::yield_now().await;
        assert!(told.try_recv().is_err(), "control: nobody is woken before the moment");
        clock.advance(SignedDuration::from_secs(300));
        for task in [tasks.remove(0), tasks.remove(0), tasks.remove(1)] {
            task.await.unwrap();
        }
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [50, 240, 300]);
        assert_eq!(clock.waiters(), 1, "one still waits");
    }

    #[tokio::test]
    async fn what_is_past_is_not_waited_for_and_who_gives_up_leaves_nothing() {
        let clock = VirtualClock::at(after(10));
        assert!(clock.wait_until(after(10)).now_or_never().is_some());
        let waiting = clock.wait_until(after(11));
        assert_eq!(clock.waiters(), 1);
        drop(waiting);
        assert_eq!(clock.waiters(), 0);
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_is_waited_for_again() {
        let clock = VirtualClock::at(after(10));
        let mut waiting = clock.wait_until(after(20));
        clock.advance(SignedDuration::from_secs(10));
        clock.advance(SignedDuration::from_secs(-5));
        assert!((&mut waiting).now_or_never().is_none());
        clock.advance(SignedDuration::from_secs(5));
        waiting.await;
    }

    #[tokio::test]
    async fn a_running_clock_comes_to_the_moment_by_itself_and_can_be_moved_too() {
        let clock = VirtualClock::running(Timestamp::UNIX_EPOCH, 1000);
        clock.wait_until(after(10)).await;
        assert!(clock.now() >= after(10));
        let waiting = clock.wait_until(after(1_000_000));
        clock.advance(SignedDuration::from_secs(1_000_000));
        waiting.await;
        assert_eq!(
            clock.advanced(),
            SignedDuration::from_secs(1_000_000),
            "what ran by itself is not counted"
        );
        assert_eq!((clock.speed(), VirtualClock::at(after(0)).speed()), (1000, 0));
    }

    #[tokio::test]
    async fn the_machines_clock_cannot_be_moved() {
        let clock = SystemClock::shared();
        assert!(clock.hands().is_none());
        clock.wait_until(clock.now()).await;
    }
}
