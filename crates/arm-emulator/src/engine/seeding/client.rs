//! The owner of the subscription, who asks without a socket: past the gate that keeps others out, the journal and faults.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::Value;
use tower::ServiceExt;

use crate::app::Arm;
use crate::error::ArmError;
use crate::routes;

/// Longest answer that is read, in bytes.
const LONGEST: usize = 64 << 20;
/// How often it is looked whether a deletion has ended.
const POLL: Duration = Duration::from_millis(20);

pub(super) struct Client<'a> {
    pub(super) arm: &'a Arm,
    router: Router,
    authorization: String,
}

/// What was answered.
pub(super) struct Answer {
    status: StatusCode,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub(super) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    /// Status, code and message of the provider.
    pub(super) fn refusal(&self) -> String {
        let error = &self.body["error"];
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        format!("{} {}: {}", self.status.as_u16(), text("code"), text("message"))
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(arm: &'a Arm) -> Result<Self, ArmError> {
        let token =
            arm.settings().entra.issue(arm.settings().endpoint.as_str()).map_err(ArmError::internal)?;
        let authorization = format!("Bearer {}", token.expose_secret());
        Ok(Self { arm, router: routes::without_traffic(arm.clone()), authorization })
    }

    /// A text of the file with what it says for this subscription.
    pub(super) fn filled(&self, text: &str) -> String {
        let tenant = self.arm.settings().tenant_id.to_string();
        text.replace("{subscriptionId}", &self.arm.subscription()).replace("{tenantId}", &tenant)
    }

    fn filled_in(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.filled(text)),
            Value::Array(items) => items.iter().map(|item| self.filled_in(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.filled(name), self.filled_in(value))).collect()
            }
            other => other.clone(),
        }
    }

    pub(super) async fn get(&self, id: &str, api_version: &str) -> Result<Answer, ArmError> {
        self.send(Method::GET, id, api_version, Body::empty()).await
    }

    pub(super) async fn put(&self, id: &str, api_version: &str, body: &Value) -> Result<Answer, ArmError> {
        self.send(Method::PUT, id, api_version, self.filled_in(body).to_string().into()).await
    }

    pub(super) async fn delete(&self, id: &str, api_version: &str) -> Result<Answer, ArmError> {
        self.send(Method::DELETE, id, api_version, Body::empty()).await
    }

    /// Waits for the end of a deletion that goes on after its answer.
    pub(super) async fn gone(&self, id: &str, api_version: &str, answer: &Answer) -> Result<(), ArmError> {
        let mut pause = tokio::time::interval(POLL);
        while answer.status == StatusCode::ACCEPTED && !self.get(id, api_version).await?.is_missing() {
            pause.tick().await;
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        id: &str,
        api_version: &str,
        body: Body,
    ) -> Result<Answer, ArmError> {
        let address = address(&self.filled(id), api_version);
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json");
        let request = request.body(body).map_err(ArmError::internal)?;
        let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), LONGEST).await.map_err(ArmError::internal)?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}

/// An id as the path of a request, with the escapes that its names need.
fn address(id: &str, api_version: &str) -> String {
    let mut base = url::Url::parse("http://localhost/").expect("a constant address is one");
    base.set_path(id);
    base.query_pairs_mut().append_pair("api-version", api_version);
    base[url::Position::BeforePath..].to_owned()
}
