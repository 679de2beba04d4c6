//! The identity endpoint: what a container of a group with an identity asks for tokens.
//!
//! Shapes: `azure-docs: container-instances-managed-identity.md`, `how-to-use-vm-token.md` (api-version 2018-02-01) and
//! `overview-managed-identity.md` of App Service (2019-08-01, `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`). It is reached
//! from the containers' network. Who asks is told by the address alone with `Metadata: true`, as Container Instances
//! document it: so every job can, and no wiped variable keeps it from that. With `X-IDENTITY-HEADER` the secret of the
//! container's run has to fit too.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use container_groups::{GroupIdentity, IdentityPrincipal};
use entra_tokens::{Issued, Principal};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Arm;
use crate::control::{Asker, Service};
use crate::records::identities;

/// The path of the one route.
pub(crate) const PATH: &str = "/metadata/identity/oauth2/token";
/// How long a managed identity's token holds, in seconds: the 8 hours of the documented example.
const LIFETIME: i64 = 28_799;
const VERSIONS: [&str; 2] = ["2018-02-01", "2019-08-01"];
const PARAMETERS: [&str; 7] =
    ["api-version", "resource", "client_id", "principal_id", "object_id", "mi_res_id", "msi_res_id"];

impl Arm {
    /// The identity endpoint, to be served on an address that containers reach.
    pub fn identity_router(&self) -> Router {
        let router = Router::new()
            .route(PATH, get(token))
            .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({ "error": "Not found" }))) })
            .method_not_allowed_fallback(|| async {
                (StatusCode::METHOD_NOT_ALLOWED, Json(json!({ "error": "Method not allowed" })))
            })
            .with_state(self.clone());
        self.traffic().around(Service::Identity, router)
    }

    /// The path of the identity endpoint, for those who tell containers where it is.
    pub fn identity_path() -> &'static str {
        PATH
    }
}

/// An error as the endpoint words it.
#[derive(Debug)]
struct Fault(StatusCode, &'static str, String);

impl Fault {
    fn invalid(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_request", text.into())
    }

    fn unknown(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "the identity endpoint could not answer");
        let text = "Failed to retrieve token from the Active directory. For details see logs.";
        Self(StatusCode::INTERNAL_SERVER_ERROR, "unknown", text.to_owned())
    }
}

impl Fault {
    /// In App Service's form also as its clients read it (`msal: managed_identity.py`, `statusCode` and `message`). Which
    /// of the two Container Instances answer is not published.
    fn shown(self, form: Form) -> Response {
        let mut body = json!({ "error": self.1, "error_description": self.2 });
        if form == Form::AppService {
            body["statusCode"] = json!(self.0.as_u16());
            body["message"] = json!(self.2);
        }
        (self.0, Json(body)).into_response()
    }
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    AppService,
    Metadata,
}

async fn token(
    State(arm): State<Arm>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match answer(&arm, peer, request.headers(), request.uri()).await {
        Ok((group, body)) => {
            (Extension(Asker(group)), [("cache-control", "no-store")], Json(body)).into_response()
        }
        Err(fault) => {
            let secret = request.headers().contains_key("x-identity-header");
            fault.shown(if secret { Form::AppService } else { Form::Metadata })
        }
    }
}

/// The id of the group that asked, and its answer.
async fn answer(
    arm: &Arm,
    peer: SocketAddr,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(String, Value), Fault> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secret = text("x-identity-header");
    let metadata = text("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if secret.is_none() && !metadata {
        return Err(Fault(
            StatusCode::BAD_REQUEST,
            "bad_request_102",
            "Required metadata header not specified".to_owned(),
        ));
    }
    let query = Asked::read(uri)?;
    let claimant = arm
        .settings()
        .groups
        .claimant(secret, peer.ip().to_canonical())
        .await
        .map_err(|error| Fault::unknown(&error))?;
    let Some(claimant) = claimant else {
        tracing::warn!(%peer, "a token was asked for by nobody who may have one");
        return Err(Fault(
            StatusCode::UNAUTHORIZED,
            "unknown_source",
            format!("Unknown Source {}", uri.path()),
        ));
    };
    let principal = query.choose(&claimant.identity)?;
    check_exists(arm, &principal)?;
    let Some(resource) = arm.settings().entra.known_audience(&query.resource) else {
        return Err(Fault(
            StatusCode::BAD_REQUEST,
            "invalid_resource",
            format!(
                "AADSTS500011: The resource principal named {} was not found in the tenant named {}. This can happen \
                 if the application has not been installed by the administrator of the tenant or consented to by any \
                 user in the tenant.",
                query.resource,
                arm.settings().tenant_id
            ),
        ));
    };
    // A system-assigned identity is named by its group.
    let group = || claimant.group.as_str().to_owned();
    let principal = Principal { resource_id: principal.resource_id.or_else(|| Some(group())), ..principal };
    let issued = arm
        .settings()
        .entra
        .issue_to(&principal, resource, LIFETIME)
        .map_err(|error| Fault::unknown(&error))?;
    tracing::info!(group = %claimant.group, container = %claimant.container, client = %principal.client_id,
        resource, "managed identity token issued");
    Ok((group(), query.show(&principal, &issued)))
}

/// A user-assigned identity may have been deleted while a group still names it.
fn check_exists(arm: &Arm, principal: &Principal) -> Result<(), Fault> {
    let Some(id) = principal.resource_id.as_deref().and_then(|id| id.parse().ok()) else { return Ok(()) };
    let found = identities::find(arm, &id).map_err(|error| Fault::unknown(&error))?;
    match found.filter(|record| record.principal_id == principal.object_id) {
        Some(_) => Ok(()),
        None => Err(Fault::invalid("Identity not found")),
    }
}

/// What a request asks for.
#[derive(Debug)]
struct Asked {
    version: String,
    resource: String,
    /// Names one identity of several.
    selector: Option<Selector>,
}

#[derive(Debug)]
enum Selector {
    Client(String),
    Object(String),
    Resource(String),
}

impl Asked {
    fn read(uri: &Uri) -> Result<Self, Fault> {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
            return Err(Fault::invalid(format!(
                "The query variable '{name}' is not supported. Supported: {}",
                PARAMETERS.join(", ")
            )));
        }
        let value = |wanted: &[&str]| {
            let found = pairs.iter().find(|(name, _)| wanted.contains(&name.as_str()));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let missing = |name: &str| Fault::invalid(format!("Required query variable '{name}' is missing"));
        let version = value(&["api-version"]).ok_or_else(|| missing("api-version"))?;
        if !VERSIONS.contains(&version.as_str()) {
            return Err(Fault::invalid(format!(
                "The api-version '{version}' is not supported. Supported: {}",
                VERSIONS.join(", ")
            )));
        }
        let resource = value(&["resource"]).ok_or_else(|| missing("resource"))?;
        let mut selectors = [
            value(&["client_id"]).map(Selector::Client),
            value(&["principal_id", "object_id"]).map(Selector::Object),
            value(&["mi_res_id", "msi_res_id"]).map(Selector::Resource),
        ]
        .into_iter()
        .flatten();
        let selector = selectors.next();
        if selectors.next().is_some() {
            return Err(Fault::invalid("Only one of client_id, principal_id and mi_res_id may be specified"));
        }
        Ok(Self { version, resource, selector })
    }

    /// The identity that is meant: the one that is named, else the group's own, else the only one.
    fn choose(&self, identity: &GroupIdentity) -> Result<Principal, Fault> {
        let system = identity.system.iter().map(|own| principal(own, None));
        let user = identity.user.iter().map(|one| principal(&one.principal, Some(&one.resource_id)));
        let mut all = system.chain(user);
        if let Some(selector) = &self.selector {
            return all.find(|one| selector.means(one)).ok_or_else(|| Fault::invalid("Identity not found"));
        }
        if identity.system.is_none() && identity.user.len() > 1 {
            return Err(Fault::invalid(
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity \
                 in the token request",
            ));
        }
        all.next().ok_or_else(|| Fault::invalid("Identity not found"))
    }

    /// Numbers are strings, as the service writes them.
    fn show(&self, principal: &Principal, issued: &Issued) -> Value {
        let mut body = json!({
            "access_token": issued.token.expose_secret(),
            "client_id": principal.client_id,
            "expires_on": issued.expires_on.to_string(),
            "not_before": issued.not_before.to_string(),
            "resource": self.resource,
            "token_type": "Bearer",
        });
        if self.version == VERSIONS[0] {
            body["refresh_token"] = json!("");
            body["expires_in"] = json!((issued.expires_on - issued.not_before).to_string());
        }
        body
    }
}

impl Selector {
    fn means(&self, principal: &Principal) -> bool {
        let is = |text: &str, id: Uuid| text.parse() == Ok(id);
        match self {
            Self::Client(id) => is(id, principal.client_id),
            Self::Object(id) => is(id, principal.object_id),
            Self::Resource(id) => {
                principal.resource_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(id))
            }
        }
    }
}

fn principal(own: &IdentityPrincipal, resource_id: Option<&str>) -> Principal {
    Principal {
        client_id: own.client_id,
        object_id: own.principal_id,
        resource_id: resource_id.map(ToOwned::to_owned),
    }
}
