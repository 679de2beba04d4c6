//! Faults that a test asks for: what goes wrong with which calls, how often, and how likely. Which calls are hit depends
//! on the fault's seed and on the order of the calls that match it, and on nothing else.

mod aim;
mod inject;

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::{Entropy, SeededEntropy};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use aim::{Aim, Call};

pub(crate) use inject::Hit;

/// So many faults may be in the list, spent ones included.
const MOST: usize = 1000;
/// Longest latency: an hour.
const SLOWEST_MS: u64 = 3_600_000;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    /// Before the call is looked at: nothing happens, nothing is answered.
    Request,
    /// After what was asked for was done: its answer is lost.
    Answer,
    /// The same, in the middle of the answer's body. Before an answer without a body.
    Body,
}

/// A fault as it is asked for. Exactly one of `status` and `cut`, or `latency_ms` alone; with either it goes before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NewFault {
    #[serde(flatten)]
    aim: Aim,
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

impl NewFault {
    fn check(&self) -> Result<(), String> {
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
struct Fault {
    id: u64,
    asked: NewFault,
    hits: u32,
    draws: SeededEntropy,
}

impl Fault {
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

/// The faults in force, in the order in which they were added, and those that are spent.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    all: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all, or none and says why. Their ids.
    fn add(&self, new: Vec<NewFault>) -> Result<Vec<u64>, String> {
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
    pub(crate) fn clear(&self) {
        self.lock().all.clear();
    }

    /// Whether there is anything to look for.
    fn none(&self) -> bool {
        self.lock().all.iter().all(Fault::spent)
    }

    /// The first fault that hits a call; counts it.
    fn hit(&self, call: &Call<'_>) -> Option<Hit> {
        let mut list = self.lock();
        let fault = list
            .all
            .iter_mut()
            .find(|fault| !fault.spent() && fault.asked.aim.fits(call) && fault.drawn())?;
        fault.hits += 1;
        Some(Hit::new(fault.id, &fault.asked))
    }
}

/// `GET /faults`: each with its id, how often it hit, and how many are left.
pub(super) async fn list(State(service): State<AzureDevOps>) -> Json<Value> {
    let list = service.faults().lock();
    let shown = list.all.iter().map(|fault| {
        let mut shown = json!(fault.asked);
        shown["id"] = json!(fault.id);
        shown["hits"] = json!(fault.hits);
        shown["left"] = json!(fault.asked.count.map(|count| count - fault.hits));
        shown
    });
    Json(shown.collect())
}

/// `POST /faults`: a list of them.
pub(super) async fn add(
    State(service): State<AzureDevOps>,
    body: Input<Vec<NewFault>>,
) -> Result<StatusCode, ControlError> {
    let Json(new) = body?;
    service.faults().add(new).map_err(ControlError::bad)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /faults`.
pub(super) async fn clear(State(service): State<AzureDevOps>) -> StatusCode {
    service.faults().clear();
    StatusCode::NO_CONTENT
}

/// `DELETE /faults/{id}`.
pub(super) async fn remove(
    State(service): State<AzureDevOps>,
    Path(id): Path<u64>,
) -> Result<StatusCode, ControlError> {
    let mut list = service.faults().lock();
    let before = list.all.len();
    list.all.retain(|fault| fault.id != id);
    if list.all.len() < before {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ControlError::missing(format!("there is no fault {id}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> NewFault {
        serde_json::from_str(text).unwrap()
    }

    fn call<'a>(method: &'a str, path: &'a str) -> Call<'a> {
        Call { method, path, who: None, agent: None, user_agent: "" }
    }

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let faults = Faults::default();
        // The form of the first release.
        let old = fault(r#"{"method": "put", "path_contains": "/Agents", "status": 500, "count": 2}"#);
        faults.add(vec![old]).unwrap();
        assert!(faults.hit(&call("GET", "/agents/1")).is_none());
        assert!(faults.hit(&call("PUT", "/pools/1")).is_none());
        for _ in 0..2 {
            assert!(faults.hit(&call("PUT", "/agents/1")).is_some());
        }
        assert!(faults.hit(&call("PUT", "/agents/1")).is_none());
        assert!(faults.none());
        assert_eq!(faults.lock().all[0].hits, 2, "a spent fault still says what it did");
    }

    #[test]
    fn a_seed_hits_the_same_calls_again_and_another_seed_others() {
        let hits = |seed: u64| {
            let faults = Faults::default();
            let asked = format!(r#"{{"status": 503, "probability": 0.3, "seed": {seed}}}"#);
            faults.add(vec![fault(&asked)]).unwrap();
            (0..200).filter(|_| faults.hit(&call("GET", "/x")).is_some()).count();
            (0..200).map(|_| faults.hit(&call("GET", "/x")).is_some()).collect::<Vec<_>>()
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
            (r#"{"status": 500, "caller": {}}"#, "needs"),
        ] {
            let error = Faults::default().add(vec![fault(bad)]).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
        assert!(serde_json::from_str::<NewFault>(r#"{"status": 500, "colour": 1}"#).is_err());
    }
}
