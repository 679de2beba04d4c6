//! What happens to the organization as a whole: it is seeded, and goes back to its beginning.

use std::path::PathBuf;
use std::sync::PoisonError;

use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pipeline_yaml::{Fault, Faults};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use service_kit::{Batch, Seeds, StoreError};

use super::AzureDevOps;
use crate::error::{ApiError, StartError};
use crate::packages::Packages;
use crate::persist;
pub use crate::seed::SEED_KEYS;
use crate::seed::Seed;
use crate::state::documents::table;
use crate::state::event::Event;
use crate::state::members::Member;
use crate::state::seeding::{KeptSeed, NewSeed, SeedOutcome};
use crate::state::{Moment, State};
use crate::wire::crypto::PublicKey;

/// What an organization holds before anybody does anything: what its settings say.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) pools: Vec<String>,
    pub(super) tokens: Vec<SecretString>,
    pub(super) members: Vec<Member>,
    pub(super) packages: Vec<PathBuf>,
}

impl Beginning {
    /// Adds it, as far as it is not there.
    pub(super) fn make(&self, state: &mut State, now: Timestamp) {
        for pool in &self.pools {
            state.ensure_pool(pool, now);
        }
        state.ensure_hosted_pool(now);
        for token in &self.tokens {
            state.seed_pat(token.expose_secret(), now);
        }
        for member in &self.members {
            state.put_member(member.clone(), now);
        }
    }
}

/// What came of a seed.
#[derive(Debug, Default)]
pub struct Seeded {
    /// Personal access tokens that were generated, by the names that the seed gives them. They are shown nowhere else.
    pub tokens: Vec<(String, SecretString)>,
    /// Numbers of the agents, in the order of the file.
    pub agents: Vec<i32>,
    /// Numbers of the jobs' requests, in the order of the file.
    pub jobs: Vec<i64>,
}

/// Why nothing of a seed was taken.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Everything that is wrong with it, each with line, column and key.
    #[error("the seed file has {} fault{}:\n{}", .0.0.len(), if .0.0.len() == 1 { "" } else { "s" }, .0)]
    Faults(Faults),
    /// The store could not be written.
    #[error("seed the organization: {0}")]
    Store(String),
}

/// Why an organization could not go back to its beginning. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A seed does not fit any more: it needs something that was not there in the beginning.
    #[error("reset: seed {number} cannot be applied again:\n{faults}")]
    Seed {
        /// Which, from 1.
        number: u32,
        /// What is wrong.
        faults: Faults,
    },
    /// A package of the settings is gone.
    #[error("reset")]
    Packages(#[from] StartError),
    /// The store could not be written.
    #[error("reset")]
    Store(#[from] StoreError),
}

/// Whether a seed file is right in itself: all that can be said of it without an organization.
pub fn check_seed(text: &str) -> Result<(), Vec<Fault>> {
    Seed::parse(text).map(|_| ()).map_err(|faults| faults.0)
}

impl From<SeedOutcome> for Seeded {
    fn from(outcome: SeedOutcome) -> Self {
        Self {
            tokens: outcome.tokens,
            agents: outcome.agents.into_iter().map(|id| id.0).collect(),
            jobs: outcome.jobs.into_iter().map(|id| id.0).collect(),
        }
    }
}

impl AzureDevOps {
    /// Whether nothing was in the store when this process came, and no seed was applied since.
    pub fn is_new(&self) -> bool {
        self.inner.is_new && self.state().seeds.is_empty()
    }

    /// Adds what a seed file holds, all of it or nothing. `docs/seed-file.md` lists its keys.
    pub fn seed(&self, text: &str) -> Result<Seeded, SeedError> {
        let seed = Seed::parse(text).map_err(SeedError::Faults)?;
        let key = nobodys_key_for(&seed);
        let new = self.new_seed(text, &seed, &[], key.as_ref());
        let applied = self.try_change(|state, moment| state.seed(&new, moment));
        let outcome = applied.map_err(|error| SeedError::Store(error.message().to_owned()))?;
        Ok(outcome.map_err(SeedError::Faults)?.into())
    }

    /// Puts the organization back to how it began: what its settings say, and the seeds unless they are forgotten.
    /// Jobs, agents, sessions, logs, journal, events and faults are gone, access tokens are dead; its own ids stay, and
    /// so does the clock. Whoever polls or works is answered with the service's own error.
    pub fn reset(&self, seeds: Seeds) -> Result<(), ResetError> {
        let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment { now: self.now(), entropy: self.inner.entropy.as_ref() };
        let (meta, kept) = {
            let state = self.state();
            (state.meta.reborn(moment), state.seeds.clone())
        };
        let mut fresh = State::new(meta, self.inner.switches);
        let packages = Packages::restore(&self.inner.beginning.packages, &mut fresh)?;
        self.inner.beginning.make(&mut fresh, moment.now);
        for (number, kept) in kept.iter().filter(|_| seeds == Seeds::Again) {
            self.apply_again(&mut fresh, kept, moment)
                .map_err(|faults| ResetError::Seed { number: *number, faults })?;
        }
        fresh.settle(moment);
        self.become_as(fresh, Past::default(), |batch| self.inner.store.write(batch))?;
        self.inner.packages.become_as(&packages);
        Ok(())
    }

    fn apply_again(&self, fresh: &mut State, kept: &KeptSeed, moment: Moment<'_>) -> Result<(), Faults> {
        let seed = Seed::parse(&kept.text)?;
        let key = nobodys_key_for(&seed);
        fresh.seed(&self.new_seed(&kept.text, &seed, &kept.generated, key.as_ref()), moment).map(|_| ())
    }

    fn new_seed<'a>(
        &'a self,
        text: &'a str,
        seed: &'a Seed,
        generated: &'a [String],
        nobodys_key: Option<&'a PublicKey>,
    ) -> NewSeed<'a> {
        NewSeed { text, seed, generated, organization: &self.addresses().organization, nobodys_key }
    }

    /// Ends all sessions as time does: whoever held one was removed while the service was away. An agent that is still
    /// there opens another; a job that was not taken goes back into the queue.
    ///
    /// # Errors
    /// The store could not be written.
    pub fn end_sessions(&self) -> Result<(), StartError> {
        let ended = self.change(|state, moment| {
            state.end_all_sessions(moment.now);
            Ok::<_, ApiError>(())
        });
        ended.map_err(|error| StartError::Sessions(error.message().to_owned()))
    }

    /// Takes another state in the place of the present one, in one transaction. The caller holds the order of writes.
    pub(super) fn become_as(
        &self,
        mut fresh: State,
        past: Past,
        write: impl FnOnce(Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let dirty = std::mem::take(&mut fresh.dirty);
        let events = std::mem::take(&mut fresh.events);
        let batch = persist::with_events(persist::batch(&fresh, &dirty)?, &events)?;
        write(Batch::new().clear(table::PREFIX).then(past.documents).then(batch))?;
        let plans = fresh.plans.keys().copied().collect();
        *self.state() = fresh;
        self.inner.faults.clear();
        {
            let mut journal = self.journal();
            journal.clear();
            journal.extend(past.events.into_iter().chain(events));
        }
        self.inner.changed.send_modify(|count| *count += 1);
        self.inner.bells.ring_all();
        // What is left of a log that nobody can ask for any more does no harm.
        if let Err(error) = self.inner.files.keep_only(&plans) {
            tracing::warn!(%error, "logs of before could not be removed");
        }
        Ok(())
    }
}

/// What a state that takes the place of another one was made from.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) documents: Batch,
    pub(super) events: Vec<Event>,
}

/// A public key whose private half is thrown away: an agent of a seed is nobody until somebody registers in its place.
/// `None` where no agent needs it.
fn nobodys_key_for(seed: &Seed) -> Option<PublicKey> {
    if !seed.needs_a_key() {
        return None;
    }
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let public = pair.public_key();
    let key = json!({
        "modulus": STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
        "exponent": STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
    });
    serde_json::from_value(key).ok()
}
