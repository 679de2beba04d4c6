//! The control routes: registering applications and whose tokens stand for them. Whoever mounts them checks who asks.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ControlError, StoreError};
use uuid::Uuid;

use crate::applications::Application;
use crate::entra::Entra;
use crate::federation::{AUDIENCE, FederatedCredential, PublicKey};

impl Entra {
    /// The control routes, to be nested where the sandbox wants them.
    pub fn control_router(&self) -> Router {
        Router::new()
            .route("/applications", get(list).post(register))
            .route("/applications/{client}", delete(remove))
            .route("/applications/{client}/federatedCredentials", post(federate))
            .route("/applications/{client}/federatedCredentials/{name}", delete(part))
            .with_state(self.clone())
    }
}

fn unknown(client: Uuid) -> ControlError {
    ControlError::missing(format!("there is no application `{client}` in this tenant"))
}

fn not_kept(error: StoreError) -> ControlError {
    tracing::error!(%error, "an application could not be kept");
    ControlError(StatusCode::INTERNAL_SERVER_ERROR, "the application could not be kept".to_owned())
}

type Input<T> = Result<Json<T>, JsonRejection>;

async fn list(State(entra): State<Entra>) -> Json<Value> {
    let applications = entra.applications();
    let shown: Vec<_> = applications.all().map(|one| show(&entra, one)).collect();
    drop(applications);
    Json(json!({ "applications": shown }))
}

fn show(entra: &Entra, application: &Application) -> Value {
    let federated = application.federated.iter().map(|one| {
        json!({ "name": one.name, "issuer": one.issuer, "subject": one.subject, "audience": one.audience })
    });
    json!({
        "clientId": application.client_id,
        "objectId": entra.object_id_of(application.client_id),
        "displayName": application.display_name,
        "federatedCredentials": federated.collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewApplication {
    display_name: String,
}

/// Makes an application with a secret, which is shown this once.
async fn register(State(entra): State<Entra>, body: Input<NewApplication>) -> Result<Response, ControlError> {
    let Json(body) = body?;
    if body.display_name.trim().is_empty() {
        return Err(ControlError::bad("`displayName` is empty"));
    }
    let secret = entra.new_secret();
    let application = Application {
        client_id: entra.inner().entropy.uuid(),
        display_name: body.display_name,
        secret: Some(secret.clone()),
        federated: Vec::new(),
    };
    let mut shown = show(&entra, &application);
    shown["clientSecret"] = secret.expose_secret().into();
    entra.applications().put(application).map_err(not_kept)?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

async fn remove(State(entra): State<Entra>, Path(client): Path<Uuid>) -> Result<StatusCode, ControlError> {
    let mut applications = entra.applications();
    if applications.is_owner(client) {
        return Err(ControlError(StatusCode::CONFLICT, "the subscription's owner stays".to_owned()));
    }
    applications.find(client).ok_or_else(|| unknown(client))?;
    applications.remove(client).map_err(not_kept)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCredential {
    name: String,
    issuer: String,
    subject: String,
    /// The issuer's JSON Web Key Set (RFC 7517).
    jwks: KeySet,
    audiences: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

async fn federate(
    State(entra): State<Entra>,
    Path(client): Path<Uuid>,
    body: Input<NewCredential>,
) -> Result<Response, ControlError> {
    let Json(body) = body?;
    if [&body.name, &body.issuer, &body.subject].iter().any(|text| text.trim().is_empty()) {
        return Err(ControlError::bad("`name`, `issuer` and `subject` must not be empty"));
    }
    let audiences = body.audiences.unwrap_or_else(|| vec![AUDIENCE.to_owned()]);
    let [audience] = audiences.as_slice() else {
        return Err(ControlError::bad("a federated credential has exactly one audience"));
    };
    if body.jwks.keys.is_empty() || body.jwks.keys.iter().any(|key| key.decoding().is_none()) {
        return Err(ControlError::bad(
            "`jwks.keys` needs one RSA key at least, each with `kty`, `n` and `e`",
        ));
    }
    let credential = FederatedCredential {
        name: body.name,
        issuer: body.issuer,
        subject: body.subject,
        audience: audience.clone(),
        keys: body.jwks.keys,
    };
    let mut applications = entra.applications();
    let mut application = applications.find(client).ok_or_else(|| unknown(client))?.clone();
    // One name or one pair of issuer and subject stands once, as in Entra.
    let clash = |one: &FederatedCredential| {
        one.name == credential.name || (one.issuer == credential.issuer && one.subject == credential.subject)
    };
    if application.federated.iter().any(clash) {
        let why = "a federated credential with this name, or this issuer and subject, exists already";
        return Err(ControlError(StatusCode::CONFLICT, why.to_owned()));
    }
    application.federated.push(credential);
    let shown = show(&entra, &application);
    applications.put(application).map_err(not_kept)?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

async fn part(
    State(entra): State<Entra>,
    Path((client, name)): Path<(Uuid, String)>,
) -> Result<StatusCode, ControlError> {
    let mut applications = entra.applications();
    let mut application = applications.find(client).ok_or_else(|| unknown(client))?.clone();
    let before = application.federated.len();
    application.federated.retain(|one| one.name != name);
    if application.federated.len() == before {
        let why = format!("the application `{client}` has no federated credential `{name}`");
        return Err(ControlError(StatusCode::NOT_FOUND, why));
    }
    applications.put(application).map_err(not_kept)?;
    Ok(StatusCode::NO_CONTENT)
}
