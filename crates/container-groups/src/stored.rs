//! How a group is kept in the store. The structs here hold secrets in plain text: the store seals its values, and
//! nothing outside of this module sees them.

pub(crate) mod anew;
mod container;
mod placement;
mod spec;
mod volume;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service_kit::{Batch, SharedEntropy, Store, StoreError};
use sha2::{Digest, Sha256};

use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec};
use crate::record::{Operation, Progress, Record};
use crate::view::{EventView, ProvisioningState};

use spec::{StoredSpec, spec_in, spec_out};

const GROUPS: &str = "container-groups";
const KEYS: &str = "container-groups-keys";

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    spec: StoredSpec,
    provisioning: ProvisioningState,
    failure: Option<GroupError>,
    operation: Option<Operation>,
    deployments: u64,
    stopped: bool,
    #[serde(default)]
    began: Option<jiff::Timestamp>,
    holder: Option<String>,
    #[serde(default)]
    address: Option<std::net::IpAddr>,
    events: Vec<EventView>,
    containers: BTreeMap<String, Progress>,
}

/// Keeps a group.
pub(crate) fn save(store: &Store, record: &Record) -> Result<(), StoreError> {
    store.write(put(Batch::new(), record)?)
}

/// Adds a group to other changes.
fn put(batch: Batch, record: &Record) -> Result<Batch, StoreError> {
    let stored = StoredGroup {
        spec: spec_out(&record.spec),
        provisioning: record.provisioning,
        failure: record.failure.clone(),
        operation: record.operation,
        deployments: record.deployments,
        stopped: record.stopped,
        began: record.began,
        holder: record.holder.clone(),
        address: record.address,
        events: record.events.clone(),
        containers: record.containers.clone(),
    };
    batch.put(GROUPS, record.spec.id.key(), &stored)
}

/// Forgets a group.
pub(crate) fn forget(store: &Store, id: &GroupId) -> Result<(), StoreError> {
    store.delete(GROUPS, id.key())
}

/// All groups that are kept.
pub(crate) fn load_all(store: &Store) -> Result<Vec<Record>, StoreError> {
    let stored: Vec<(String, StoredGroup)> = store.list(GROUPS)?;
    let mut records = Vec::new();
    for (key, group) in stored {
        let Ok(id) = GroupId::parse(&group.spec.id) else {
            tracing::error!(%key, "a stored container group has no valid id");
            continue;
        };
        records.push(Record {
            spec: spec_in(group.spec, id),
            provisioning: group.provisioning,
            failure: group.failure,
            operation: group.operation,
            deployments: group.deployments,
            stopped: group.stopped,
            began: group.began,
            holder: group.holder,
            address: group.address,
            events: group.events,
            containers: group.containers,
        });
    }
    Ok(records)
}

/// Whether two desired states are the same, secrets and tags included.
pub(crate) fn same(left: &GroupSpec, right: &GroupSpec) -> bool {
    let (mut left, mut right) = (spec_out(left), spec_out(right));
    for spec in [&mut left, &mut right] {
        spec.id.make_ascii_lowercase();
        spec.name.make_ascii_lowercase();
    }
    left == right
}

/// The key of this instance's hashes, made at the first call.
pub(crate) fn hash_key(store: &Store, entropy: &SharedEntropy) -> Result<Vec<u8>, StoreError> {
    if let Some(key) = store.get(KEYS, "spec-hash")? {
        return Ok(key);
    }
    let mut key = vec![0; 32];
    entropy.fill(&mut key);
    store.put(KEYS, "spec-hash", &key)?;
    Ok(key)
}

/// A hash of what a group is made from and by which deployment. Keyed, so that a label does not help to guess a secret.
pub(crate) fn deployment_hash(key: &[u8], record: &Record) -> String {
    let text = serde_json::to_vec(&(record.deployments, spec_out(&record.spec))).unwrap_or_default();
    keyed_hash(key, &text)[..32].to_owned()
}

/// A hash that only who has the key can make, as 64 hex digits. The key comes first and has one length.
pub(crate) fn keyed_hash(key: &[u8], text: &[u8]) -> String {
    let inner = Sha256::new().chain_update(key).chain_update([0x36]).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(key).chain_update([0x5c]).chain_update(inner).finalize();
    hex::encode(outer)
}
