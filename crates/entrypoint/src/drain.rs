//! How a stop of the container becomes an end of the agent. Pure: events and instants in, orders out.
//!
//! An agent that is told to end cancels its job at once (azure-pipelines-agent: Agent.cs `CtrlCHandler`, JobDispatcher.cs
//! `ShutdownAsync`), so it is told only when it has no job, when the job's time is up, or when somebody asks twice. It deletes
//! its session on the way out, which a killed agent does not: killing is the last resort.
//!
//! The agent cannot be asked whether a job is on its way to it. One that arrives in the moment of the order is cancelled by
//! the agent and shows as such; only disabling the agent first, as the deployer does, closes that gap.

use std::time::{Duration, Instant};

/// How far the listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No session yet, as far as is known.
    Starting,
    Listening,
    /// Has or had its one job.
    Working,
}

impl Phase {
    /// What a line of the listener tells (azure-pipelines-agent: Misc/layoutbin/en-US/strings.json, ListenForJobs, RunningJob).
    pub(crate) fn of_output(lines: &[u8]) -> Option<Self> {
        let holds = |needle: &[u8]| lines.windows(needle.len()).any(|window| window == needle);
        if holds(b"Running job: ") {
            Some(Self::Working)
        } else {
            holds(b"Listening for Jobs").then_some(Self::Listening)
        }
    }
}

/// What is to be done to the listener now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ask it to end: it cancels its job, deletes its session, and returns.
    Interrupt,
    Kill,
}

/// An order, if there is one, and a line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) order: Option<Order>,
    pub(crate) say: String,
}

/// A session that is just being opened would stay behind if the agent were ended now.
const OPENING: Duration = Duration::from_secs(5);
/// The agent gives the deletion of its session 30 s.
const LEAVING: Duration = Duration::from_secs(35);
/// The agent grants a cancelled job 60 s to clean up.
const CANCELLING: Duration = Duration::from_secs(75);
/// For a second signal: somebody is waiting.
const HURRY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// The listener is told as soon as it has its session, or then.
    Opening(Instant),
    /// The job may go on until then.
    Job(Instant),
    /// The listener was told to end, and is killed then.
    Leaving(Instant),
    Killed,
}

/// How a listener that was to stop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    NotAsked,
    /// No job ran.
    Idle,
    /// The job ran to its own end.
    Finished,
    /// A job was there when the listener was told to end, or was killed.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Drain {
    limit: Duration,
    phase: Phase,
    stop: Stop,
    signals: u32,
}

impl Drain {
    /// `limit` is how long a job may go on after a stop.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, phase: Phase::Starting, stop: Stop::No, signals: 0 }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.stop != Stop::No
    }

    /// When `on_time` wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.stop {
            Stop::Opening(until) | Stop::Job(until) | Stop::Leaving(until) => Some(until),
            Stop::No | Stop::Killed => None,
        }
    }

    /// The listener went on.
    pub(crate) fn on_phase(&mut self, phase: Phase, now: Instant) -> Option<Step> {
        if phase <= self.phase {
            return None;
        }
        self.phase = phase;
        match (self.stop, phase) {
            (Stop::Opening(_), Phase::Listening) => {
                Some(self.interrupt(now, LEAVING, "the agent has its session: telling it to end"))
            }
            (Stop::Opening(_), Phase::Working) => Some(self.let_the_job_go_on(now)),
            (Stop::Leaving(_), Phase::Working) => {
                self.stop = Stop::Leaving(now + CANCELLING);
                Some(say("a job arrived as the agent was told to end: the agent cancels it"))
            }
            _ => None,
        }
    }

    /// The platform asks for a stop; each further time more urgently.
    pub(crate) fn on_stop(&mut self, now: Instant) -> Step {
        self.signals += 1;
        match (self.stop, self.phase) {
            (Stop::No, Phase::Starting) => {
                self.stop = Stop::Opening(now + OPENING);
                say(
                    "stop asked for while the agent opens its session: it is told to end as soon as it has it",
                )
            }
            (Stop::No, Phase::Listening) => {
                self.interrupt(now, LEAVING, "stop asked for, and no job runs: telling the agent to end")
            }
            (Stop::No, Phase::Working) => self.let_the_job_go_on(now),
            (Stop::Opening(_) | Stop::Job(_), _) => {
                self.interrupt(now, HURRY, "stop asked for again: telling the agent to end now")
            }
            (Stop::Leaving(until), _) if self.signals == 2 => {
                self.stop = Stop::Leaving(until.min(now + HURRY));
                say(format!("stop asked for again: the agent has {} s left to end", HURRY.as_secs()))
            }
            (Stop::Leaving(_) | Stop::Killed, _) => self.kill("stop asked for once more: killing the agent"),
        }
    }

    /// Time passed.
    pub(crate) fn on_time(&mut self, now: Instant) -> Option<Step> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        Some(match self.stop {
            Stop::Job(_) => self.interrupt(
                now,
                CANCELLING,
                "the job did not finish in its time: telling the agent to cancel it and to end",
            ),
            Stop::Opening(_) => self.interrupt(now, LEAVING, "telling the agent to end"),
            Stop::Leaving(_) | Stop::No | Stop::Killed => {
                self.kill("the agent does not end: killing it; its session is left to expire")
            }
        })
    }

    /// `took_a_job` where there are other signs of it than output.
    pub(crate) fn outcome(&self, took_a_job: bool) -> Outcome {
        let job = took_a_job || self.phase == Phase::Working;
        match (self.stop, job) {
            (Stop::No, _) => Outcome::NotAsked,
            (_, false) => Outcome::Idle,
            (Stop::Job(_) | Stop::Opening(_), true) => Outcome::Finished,
            (Stop::Leaving(_) | Stop::Killed, true) => Outcome::Cut,
        }
    }

    fn let_the_job_go_on(&mut self, now: Instant) -> Step {
        self.stop = Stop::Job(now + self.limit);
        say(format!("stop asked for while a job runs: it may go on for {} s", self.limit.as_secs()))
    }

    fn interrupt(&mut self, now: Instant, limit: Duration, text: &str) -> Step {
        self.stop = Stop::Leaving(now + limit);
        Step { order: Some(Order::Interrupt), say: text.to_owned() }
    }

    fn kill(&mut self, text: &str) -> Step {
        self.stop = Stop::Killed;
        Step { order: Some(Order::Kill), say: text.to_owned() }
    }
}

fn say(text: impl Into<String>) -> Step {
    Step { order: None, say: text.into() }
}

#[cfg(test)]
mod tests;
