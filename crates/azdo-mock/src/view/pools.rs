//! Pools. Shape: azure-devops (PyPI): task_agent/models.py (`TaskAgentPool`, `TaskAgentPoolReference`).

use serde_json::{Map, Value, json};

use super::projects::identity;
use crate::addresses::Addresses;
use crate::state::State;
use crate::state::pools::{Pool, PoolKind};
use crate::wire::time::stamp;

/// A pool, with those of its properties that are asked for.
pub(crate) fn pool(
    state: &State,
    addresses: &Addresses,
    pool: &Pool,
    wanted: impl Fn(&str) -> bool,
) -> Value {
    let owner = identity(addresses, pool.owner.as_ref());
    let properties = pool.settings.properties.iter().filter(|(name, _)| wanted(name));
    let properties: Map<_, _> = properties.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut shown = json!({
        "createdOn": stamp(pool.created_on),
        "autoProvision": pool.settings.auto_provision,
        "autoUpdate": pool.settings.auto_update,
        "autoSize": pool.settings.auto_size,
        "targetSize": pool.settings.target_size,
        "agentCloudId": null,
        "createdBy": owner,
        "owner": owner,
        "properties": properties,
    });
    if let (Value::Object(shown), Value::Object(reference)) = (&mut shown, reference(state, pool)) {
        shown.extend(reference);
    }
    shown
}

/// A pool as other things refer to it.
pub(crate) fn reference(state: &State, pool: &Pool) -> Value {
    json!({
        "id": pool.id,
        "scope": state.meta.instance_id,
        "name": pool.name,
        "isHosted": pool.kind == PoolKind::Hosted,
        "poolType": if pool.kind == PoolKind::Deployment { "deployment" } else { "automation" },
        "size": state.size(pool.id),
        "isLegacy": false,
        "options": "none",
    })
}
