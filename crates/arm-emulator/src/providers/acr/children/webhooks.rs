//! Webhooks: what they are made of. Whom they call is shown by an action alone; the calls are in `calls`.

mod calls;

use axum::http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{WEBHOOK, count_webhooks, is};
use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::acr::skus;
use crate::providers::any;
use crate::records::registries::RegistryRecord;
use crate::records::resources::{self, Hidden, Stored};
use crate::resource_id::ResourceId;

pub(crate) use calls::{events, ping, told};

const ACTIONS: &[&str] = &["push", "delete", "quarantine", "chart_push", "chart_delete"];

pub(super) fn admit(
    arm: &Arm,
    registry: &RegistryRecord,
    id: &ResourceId,
    body: &mut Map<String, Value>,
    hidden: &mut Hidden,
) -> Result<(), ArmError> {
    if resources::find(arm, id)?.is_none() {
        check_count(&registry.sku, count_webhooks(arm, registry)? + 1)?;
    }
    let given = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let mut fields = Fields::of(&given, "properties")?;
    if let Some(address) = fields.string("serviceUri")? {
        hidden.0.insert("serviceUri".to_owned(), json!(checked_address(address)?));
    }
    if !hidden.0.contains_key("serviceUri") {
        fields.required("serviceUri")?;
    }
    if let Some(headers) = fields.value("customHeaders") {
        hidden.0.insert("customHeaders".to_owned(), checked_headers(headers)?);
    }
    let status = fields.word("status", &["enabled", "disabled"])?.unwrap_or("enabled");
    let scope = fields.string("scope")?.unwrap_or_default();
    fields.required("actions")?;
    let actions =
        fields.strings("actions")?.iter().map(|one| checked_action(one)).collect::<Result<Vec<_>, _>>()?;
    if actions.is_empty() {
        return Err(ArmError::invalid_content("properties.actions", "There has to be at least one action."));
    }
    fields.finish()?;
    let properties = json!({ "status": status, "scope": scope, "actions": actions });
    body.insert("properties".to_owned(), properties);
    Ok(())
}

/// The address may hold a secret, so no message repeats it.
fn checked_address(text: &str) -> Result<&str, ArmError> {
    let http = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if http {
        return Ok(text);
    }
    Err(ArmError::invalid_content("properties.serviceUri", "The value is no address of HTTP or HTTPS."))
}

fn checked_headers(headers: &Value) -> Result<Value, ArmError> {
    let path = "properties.customHeaders";
    let Value::Object(members) = headers else {
        return Err(ArmError::invalid_content(path, "Expected an object."));
    };
    for (name, value) in members {
        let wrong = |why: &str| ArmError::invalid_content(&format!("{path}.{name}"), why);
        let value = value.as_str().ok_or_else(|| wrong("Expected a string."))?;
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(wrong("The name or the value is not one that a header of HTTP can have."));
        }
    }
    Ok(headers.clone())
}

fn checked_action(text: &str) -> Result<&'static str, ArmError> {
    let known = ACTIONS.iter().copied().find(|known| known.eq_ignore_ascii_case(text));
    known.ok_or_else(|| {
        let known = ACTIONS.join(", ");
        ArmError::invalid_content(
            "properties.actions",
            format!("The value is not one of the supported values: {known}."),
        )
    })
}

pub(super) fn check_count(sku: &str, wanted: u64) -> Result<(), ArmError> {
    let most = skus::limits(sku).webhooks;
    if wanted <= most {
        return Ok(());
    }
    Err(skus::unsupported(format!("The SKU {sku} has {most} webhooks at most; this would be {wanted}.")))
}

fn existing(arm: &Arm, id: &ResourceId) -> Result<Stored, ArmError> {
    any::existing(arm, id)?;
    resources::find(arm, id)?.filter(|one| is(&one.id, WEBHOOK)).ok_or_else(|| any::not_found(id))
}

/// Whom the webhook would call, and with which headers.
pub(crate) fn callback_config(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    let Hidden(kept) = existing(arm, id)?.hidden;
    let headers = kept.get("customHeaders").cloned().unwrap_or_else(|| json!({}));
    Ok(json!({ "serviceUri": kept.get("serviceUri"), "customHeaders": headers }))
}
