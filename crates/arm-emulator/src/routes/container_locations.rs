//! What a region says of itself: usages, capabilities, cached images
//! (`azure-rest-api-specs: containerInstance.json`, `Location_*`).

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::location::{self, LOCATIONS};
use crate::routes::container_groups::locations_path;

/// Processors and GB of memory of one group at most, as the emulator admits them.
const MOST_CPU: u32 = 4;
const MOST_MEMORY_GB: u32 = 16;

pub(crate) fn routes(provider: &str) -> Router<Arm> {
    let one = format!("{provider}/locations/{{location}}");
    Router::new()
        .route(&format!("{one}/usages"), get(usages))
        .route(&format!("{one}/capabilities"), get(capabilities))
        .route(&format!("{one}/cachedimages"), get(cached_images))
}

fn known(place: &str) -> Result<&'static str, ArmError> {
    location::normalise(place).ok_or_else(|| {
        ArmError::bad_request(
            "LocationNotAvailableForResourceType",
            format!(
                "The location '{place}' is unknown. List of available regions is '{}'.",
                location::names()
            ),
        )
    })
}

async fn usages(
    State(arm): State<Arm>,
    Path((_, place)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    let place = known(&place)?;
    let (usage, quota) = (arm.settings().groups.usage(), arm.settings().groups.quota());
    let entry = |name: &str, shown: &str, current: Value, limit: u32| {
        json!({
            "id": format!("{}/usages/{name}", locations_path(&arm, place)),
            "unit": "Count",
            "currentValue": current,
            "limit": limit,
            "name": { "value": name, "localizedValue": shown },
        })
    };
    Ok(Json(json!({ "value": [
        entry("ContainerGroups", "Container Groups", json!(usage.groups), quota.groups),
        // The SDKs read a whole number; a part of a core counts as one.
        entry("StandardCores", "Standard Cores", json!(usage.cores.ceil() as u64), quota.cores),
    ]})))
}

/// What the emulator admits: no graphics processors anywhere.
async fn capabilities(Path((_, place)): Path<(String, String)>) -> Result<Json<Value>, ArmError> {
    let place = known(&place)?;
    let shown = LOCATIONS.iter().find(|(name, _)| *name == place).map_or(place, |one| one.1);
    let entry = |os_type: &str, ip_address_type: &str| {
        json!({
            "resourceType": "containerGroups",
            "osType": os_type,
            "location": shown,
            "ipAddressType": ip_address_type,
            "gpu": "None",
            "capabilities": { "maxMemoryInGB": MOST_MEMORY_GB, "maxCpu": MOST_CPU, "maxGpuCount": 0 },
        })
    };
    let kinds = [("Linux", "Public"), ("Linux", "Private"), ("Windows", "Public"), ("Windows", "Private")];
    let all: Vec<Value> = kinds.iter().map(|(os, ip)| entry(os, ip)).collect();
    Ok(Json(json!({ "value": all })))
}

/// Nothing is pulled before it is asked for.
async fn cached_images(Path((_, place)): Path<(String, String)>) -> Result<Json<Value>, ArmError> {
    known(&place)?;
    Ok(Json(json!({ "value": [] })))
}
