//! What webhooks send and what came of it.
//!
//! Source: `container-registry-webhook-reference.md` of ACR's documentation (bodies, headers), `container-registry-webhook.md`
//! (scope); Azure/azure-rest-api-specs: `Microsoft.ContainerRegistry` (`Event`, `EventContent`).

use std::time::Duration;

use acr_registry::{ImageAction, ImageEvent};
use axum::http::header;
use reqwest::{Response, Url};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::existing;
use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::ArmError;
use crate::outbound::{self, plain};
use crate::providers::acr::children::{WEBHOOK, of_type};
use crate::records::registries;
use crate::records::resources::{self, Hidden, Stored};
use crate::resource_id::ResourceId;

/// Events beyond this number drop the oldest.
const MOST_EVENTS: usize = 100;
/// Longest time for one call. The service's own is not published.
const LONGEST: Duration = Duration::from_secs(10);
/// Bytes that are kept of an answer.
const KEPT: usize = 4 * 1024;
/// Headers that belong to the connection, so that a webhook's own are left out.
const OF_THE_CONNECTION: [header::HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// The requests that were sent with their answers, the newest first. Without the headers of the webhook, which may hold
/// secrets.
pub(crate) fn events(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    let mut events = events_of(&existing(arm, id)?.hidden);
    events.reverse();
    Ok(json!({ "value": events }))
}

fn events_of(hidden: &Hidden) -> Vec<Value> {
    hidden.0.get("events").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Calls the webhook's address, whatever its status; gives the event's id at once.
pub(crate) fn ping(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    let event = arm.new_id();
    call(arm, id, event, json!({ "id": event, "timestamp": arm.now().to_string(), "action": "ping" }))?;
    Ok(json!({ "id": event }))
}

/// Calls the webhooks that want to know of this. It does not wait for them.
pub(crate) fn told(arm: &Arm, event: ImageEvent) {
    let own = arm.clone();
    arm.settings().shutdown.spawn(async move {
        if let Err(error) = call_all(&own, &event) {
            tracing::error!(
                registry = event.registry,
                repository = event.repository,
                "call the webhooks of an image"
            );
            error.log();
        }
    });
}

fn call_all(arm: &Arm, event: &ImageEvent) -> Result<(), ArmError> {
    let Some(registry) = registries::find(arm, &event.registry)? else { return Ok(()) };
    for webhook in of_type(arm, &registry, WEBHOOK)?.iter().filter(|webhook| wants(webhook, event)) {
        let id = arm.new_id();
        call(arm, &webhook.id, id, content(arm, id, event))?;
    }
    Ok(())
}

fn word(action: ImageAction) -> &'static str {
    match action {
        ImageAction::Push => "push",
        ImageAction::Delete => "delete",
    }
}

fn wants(webhook: &Stored, event: &ImageEvent) -> bool {
    let properties = &webhook.body["properties"];
    let actions = properties["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    properties["status"] == "enabled"
        && actions.iter().any(|action| action == word(event.action))
        && in_scope(properties["scope"].as_str().unwrap_or_default(), &event.repository, event.tag.as_deref())
}

/// Nothing: everything. `repository:*`: all of it; `repository:tag`: this one; `repository`: its tag `latest`.
fn in_scope(scope: &str, repository: &str, tag: Option<&str>) -> bool {
    let (of, wanted) = scope.split_once(':').unwrap_or((scope, "latest"));
    scope.is_empty() || (of == repository && (wanted == "*" || Some(wanted) == tag))
}

fn content(arm: &Arm, id: Uuid, event: &ImageEvent) -> Value {
    let mut target =
        json!({ "mediaType": event.media_type, "digest": event.digest, "repository": event.repository });
    if let Some(size) = event.size {
        target["size"] = json!(size);
        target["length"] = json!(size);
    }
    if let Some(tag) = &event.tag {
        target["tag"] = json!(tag);
    }
    json!({
        "id": id,
        "timestamp": arm.now().to_string(),
        "action": word(event.action),
        "target": target,
        "request": {
            "id": arm.new_id(), "host": event.host, "method": event.method, "useragent": event.user_agent,
        },
    })
}

/// Writes an event down, then sends it, then writes down what was answered.
fn call(arm: &Arm, id: &ResourceId, event: Uuid, content: Value) -> Result<(), ArmError> {
    let hidden = note(arm, id, event, &content)?;
    let (own, webhook) = (arm.clone(), id.clone());
    arm.settings().shutdown.spawn(async move {
        let action = content["action"].as_str().unwrap_or_default().to_owned();
        let sent = tokio::time::timeout(LONGEST, send(&hidden, content));
        let late = || Err(format!("there was no answer within {} seconds", LONGEST.as_secs()));
        let answer = sent.await.unwrap_or_else(|_| late());
        let status = answer.as_ref().ok().map(|(status, _)| *status);
        own.tell(EventKind::WebhookCalled { id: webhook.to_string(), event, action, status });
        let shown = answer.map_or_else(|reason| json!({ "reasonPhrase": reason }), |(_, shown)| shown);
        if let Err(error) = answered(&own, &webhook, event, shown) {
            error.log();
        }
    });
    Ok(())
}

/// Gives what the webhook hides.
fn note(arm: &Arm, id: &ResourceId, event: Uuid, content: &Value) -> Result<Hidden, ArmError> {
    let _guard = arm.lock();
    let mut webhook = existing(arm, id)?;
    let mut events = events_of(&webhook.hidden);
    events.push(json!({
        "id": event,
        "eventRequestMessage": {
            "content": content,
            "headers": {
                "Content-Type": "application/json; charset=utf-8",
                "Content-Length": content.to_string().len().to_string(),
            },
            "method": "POST",
            "requestUri": webhook.hidden.0.get("serviceUri"),
            "version": "1.1",
        },
    }));
    if events.len() > MOST_EVENTS {
        events.remove(0);
    }
    webhook.hidden.0.insert("events".to_owned(), events.into());
    resources::save(arm, &webhook)?;
    Ok(webhook.hidden)
}

/// A webhook that went meanwhile, or an event that was dropped, is no fault.
fn answered(arm: &Arm, id: &ResourceId, event: Uuid, answer: Value) -> Result<(), ArmError> {
    let _guard = arm.lock();
    let Some(mut webhook) = resources::find(arm, id)? else { return Ok(()) };
    let mut events = events_of(&webhook.hidden);
    let Some(noted) = events.iter_mut().find(|one| one["id"] == json!(event)) else { return Ok(()) };
    noted["eventResponseMessage"] = answer;
    webhook.hidden.0.insert("events".to_owned(), events.into());
    resources::save(arm, &webhook)
}

async fn send(hidden: &Hidden, content: Value) -> Result<(u16, Value), String> {
    let address = hidden.0.get("serviceUri").and_then(Value::as_str).unwrap_or_default();
    let at = Url::parse(address).map_err(|_| "it is not an absolute URI".to_owned())?;
    let own = hidden.0.get("customHeaders").and_then(Value::as_object);
    let own: Vec<(header::HeaderName, &str)> = own
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.as_str()?)))
        .filter(|(name, _)| !OF_THE_CONNECTION.contains(name))
        .collect();
    let mut request = outbound::client(&at).await?.post(at).body(content.to_string());
    if !own.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    }
    for (name, value) in own {
        request = request.header(name, value);
    }
    shown(request.send().await.map_err(|error| plain(&error))?).await
}

async fn shown(mut answer: Response) -> Result<(u16, Value), String> {
    let status = answer.status();
    let mut headers = Map::new();
    for (name, value) in answer.headers() {
        headers.insert(name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| plain(&error))? {
        body.extend_from_slice(&chunk[..chunk.len().min(KEPT - body.len())]);
        if body.len() == KEPT {
            break;
        }
    }
    let shown = json!({
        "content": String::from_utf8_lossy(&body),
        "headers": headers,
        "reasonPhrase": status.canonical_reason().unwrap_or_default(),
        "statusCode": status.as_u16().to_string(),
        "version": "1.1",
    });
    Ok((status.as_u16(), shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_repository_with_one_tag_or_all() {
        for (scope, repository, tag, expected) in [
            ("", "team/agent", Some("1"), true),
            ("", "team/agent", None, true),
            ("team/agent:*", "team/agent", Some("1"), true),
            ("team/agent:*", "team/agent", None, true),
            ("team/agent:*", "team/agent2", Some("1"), false),
            ("team/agent:1", "team/agent", Some("1"), true),
            ("team/agent:1", "team/agent", Some("2"), false),
            ("team/agent:1", "team/agent", None, false),
            ("team/agent", "team/agent", Some("latest"), true),
            ("team/agent", "team/agent", Some("1"), false),
        ] {
            assert_eq!(in_scope(scope, repository, tag), expected, "{scope} {repository} {tag:?}");
        }
    }
}
