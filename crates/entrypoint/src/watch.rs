//! What is done about the events of a child while it runs: of the registration, and of the listener.

use std::time::{Duration, Instant};

use crate::drain::{Drain, Order, Phase, Step};
use crate::exit::Failure;
use crate::health::{Health, State};
use crate::platform::{Child, Ended, Event};
use crate::redact::Redactor;
use crate::report::{log, pass_through};
use crate::variables;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    Leave,
}

/// What is done about the events of a child.
pub(crate) trait Watch {
    /// When `time` is to be called.
    fn deadline(&self) -> Option<Instant>;
    fn lines(&mut self, lines: &[u8], child: &Child<'_>, health: &mut Health);
    fn stop(&mut self, child: &Child<'_>, health: &mut Health) -> Then;
    fn time(&mut self, child: &Child<'_>, health: &mut Health) -> Then;
}

/// Passes the output of a child on until it ends, or is left: then there is no end to tell.
pub(crate) fn follow(
    child: &mut Child<'_>,
    health: &mut Health,
    mut streams: [Redactor; 2],
    watch: &mut impl Watch,
) -> Result<Option<Ended>, Failure> {
    let outcome = loop {
        let deadline = watch.deadline();
        if deadline.is_some_and(|deadline| deadline <= Instant::now())
            && matches!(watch.time(child, health), Then::Leave)
        {
            break None;
        }
        match child.next_event(watch.deadline(), health) {
            Ok(Event::Output(stream, bytes)) => {
                let lines = streams[stream as usize].push(&bytes);
                pass_through(&lines);
                watch.lines(&lines, child, health);
            }
            Ok(Event::Stop) => {
                if matches!(watch.stop(child, health), Then::Leave) {
                    break None;
                }
            }
            Ok(Event::Exited(ended)) => break Some(ended),
            Ok(Event::Quiet) => {}
            Err(error) => return Err(Failure::agent(format!("wait for the agent: {error}"))),
        }
    };
    for stream in &mut streams {
        let lines = stream.finish();
        pass_through(&lines);
        watch.lines(&lines, child, health);
    }
    Ok(outcome)
}

/// Watches the listener.
#[derive(Debug)]
pub(crate) struct Supervision<'a> {
    pub(crate) drain: &'a mut Drain,
}

impl Supervision<'_> {
    fn take(&self, step: Option<Step>, child: &Child<'_>, health: &mut Health) {
        if let Some(step) = step {
            log(&step.say);
            match step.order {
                Some(Order::Interrupt) => child.interrupt(),
                Some(Order::Kill) => child.kill(),
                None => {}
            }
        }
        health.set(match (self.drain.is_asked(), self.drain.phase()) {
            (true, _) => State::Draining,
            (false, Phase::Starting) => State::Starting,
            (false, Phase::Listening) => State::Listening,
            (false, Phase::Working) => State::Running,
        });
    }
}

impl Watch for Supervision<'_> {
    fn deadline(&self) -> Option<Instant> {
        self.drain.deadline()
    }

    fn lines(&mut self, lines: &[u8], child: &Child<'_>, health: &mut Health) {
        if let Some(phase) = Phase::of_output(lines) {
            let step = self.drain.on_phase(phase, Instant::now());
            self.take(step, child, health);
        }
    }

    fn stop(&mut self, child: &Child<'_>, health: &mut Health) -> Then {
        let step = self.drain.on_stop(Instant::now());
        self.take(Some(step), child, health);
        Then::Stay
    }

    fn time(&mut self, child: &Child<'_>, health: &mut Health) -> Then {
        let step = self.drain.on_time(Instant::now());
        self.take(step, child, health);
        Then::Stay
    }
}

/// Watches the registration.
#[derive(Debug)]
pub(crate) struct Registration {
    deadline: Instant,
    limit: u64,
    /// Why it was left before its end.
    pub(crate) left: Option<Failure>,
}

impl Registration {
    /// `limit` is in seconds.
    pub(crate) fn new(limit: u64) -> Self {
        Self { deadline: Instant::now() + Duration::from_secs(limit), limit, left: None }
    }
}

impl Watch for Registration {
    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn lines(&mut self, _lines: &[u8], _child: &Child<'_>, _health: &mut Health) {}

    fn stop(&mut self, _child: &Child<'_>, _health: &mut Health) -> Then {
        // A registration opens no session; what it leaves is an agent that is offline, replaced by the next one of its name.
        self.left = Some(Failure::stopped());
        Then::Leave
    }

    fn time(&mut self, _child: &Child<'_>, _health: &mut Health) -> Then {
        let text =
            format!("the registration of the agent did not end within {} s and was killed", self.limit);
        self.left = Some(
            Failure::agent(text)
                .hint("the agent repeats a failing replacement without pause or end; look at what the server answers")
                .hint(format!("{} sets the time", variables::CONFIG_TIMEOUT.name)),
        );
        Then::Leave
    }
}
