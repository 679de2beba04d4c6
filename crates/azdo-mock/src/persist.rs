//! The state in the store: one document per pool, agent, session, request, job, plan, record and log.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use service_kit::{Batch, Store, StoreError};

use crate::error::StartError;
use crate::journal;
use crate::settings::Switches;
use crate::state::builds::Notes;
use crate::state::definitions::Definition;
use crate::state::documents::{Document, table};
use crate::state::event::Event;
use crate::state::leases::Lease;
use crate::state::maintenance::{Maintenance, MaintenanceDefinition, MaintenanceJob};
use crate::state::members::Member;
use crate::state::plans::{Log, Plan, Record};
use crate::state::queues::Queue;
use crate::state::runs::{Run, Runs};
use crate::state::seeding::KeptSeed;
use crate::state::variable_groups::VariableGroup;
use crate::state::{Meta, Moment, State};
use crate::wire::ids::{LogId, PlanId, RecordId, TimelineId};

/// The documents that changed, as one transaction.
pub(crate) fn batch<'a>(
    state: &State,
    dirty: impl IntoIterator<Item = &'a Document>,
) -> Result<Batch, StoreError> {
    let mut batch = Batch::new();
    for document in dirty {
        let (table, key) = document.address();
        batch = match state.content(document) {
            Ok(Some(value)) => batch.put(table, &key, &value)?,
            Ok(None) => batch.delete(table, &key),
            Err(error) => {
                // Only a map with keys that are no text cannot be JSON, and there is none.
                tracing::error!(?document, %error, "a document could not be encoded");
                batch
            }
        };
    }
    Ok(batch)
}

/// The organization as it was left, or a new one.
pub(crate) fn restore(store: &Store, switches: Switches, moment: Moment<'_>) -> Result<State, StartError> {
    let Some(meta) = store.get::<Meta>(table::META, "meta")? else {
        return Ok(State::new(Meta::create(moment), switches));
    };
    let mut state = State::new(meta, switches);
    state.dirty.clear();
    state.pools = values(store, table::POOLS, |pool: &crate::state::pools::Pool| pool.id)?;
    state.agents = values(store, table::AGENTS, |agent: &crate::state::agents::Agent| agent.id)?.into();
    state.sessions =
        values(store, table::SESSIONS, |session: &crate::state::sessions::Session| session.id)?.into();
    state.requests =
        values(store, table::REQUESTS, |request: &crate::state::requests::Request| request.id)?.into();
    state.jobs = values(store, table::JOBS, |job: &crate::wire::job::JobSpec| job.request_id)?;
    state.plans = values(store, table::PLANS, |plan: &Plan| plan.id)?;
    state.runs = Runs::restored(values(store, table::RUNS, |run: &Run| run.id)?);
    state.members = values(store, table::MEMBERS, |member: &Member| member.object_id)?;
    state.pats = store.list(table::PATS)?.into_iter().collect();
    state.restore_assertions(store.list(table::ASSERTIONS)?.into_iter().collect());
    state.offers = store.list(table::OFFERS)?.into_iter().collect();
    state.project.queues = values(store, table::QUEUES, |queue: &Queue| queue.id)?;
    state.project.definitions.extend(values(store, table::DEFINITIONS, |one: &Definition| one.id)?);
    state.project.variable_groups = values(store, table::VARIABLE_GROUPS, |one: &VariableGroup| one.id)?;
    state.project.files = store.list(table::FILES)?.into_iter().collect();
    state.project.notes = values(store, table::BUILDS, |notes: &Notes| notes.build)?;
    state.project.leases = values(store, table::LEASES, |lease: &Lease| lease.id)?;
    state.project.folders = store.list(table::FOLDERS)?.into_iter().collect();
    state.project.settings = store.get(table::PROJECT, "settings")?.unwrap_or_default();
    state.maintenance = Maintenance::restored(
        values(store, table::MAINTENANCE, |one: &MaintenanceDefinition| one.id)?,
        values(store, table::MAINTENANCE_JOBS, |job: &MaintenanceJob| job.id)?,
    );
    state.adopt_pools();
    for (key, kept) in store.list::<KeptSeed>(table::SEEDS)? {
        state.seeds.insert(key.parse().map_err(|_| StartError::Key(key))?, kept);
    }
    for (key, record) in store.list::<Record>(table::RECORDS)? {
        let (plan, id) = record_key(&key).ok_or_else(|| StartError::Key(key.clone()))?;
        if let Some(plan) = state.plans.get_mut(&plan) {
            plan.records.insert(id, record);
        }
    }
    for (key, log) in store.list::<Log>(table::LOGS)? {
        let plan = key.split_once('/').and_then(|(plan, _)| plan.parse::<PlanId>().ok());
        let plan = plan.ok_or_else(|| StartError::Key(key.clone()))?;
        if let Some(plan) = state.plans.get_mut(&plan) {
            plan.logs.insert(LogId(log.id.0), log);
        }
    }
    state.next_event = events(store)?.last().map_or(1, |event| event.number + 1);
    state.resume(moment.now);
    Ok(state)
}

/// The events that are kept, oldest first.
pub(crate) fn events(store: &Store) -> Result<Vec<Event>, StoreError> {
    Ok(store.list(table::EVENTS)?.into_iter().map(|(_, event)| event).collect())
}

/// Adds new events to a transaction and removes those that are too old to be kept.
pub(crate) fn with_events(mut batch: Batch, events: &[Event]) -> Result<Batch, StoreError> {
    let key = |number: u64| format!("{number:020}");
    for event in events {
        batch = batch.put(table::EVENTS, &key(event.number), event)?;
        if let Some(old) = event.number.checked_sub(journal::BOUND as u64) {
            batch = batch.delete(table::EVENTS, &key(old));
        }
    }
    Ok(batch)
}

fn values<K: Ord, T: DeserializeOwned>(
    store: &Store,
    table: &str,
    id: fn(&T) -> K,
) -> Result<BTreeMap<K, T>, StoreError> {
    Ok(store.list::<T>(table)?.into_iter().map(|(_, item)| (id(&item), item)).collect())
}

fn record_key(key: &str) -> Option<(PlanId, (TimelineId, RecordId))> {
    let mut parts = key.split('/');
    let plan = parts.next()?.parse().ok()?;
    Some((plan, (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)))
}
