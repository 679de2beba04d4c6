//! Faults that a test asks for: what goes wrong with which calls, how often, and how likely. Which calls are hit depends
//! on the fault's seed and on the order of the calls that match it, and on nothing else.

mod inject;
mod place;
mod routes;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::entropy::{Entropy, SeededEntropy};

pub use inject::Hit;
pub use place::Place;
pub use routes::fault_routes;

/// So many faults may be in the list, spent ones included.
const MOST: usize = 1000;
/// Longest latency: an hour.
const SLOWEST_MS: u64 = 3_600_000;

/// What a service's faults can be aimed at beside a place.
pub trait Aim: Clone + Debug + Default + Serialize + DeserializeOwned + Send + 'static {
    /// A call, as far as a place does not tell.
    type Call<'a>;

    /// What makes no sense in it.
    fn check(&self) -> Result<(), String>;

    /// Whether a call is meant: all that is given must fit.
    fn fits(&self, call: &Self::Call<'_>) -> bool;
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Before the call is looked at: nothing happens, nothing is answered.
    Request,
    /// After what was asked for was done: its answer is lost.
    Answer,
    /// The same, in the middle of the answer's body. Before an answer without a body.
    Body,
}

/// A fault as it is asked for. Exactly one of `status` and `cut`, or `latency_ms` alone; with either it goes before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "A: Aim")]
pub struct NewFault<A> {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    aim: A,
    /// The status that calls are answered with, in the service's envelope: 400 to 599.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Seconds in the answer's `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    /// How long calls are held, in milliseconds of the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    /// How many calls are hit; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// How likely a call that matches is hit, above 0 and up to 1; always when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// Of the draws for `probability`.
    seed: u64,
}

impl<A: Aim> NewFault<A> {
    fn check(&self) -> Result<(), String> {
        self.place.check()?;
        self.aim.check()?;
        match (self.status, self.cut, self.latency_ms) {
            (Some(status), None, _) if !(400..=599).contains(&status) => {
                return Err(format!("the status {status} is not an error; 400 to 599 are supported"));
            }
            (Some(_), Some(_), _) => return Err("a call is answered with a status or cut, not both".into()),
            (None, None, None) => return Err("a fault needs `status`, `cut` or `latency_ms`".into()),
            _ => {}
        }
        if self.retry_after.is_some() && self.status.is_none() {
            return Err("`retry_after` goes with a `status`".into());
        }
        if self.latency_ms.is_some_and(|latency| latency > SLOWEST_MS) {
            return Err(format!("`latency_ms` is at most {SLOWEST_MS}"));
        }
        if self.probability.is_some_and(|likely| !(likely > 0.0 && likely <= 1.0)) {
            return Err("`probability` is above 0 and at most 1".into());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Fault<A> {
    id: u64,
    asked: NewFault<A>,
    hits: u32,
    draws: SeededEntropy,
}

impl<A> Fault<A> {
    fn spent(&self) -> bool {
        self.asked.count.is_some_and(|count| self.hits >= count)
    }

    /// Whether a call that matches is hit. Each call takes one draw.
    fn drawn(&self) -> bool {
        let Some(likely) = self.asked.probability else { return true };
        let mut bytes = [0; 4];
        self.draws.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) < likely * 2f64.powi(32)
    }
}

/// The faults in force, in the order in which they were added, and those that are spent. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults<A>(Arc<Mutex<List<A>>>);

#[derive(Debug)]
struct List<A> {
    all: Vec<Fault<A>>,
    last_id: u64,
}

impl<A> Default for List<A> {
    fn default() -> Self {
        Self { all: Vec::new(), last_id: 0 }
    }
}

impl<A: Aim> Faults<A> {
    fn lock(&self) -> MutexGuard<'_, List<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all, or none and says why. Their ids.
    pub fn add(&self, new: Vec<NewFault<A>>) -> Result<Vec<u64>, String> {
        for (place, fault) in new.iter().enumerate() {
            fault.check().map_err(|why| format!("fault {}: {why}", place + 1))?;
        }
        let mut list = self.lock();
        if list.all.len() + new.len() > MOST {
            return Err(format!("more than {MOST} faults; remove those that are spent"));
        }
        let mut ids = Vec::new();
        for asked in new {
            list.last_id += 1;
            let (id, draws) = (list.last_id, SeededEntropy::new(asked.seed));
            ids.push(id);
            list.all.push(Fault { id, asked, hits: 0, draws });
        }
        Ok(ids)
    }

    /// Removes all.
    pub fn clear(&self) {
        self.lock().all.clear();
    }

    /// Whether there is nothing to look for.
    pub fn none(&self) -> bool {
        self.lock().all.iter().all(Fault::spent)
    }

    /// The first fault that hits a call; counts it.
    pub fn hit(&self, method: &str, path: &str, call: &A::Call<'_>) -> Option<Hit<A>> {
        let mut list = self.lock();
        let fault = list.all.iter_mut().find(|fault| {
            !fault.spent()
                && fault.asked.place.fits(method, path)
                && fault.asked.aim.fits(call)
                && fault.drawn()
        })?;
        fault.hits += 1;
        Some(Hit { id: fault.id, asked: fault.asked.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes.
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    struct Anything {}

    impl Aim for Anything {
        type Call<'a> = ();

        fn check(&self) -> Result<(), String> {
            Ok(())
        }

        fn fits(&self, (): &()) -> bool {
            true
        }
    }

    fn fault(text: &str) -> NewFault<Anything> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let faults = Faults::default();
        // The form of the first release.
        let old = fault(r#"{"method": "put", "path_contains": "/Agents", "status": 500, "count": 2}"#);
        faults.add(vec![old]).unwrap();
        assert!(faults.hit("GET", "/agents/1", &()).is_none());
        assert!(faults.hit("PUT", "/pools/1", &()).is_none());
        for _ in 0..2 {
            assert!(faults.hit("PUT", "/agents/1", &()).is_some());
        }
        assert!(faults.hit("PUT", "/agents/1", &()).is_none());
        assert!(faults.none());
        assert_eq!(faults.lock().all[0].hits, 2, "a spent fault still says what it did");
    }

    #[test]
    fn a_seed_hits_the_same_calls_again_and_another_seed_others() {
        let hits = |seed: u64| {
            let faults = Faults::default();
            let asked = format!(r#"{{"status": 503, "probability": 0.3, "seed": {seed}}}"#);
            faults.add(vec![fault(&asked)]).unwrap();
            (0..200).filter(|_| faults.hit("GET", "/x", &()).is_some()).count();
            (0..200).map(|_| faults.hit("GET", "/x", &()).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
        let share = hits(3).into_iter().filter(|hit| *hit).count();
        assert!((30..=90).contains(&share), "{share} of 200 at 0.3");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bad, part) in [
            (r#"{"status": 200}"#, "400 to 599"),
            ("{}", "needs `status`"),
            (r#"{"status": 500, "cut": "body"}"#, "not both"),
            (r#"{"cut": "body", "retry_after": 3}"#, "goes with a `status`"),
            (r#"{"status": 500, "probability": 1.5}"#, "at most 1"),
            (r#"{"latency_ms": 9000000}"#, "at most"),
            (r#"{"status": 500, "route": "pools"}"#, "begins with `/`"),
        ] {
            let error = Faults::default().add(vec![fault(bad)]).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
        assert!(serde_json::from_str::<NewFault<Anything>>(r#"{"status": 500, "colour": 1}"#).is_err());
    }
}
