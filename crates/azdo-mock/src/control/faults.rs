//! Errors that a test asks for: the next calls that match are answered with a status.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

/// A fault as it is asked for and listed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFault {
    /// Only calls with this method.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// Only calls whose path holds this text, in any case.
    #[serde(default)]
    pub(crate) path_contains: Option<String>,
    /// The status they are answered with: 400 to 599.
    pub(crate) status: u16,
    /// How many calls.
    pub(crate) count: u32,
}

/// The faults in force, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<NewFault>>);

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Vec<NewFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds all, or none and says why.
    pub(crate) fn add(&self, new: Vec<NewFault>) -> Result<(), String> {
        if let Some(bad) = new.iter().find(|fault| !(400..=599).contains(&fault.status)) {
            return Err(format!("the status {} is not an error; 400 to 599 are supported", bad.status));
        }
        self.lock().extend(new);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn list(&self) -> Vec<NewFault> {
        self.lock().clone()
    }

    /// The status to answer with, if a fault matches; counts it.
    pub(crate) fn hit(&self, method: &Method, path: &str) -> Option<StatusCode> {
        let path = path.to_lowercase();
        let mut faults = self.lock();
        let fault = faults.iter_mut().find(|fault| {
            fault.count > 0
                && fault.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                && fault.path_contains.as_ref().is_none_or(|part| path.contains(&part.to_lowercase()))
        })?;
        fault.count -= 1;
        let status = StatusCode::from_u16(fault.status).ok();
        faults.retain(|fault| fault.count > 0);
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let faults = Faults::default();
        let fault = |count| NewFault {
            method: Some("put".into()),
            path_contains: Some("/Agents".into()),
            status: 500,
            count,
        };
        faults.add(vec![fault(2)]).unwrap();
        assert_eq!(faults.hit(&Method::GET, "/acme/agents/1"), None);
        assert_eq!(faults.hit(&Method::PUT, "/acme/pools/1"), None);
        for _ in 0..2 {
            assert_eq!(faults.hit(&Method::PUT, "/acme/agents/1"), Some(StatusCode::INTERNAL_SERVER_ERROR));
        }
        assert_eq!(faults.hit(&Method::PUT, "/acme/agents/1"), None);
        assert!(faults.list().is_empty());
        assert!(faults.add(vec![NewFault { status: 200, ..fault(1) }]).is_err());
    }
}
