//! Feature flags and telemetry: calls whose failure changes nothing
//! (azure-pipelines-agent: FeatureFlagProvider.cs; customer intelligence events).

use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    connection::{Call, Connection, Place},
    http::{Credential, HttpClient},
};

const FEATURE_FLAGS: Place = Place { id: "3e2b80f8-9e6f-441e-8393-005610692d9c", resource_version: 1 };
const EVENTS: Place = Place { id: "b5cc35c2-ff2b-491d-a085-24b6e9f396fd", resource_version: 1 };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeatureFlag {
    #[serde(default)]
    effective_state: Option<String>,
}

/// Whether a flag is on, asked over a connection of its own; any failure reads as off.
pub(crate) async fn feature_flag(
    http: &HttpClient,
    base: &Url,
    credential: &Arc<Credential>,
    name: &str,
) -> bool {
    let Ok(connection) = Connection::connect(http, base, credential).await else { return false };
    let call = Call::new(Method::GET, FEATURE_FLAGS)
        .at("name", format!("DistributedTask.Agent.{name}"))
        .query("checkFeatureExists", "false");
    let flag: Option<FeatureFlag> = connection.call_json(call).await.unwrap_or_default();
    flag.and_then(|flag| flag.effective_state).is_some_and(|state| state.eq_ignore_ascii_case("on"))
}

/// Tells the server something about this agent; any failure is swallowed.
pub(crate) async fn telemetry(
    http: &HttpClient,
    base: &Url,
    credential: &Arc<Credential>,
    feature: &str,
    properties: Value,
) {
    let Ok(connection) = Connection::connect(http, base, credential).await else { return };
    let events = json!([{ "area": "agent", "feature": feature, "properties": properties }]);
    drop(connection.call(Call::new(Method::POST, EVENTS).json(events)).await);
}
