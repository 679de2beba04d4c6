//! What providers add to resources that have no behaviour here, as far as templates commonly read it: addresses that follow
//! from names, ids, keys. Nothing answers at the addresses, and nobody asks for the keys. The forms are those of the public
//! cloud (`azure-docs`: the pages of each service on endpoints; `azure-rest-api-specs: storage.json, Workspaces.json`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use uuid::Uuid;

use crate::error::ArmError;
use crate::resource_id::ResourceId;

const ACCOUNTS: &str = "microsoft.storage/storageaccounts";
const WORKSPACES: &str = "microsoft.operationalinsights/workspaces";

/// Adds what its provider sets to a resource as it is shown, unless its body says something else.
pub(super) fn add(id: &ResourceId, shown: &mut Value) {
    for (name, value) in properties(id, shown) {
        let place = &mut shown["properties"][name];
        if place.is_null() {
            *place = value;
        }
    }
}

/// The resource as a template would ask for it: without what [`add`] adds.
pub(crate) fn taken_out(id: &ResourceId, mut shown: Value) -> Value {
    let computed = properties(id, &shown);
    if let Some(own) = shown.get_mut("properties").and_then(Value::as_object_mut) {
        own.retain(|name, value| !computed.iter().any(|(known, set)| known == name && set == value));
    }
    shown
}

fn properties(id: &ResourceId, shown: &Value) -> Vec<(&'static str, Value)> {
    let name = id.last_name().to_lowercase();
    let region = shown["location"].as_str().unwrap_or_default().to_lowercase().replace(' ', "");
    match kind(id).as_str() {
        ACCOUNTS => {
            let at = |service: &str| json!(format!("https://{name}.{service}.core.windows.net/"));
            let endpoints = json!({
                "dfs": at("dfs"), "blob": at("blob"), "queue": at("queue"), "table": at("table"), "file": at("file"),
            });
            vec![
                ("primaryEndpoints", endpoints),
                ("primaryLocation", json!(region)),
                ("statusOfPrimary", json!("available")),
            ]
        }
        WORKSPACES => vec![("customerId", json!(unique(id, "customer")))],
        "microsoft.insights/components" => {
            let (application, key) = (unique(id, "application"), unique(id, "instrumentation"));
            let connection = format!(
                "InstrumentationKey={key};IngestionEndpoint=https://{region}-0.in.applicationinsights.azure.com/;\
                 LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;ApplicationId={application}"
            );
            vec![
                ("AppId", json!(application)),
                ("ApplicationId", json!(id.last_name())),
                ("InstrumentationKey", json!(key)),
                ("ConnectionString", json!(connection)),
            ]
        }
        "microsoft.keyvault/vaults" => vec![("vaultUri", json!(format!("https://{name}.vault.azure.net/")))],
        "microsoft.documentdb/databaseaccounts" => {
            vec![("documentEndpoint", json!(format!("https://{name}.documents.azure.com:443/")))]
        }
        "microsoft.servicebus/namespaces" | "microsoft.eventhub/namespaces" => {
            vec![("serviceBusEndpoint", json!(format!("https://{name}.servicebus.windows.net:443/")))]
        }
        "microsoft.appconfiguration/configurationstores" => {
            vec![("endpoint", json!(format!("https://{name}.azconfig.io")))]
        }
        "microsoft.search/searchservices" => {
            vec![("endpoint", json!(format!("https://{name}.search.windows.net/")))]
        }
        "microsoft.cognitiveservices/accounts" => {
            let host = match shown["properties"]["customSubDomainName"].as_str() {
                Some(own) => format!("{own}.cognitiveservices.azure.com"),
                None => format!("{region}.api.cognitive.microsoft.com"),
            };
            vec![("endpoint", json!(format!("https://{host}/")))]
        }
        "microsoft.web/sites" => vec![("defaultHostName", json!(format!("{name}.azurewebsites.net")))],
        "microsoft.sql/servers" => domain(&name, "database.windows.net"),
        "microsoft.dbformysql/flexibleservers" => domain(&name, "mysql.database.azure.com"),
        "microsoft.dbforpostgresql/flexibleservers" => domain(&name, "postgres.database.azure.com"),
        "microsoft.cache/redis" => vec![
            ("hostName", json!(format!("{name}.redis.cache.windows.net"))),
            ("port", json!(6379)),
            ("sslPort", json!(6380)),
        ],
        _ => Vec::new(),
    }
}

fn domain(name: &str, suffix: &str) -> Vec<(&'static str, Value)> {
    vec![("fullyQualifiedDomainName", json!(format!("{name}.{suffix}")))]
}

/// The actions that are answered, in the spelling of the documentation.
fn actions(kind: &str) -> &'static [&'static str] {
    match kind {
        ACCOUNTS => &["listKeys"],
        WORKSPACES => &["listKeys", "sharedKeys"],
        _ => &[],
    }
}

/// What an action of a resource that is there gives.
///
/// # Errors
/// The action is not answered.
pub(crate) fn call(id: &ResourceId, action: &str) -> Result<Value, ArmError> {
    let kind = kind(id);
    let known = actions(&kind);
    if !known.iter().any(|one| one.eq_ignore_ascii_case(action)) {
        let resource_type = id.resource_type().unwrap_or_default();
        let why = match known {
            [] => format!("resources of the type '{resource_type}' are kept and shown, and do nothing"),
            known => format!("of the type '{resource_type}' only these are answered: {}", known.join(", ")),
        };
        let problem = format!("The action '{action}' of '{id}' is not supported: {why}.");
        return Err(ArmError::bad_request("InvalidResourceOperation", problem));
    }
    if kind == ACCOUNTS {
        let one = |name: &str| json!({"keyName": name, "value": key(id, name), "permissions": "FULL"});
        return Ok(json!({"keys": [one("key1"), one("key2")]}));
    }
    Ok(json!({"primarySharedKey": key(id, "primary"), "secondarySharedKey": key(id, "secondary")}))
}

fn kind(id: &ResourceId) -> String {
    id.resource_type().unwrap_or_default().to_lowercase()
}

fn unique(id: &ResourceId, what: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}|{what}", id.key()).as_bytes())
}

/// 64 bytes as base64, as the services' keys are. It opens nothing.
fn key(id: &ResourceId, which: &str) -> String {
    STANDARD.encode(Sha512::digest(format!("{}|{which}", id.key())))
}
