//! Questions to a subscription or the tenant that change nothing: names, zones, preview features.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::fields::Fields;

const FEATURES: &str = "/subscriptions/{subscription}/providers/microsoft.features";

pub(crate) fn routes() -> Router<Arm> {
    let one = format!("{FEATURES}/providers/{{namespace}}/features/{{name}}");
    Router::new()
        .route("/providers/microsoft.resources/checkresourcename", post(resource_name))
        .route("/subscriptions/{subscription}/providers/microsoft.resources/checkzonepeers", post(zone_peers))
        .route(&format!("{FEATURES}/features"), get(no_features))
        .route(&format!("{FEATURES}/providers/{{namespace}}/features"), get(no_features))
        .route(&one, get(no_such_feature))
        .route(&format!("{one}/register"), post(no_such_feature))
        .route(&format!("{one}/unregister"), post(no_such_feature))
}

/// Reserved words (`azure-docs: error-reserved-resource-name.md`).
const RESERVED: [&str; 38] = [
    "ACCESS",
    "APP_CODE",
    "APP_THEMES",
    "APP_DATA",
    "APP_GLOBALRESOURCES",
    "APP_LOCALRESOURCES",
    "APP_WEBREFERENCES",
    "APP_BROWSERS",
    "AZURE",
    "BING",
    "BIZSPARK",
    "BIZTALK",
    "CORTANA",
    "DIRECTX",
    "DOTNET",
    "DYNAMICS",
    "EXCEL",
    "EXCHANGE",
    "FOREFRONT",
    "GROOVE",
    "HOLOLENS",
    "HYPERV",
    "KINECT",
    "LYNC",
    "MSDN",
    "O365",
    "OFFICE",
    "OFFICE365",
    "ONEDRIVE",
    "ONENOTE",
    "OUTLOOK",
    "POWERPOINT",
    "SHAREPOINT",
    "SKYPE",
    "VISIO",
    "VISUALSTUDIO",
    "WEB.CONFIG",
    "XBOX",
];
const RESERVED_ANYWHERE: [&str; 2] = ["MICROSOFT", "WINDOWS"];
const RESERVED_IN_FRONT: &str = "LOGIN";

async fn resource_name(body: RawBody) -> Result<Json<Value>, ArmError> {
    let body = body.json()?;
    let mut fields = Fields::of(&body, "")?;
    let (name, resource_type) = (fields.required_string("name")?, fields.required_string("type")?);
    fields.finish()?;
    if is_reserved(name) {
        return Err(ArmError::bad_request(
            "ReservedResourceName",
            format!("The resource name {name} or a part of the name is a trademarked or reserved word."),
        ));
    }
    Ok(Json(json!({ "name": name, "type": resource_type, "status": "Allowed" })))
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_uppercase();
    RESERVED.contains(&name.as_str())
        || RESERVED_ANYWHERE.iter().any(|word| name.contains(word))
        || name.starts_with(RESERVED_IN_FRONT)
}

/// Which physical zone a logical one is, nobody knows of a machine without zones.
async fn zone_peers(State(arm): State<Arm>) -> ArmError {
    ArmError::bad_request(
        "FeatureNotRegistered",
        format!(
            "The subscription '{}' is not registered for the feature 'Microsoft.Resources/AvailabilityZonePeering', \
             which this service does not offer: it has no zones to compare.",
            arm.subscription()
        ),
    )
}

/// There are no preview features here.
async fn no_features() -> Json<Value> {
    Json(json!({ "value": [] }))
}

async fn no_such_feature(Path((_, namespace, name)): Path<(String, String, String)>) -> ArmError {
    ArmError::not_found(
        "FeatureNotFound",
        format!(
            "The feature '{name}' could not be found in '{namespace}': this service has no preview features."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::is_reserved;

    #[test]
    fn reserved_words_are_refused_where_they_may_not_be() {
        for (name, reserved) in [
            ("azure", true),
            ("azureagents", false),
            ("myMicrosoftThing", true),
            ("windows-agent", true),
            ("loginserver", true),
            ("my-login", false),
            ("web.config", true),
            ("fleet", false),
        ] {
            assert_eq!(is_reserved(name), reserved, "{name}");
        }
    }
}
