//! Retention leases: who holds one on a run keeps the run from being deleted while the lease is valid.
//!
//! Source: azure-devops (PyPI): build/models.py (`RetentionLease`, `NewRetentionLease`); azure-devops-docs:
//! pipelines/policies/retention.md.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::build_refusal::BuildRefusal;
use super::{Document, State};
use crate::wire::ids::{DefinitionId, LeaseId, RunId};

/// The longest validity that is told apart: above 36,500 days a run is shown as retained for ever.
const LONGEST: i64 = 365_000;

/// One lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    pub(crate) claim: Claim,
    pub(crate) created_on: Timestamp,
    pub(crate) valid_until: Timestamp,
    /// The definition cannot be deleted either.
    pub(crate) protect_pipeline: bool,
}

/// Who keeps which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    /// Any text; that of a person is `User:` and the person's id.
    pub(crate) owner: String,
    pub(crate) definition: DefinitionId,
    pub(crate) run: RunId,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct NewLease {
    pub(crate) claim: Claim,
    pub(crate) days_valid: i64,
    pub(crate) protect_pipeline: bool,
}

impl Lease {
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        now < self.valid_until
    }
}

fn days_after(now: Timestamp, days: i64) -> Result<Timestamp, BuildRefusal> {
    if !(1..=LONGEST).contains(&days) {
        return Err(BuildRefusal::InvalidBuild(format!(
            "A retention lease cannot be valid for {days} days. Supported: 1 to {LONGEST}."
        )));
    }
    Ok(now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX))
}

impl State {
    /// Adds leases, all of them or none. Whoever holds one on the run already has that one made longer or shorter.
    pub(crate) fn add_leases(
        &mut self,
        wanted: &[NewLease],
        now: Timestamp,
    ) -> Result<Vec<LeaseId>, BuildRefusal> {
        for new in wanted {
            self.check_claim(&new.claim)?;
            days_after(now, new.days_valid)?;
        }
        wanted.iter().map(|new| self.add_lease(new, now)).collect()
    }

    fn check_claim(&self, claim: &Claim) -> Result<(), BuildRefusal> {
        if claim.owner.trim().is_empty() {
            return Err(BuildRefusal::InvalidBuild("The retention lease has no ownerId.".to_owned()));
        }
        self.definition(claim.definition)?;
        let own = self.build(claim.run)?.definition();
        if own == claim.definition {
            return Ok(());
        }
        let (run, definition) = (claim.run, claim.definition);
        Err(BuildRefusal::InvalidBuild(format!(
            "The run {run} is of the pipeline {own}, not of {definition}."
        )))
    }

    fn add_lease(&mut self, new: &NewLease, now: Timestamp) -> Result<LeaseId, BuildRefusal> {
        let valid_until = days_after(now, new.days_valid)?;
        let known = self.project.leases.values_mut().find(|known| known.claim == new.claim);
        let id = if let Some(known) = known {
            known.valid_until = valid_until;
            known.protect_pipeline = new.protect_pipeline;
            known.id
        } else {
            let id = LeaseId(self.meta.next_lease.max(1));
            self.meta.next_lease = id.0 + 1;
            let lease = Lease {
                id,
                claim: new.claim.clone(),
                created_on: now,
                valid_until,
                protect_pipeline: new.protect_pipeline,
            };
            self.project.leases.insert(id, lease);
            self.dirty.insert(Document::Meta);
            id
        };
        self.dirty.insert(Document::Lease(id));
        Ok(id)
    }

    /// Changes what is said of a lease; its days count from now.
    pub(crate) fn update_lease(
        &mut self,
        id: LeaseId,
        days_valid: Option<i64>,
        protect_pipeline: Option<bool>,
        now: Timestamp,
    ) -> Result<&Lease, BuildRefusal> {
        let valid_until = days_valid.map(|days| days_after(now, days)).transpose()?;
        let lease = self.project.leases.get_mut(&id).ok_or(BuildRefusal::LeaseNotFound(id))?;
        lease.valid_until = valid_until.unwrap_or(lease.valid_until);
        lease.protect_pipeline = protect_pipeline.unwrap_or(lease.protect_pipeline);
        self.dirty.insert(Document::Lease(id));
        Ok(lease)
    }

    /// Takes leases away, all of them or none.
    pub(crate) fn delete_leases(&mut self, ids: &[LeaseId]) -> Result<(), BuildRefusal> {
        if let Some(missing) = ids.iter().find(|id| !self.project.leases.contains_key(id)) {
            return Err(BuildRefusal::LeaseNotFound(*missing));
        }
        for id in ids {
            self.project.leases.remove(id);
            self.dirty.insert(Document::Lease(*id));
        }
        Ok(())
    }

    /// The lease, or the refusal that says it is not there.
    pub(crate) fn lease(&self, id: LeaseId) -> Result<&Lease, BuildRefusal> {
        self.project.leases.get(&id).ok_or(BuildRefusal::LeaseNotFound(id))
    }

    /// Whether somebody keeps the run.
    pub(super) fn leased(&self, run: RunId, now: Timestamp) -> bool {
        self.project.leases.values().any(|lease| lease.claim.run == run && lease.holds(now))
    }

    /// Whether somebody keeps the definition with one of its runs.
    pub(super) fn protected(&self, definition: DefinitionId, now: Timestamp) -> bool {
        let of = |lease: &&Lease| lease.claim.definition == definition && lease.holds(now);
        self.project.leases.values().filter(of).any(|lease| lease.protect_pipeline)
    }
}
