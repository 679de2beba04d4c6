//! The life of one container of a group, as a pure state machine.
//!
//! Each run is a *generation*, a container of its own. [`step`] takes what happened and returns the new state with what
//! is to be done, in order. The caller stores the new state **before** it acts, so that after a crash the state is never
//! older than the engine; [`Event::Found`] then reconciles it with whatever is there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::restart::Rules;
use crate::service::RestartBackoff;

/// The exit code shown for a container that could not be created or started.
pub(crate) const NOT_STARTED: i32 = 128;
/// The exit code shown for a container that vanished: what a killed one has.
const VANISHED: i32 = 137;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The highest generation ever handed out.
    pub(crate) allotted: u64,
    /// The generation that the phase speaks of.
    pub(crate) current: u64,
    pub(crate) phase: Phase,
    /// How the run before the present one ended.
    pub(crate) previous: Option<Ended>,
    /// Restarts since the deployment.
    pub(crate) restarts: u32,
    /// Restarts since the last long run, which the delay depends on.
    pub(crate) series: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Nothing was asked for yet.
    #[default]
    Waiting,
    /// Waits for the containers that run before it.
    Held,
    /// The present generation is being created; an older one may still be there.
    Creating,
    /// The present generation is there, older ones are going, it is about to run.
    Starting,
    Running {
        since: Timestamp,
    },
    /// The present generation ended; the next one waits.
    BackingOff {
        until: Timestamp,
    },
    /// Ended for good, by policy.
    Ended(Ended),
    /// Stopped on request.
    Stopped,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Timestamp,
    pub(crate) code: i32,
    /// Whether it was killed because it used more memory than it may.
    #[serde(default)]
    pub(crate) out_of_memory: bool,
}

impl Ended {
    /// An end that nobody saw the reason of.
    pub(crate) fn with(started: Option<Timestamp>, finished: Timestamp, code: i32) -> Self {
        Self { started, finished, code, out_of_memory: false }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Begin anew, whatever was before.
    Deploy,
    /// Remove what is there and wait for [`Event::Deploy`].
    Hold,
    /// The generation exists and has not run.
    Created(u64),
    /// The generation runs.
    Started(u64),
    /// The generation could not be created or started.
    Broken(u64),
    /// The generation ended.
    Exited { generation: u64, ended: Ended },
    /// A delay may be over.
    Due,
    /// End it on request.
    Stop,
    /// All generations that the engine has, after a time in which nobody watched.
    Found(Vec<(u64, Found)>),
}

/// What the engine says of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Created,
    Running { since: Timestamp },
    Exited(Ended),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Create(u64),
    /// Remove every generation but this one.
    Keep(u64),
    RemoveAll,
    Start(u64),
    /// Report when the generation ends.
    Watch(u64),
    /// Report when this moment has come.
    WakeAt(Timestamp),
}

/// One step of the machine.
pub(crate) fn step(
    mut machine: Machine,
    event: Event,
    rules: Rules,
    now: Timestamp,
) -> (Machine, Vec<Effect>) {
    let effects = match event {
        Event::Deploy => {
            machine = machine.anew();
            machine.create_next()
        }
        Event::Hold => {
            machine = Machine { phase: Phase::Held, ..machine.anew() };
            vec![Effect::RemoveAll]
        }
        Event::Created(generation) if machine.is_at(generation, &Phase::Creating) => {
            machine.phase = Phase::Starting;
            vec![Effect::Keep(generation), Effect::Start(generation)]
        }
        Event::Started(generation) if machine.is_at(generation, &Phase::Starting) => {
            machine.phase = Phase::Running { since: now };
            vec![Effect::Watch(generation)]
        }
        Event::Broken(generation)
            if machine.is_at(generation, &Phase::Creating) || machine.is_at(generation, &Phase::Starting) =>
        {
            // Without a delay, what cannot start would keep the engine busy.
            let rules = Rules { backoff: RestartBackoff::On, ..rules };
            machine.ended(Ended::with(None, now, NOT_STARTED), rules, now)
        }
        Event::Exited { generation, ended } => match machine.phase {
            Phase::Running { .. } if machine.current == generation => machine.ended(ended, rules, now),
            _ => Vec::new(),
        },
        Event::Due => match machine.phase {
            Phase::BackingOff { until } if now >= until => {
                machine.restarts += 1;
                machine.create_next()
            }
            Phase::BackingOff { until } => vec![Effect::WakeAt(until)],
            _ => Vec::new(),
        },
        Event::Stop => {
            machine.phase = Phase::Stopped;
            vec![Effect::RemoveAll]
        }
        Event::Found(found) => machine.reconcile(&found, rules, now),
        Event::Created(_) | Event::Started(_) | Event::Broken(_) => Vec::new(),
    };
    (machine, effects)
}

impl Phase {
    /// Whether a container runs or is about to.
    pub(crate) fn lives(&self) -> bool {
        matches!(self, Self::Creating | Self::Starting | Self::Running { .. } | Self::BackingOff { .. })
    }
}

impl Machine {
    /// Nothing was asked for yet, and no number is given out a second time.
    pub(crate) fn anew(&self) -> Self {
        Self { allotted: self.allotted, current: self.current, ..Self::default() }
    }

    fn is_at(&self, generation: u64, phase: &Phase) -> bool {
        self.current == generation && self.phase == *phase
    }

    fn create_next(&mut self) -> Vec<Effect> {
        self.allotted += 1;
        self.current = self.allotted;
        self.phase = Phase::Creating;
        vec![Effect::Create(self.current)]
    }

    fn ended(&mut self, ended: Ended, rules: Rules, now: Timestamp) -> Vec<Effect> {
        if !rules.restarts(ended.code) {
            self.phase = Phase::Ended(ended);
            return Vec::new();
        }
        if Rules::forgets(ended.started, ended.finished) {
            self.series = 0;
        }
        let delay = rules.delay(self.series);
        self.series = self.series.saturating_add(1);
        self.previous = Some(ended);
        let until = ended.finished.saturating_add(delay).unwrap_or(ended.finished);
        if delay.is_zero() || until <= now {
            self.restarts += 1;
            return self.create_next();
        }
        self.phase = Phase::BackingOff { until };
        vec![Effect::WakeAt(until)]
    }

    fn reconcile(&mut self, found: &[(u64, Found)], rules: Rules, now: Timestamp) -> Vec<Effect> {
        let newest = found.iter().map(|(generation, _)| *generation).max().unwrap_or(0);
        self.allotted = self.allotted.max(newest);
        let running = found
            .iter()
            .filter_map(|(generation, state)| match state {
                Found::Running { since } => Some((*generation, *since)),
                _ => None,
            })
            .max();
        let exited = found
            .iter()
            .filter_map(|(generation, state)| match state {
                Found::Exited(ended) => Some((*generation, *ended)),
                _ => None,
            })
            .max_by_key(|(generation, _)| *generation);
        match self.phase {
            Phase::Waiting | Phase::Held | Phase::Stopped => remove_all(found),
            // The last one is kept for its log.
            Phase::Ended(_) => match exited {
                Some((generation, _)) => vec![Effect::Keep(generation)],
                None => remove_all(found),
            },
            Phase::Creating | Phase::Starting | Phase::Running { .. } | Phase::BackingOff { .. } => {
                if let Some((generation, since)) = running {
                    self.current = generation;
                    self.phase = Phase::Running { since };
                    return vec![Effect::Keep(generation), Effect::Watch(generation)];
                }
                let mut effects = match exited {
                    Some((generation, _)) => vec![Effect::Keep(generation)],
                    None => remove_all(found),
                };
                effects.extend(self.none_runs(exited, rules, now));
                effects
            }
        }
    }

    /// A container should run or be about to, and none does.
    fn none_runs(&mut self, exited: Option<(u64, Ended)>, rules: Rules, now: Timestamp) -> Vec<Effect> {
        match (&self.phase, exited) {
            (Phase::BackingOff { until }, _) => vec![Effect::WakeAt(*until)],
            // It ended while nobody watched.
            (Phase::Running { .. } | Phase::Starting, Some((generation, ended)))
                if generation == self.current =>
            {
                self.ended(ended, rules, now)
            }
            (Phase::Running { since }, _) => self.ended(Ended::with(Some(*since), now, VANISHED), rules, now),
            // The end of the run before this one is counted already; its successor was half made.
            _ => self.create_next(),
        }
    }
}

fn remove_all(found: &[(u64, Found)]) -> Vec<Effect> {
    if found.is_empty() { Vec::new() } else { vec![Effect::RemoveAll] }
}

#[cfg(test)]
mod tests;
