//! Faults as they happen to a call.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use service_kit::Connection;

use super::aim::{Call, Kind};
use super::{Cut, NewFault};
use crate::app::AzureDevOps;
use crate::auth;
use crate::error::ApiError;
use crate::state::secrets::Caller;

/// What happens to a call.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// The fault's.
    pub(crate) id: u64,
    latency: Option<Duration>,
    status: Option<StatusCode>,
    retry_after: Option<u32>,
    cut: Option<Cut>,
}

impl Hit {
    pub(super) fn new(id: u64, asked: &NewFault) -> Self {
        Self {
            id,
            latency: asked.latency_ms.map(Duration::from_millis),
            status: asked.status.and_then(|status| StatusCode::from_u16(status).ok()),
            retry_after: asked.retry_after,
            cut: asked.cut,
        }
    }

    /// The fault that hits a call, if any.
    pub(crate) fn on(service: &AzureDevOps, request: &Request) -> Option<Self> {
        if service.faults().none() {
            return None;
        }
        let path = request.uri().path();
        let below = service.addresses().organization_url().path().trim_end_matches('/');
        let path = path.strip_prefix(below).unwrap_or(path);
        let caller = auth::caller(service, request.headers());
        let agent = caller.and_then(|caller| agent_of(service, caller));
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let call = Call {
            method: request.method().as_str(),
            path,
            who: Some(kind(caller)),
            agent: agent.as_deref(),
            user_agent: user_agent.unwrap_or_default(),
        };
        service.faults().hit(&call)
    }

    /// Lets the fault happen. `answer` is what the call would be answered with; it is not asked for where the fault comes
    /// before.
    pub(crate) async fn happen(
        &self,
        service: &AzureDevOps,
        connection: Option<Connection>,
        answer: impl Future<Output = Response>,
    ) -> Response {
        if let Some(latency) = self.latency {
            service.wait(latency).await;
        }
        if let Some(status) = self.status {
            let mut response = ApiError::fault(status).into_response();
            if let Some(seconds) = self.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
        match self.cut {
            None => answer.await,
            Some(Cut::Request) => lost(connection.as_ref()),
            Some(Cut::Answer) => {
                drop(answer.await);
                lost(connection.as_ref())
            }
            Some(Cut::Body) => halved(answer.await, connection).await,
        }
    }

    /// Whether the call's own answer does not come through.
    pub(crate) fn cuts(&self) -> bool {
        self.cut.is_some()
    }
}

/// An answer that nobody gets: the connection is cut before it is written. Where the service is asked in some other way
/// than over a connection of its own, its body breaks off at once.
fn lost(connection: Option<&Connection>) -> Response {
    if let Some(connection) = connection {
        connection.cut();
    }
    let broken = stream::iter([Err::<Bytes, _>(cut_off())]);
    (StatusCode::INTERNAL_SERVER_ERROR, Body::from_stream(broken)).into_response()
}

fn cut_off() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "cut by a fault that was asked for")
}

/// An answer that ends in the middle of the first piece of its body.
async fn halved(response: Response, connection: Option<Connection>) -> Response {
    let (parts, body) = response.into_parts();
    let first = body.into_data_stream().next().await;
    let Some(Ok(first)) = first.filter(|first| first.as_ref().is_ok_and(|first| !first.is_empty())) else {
        return lost(connection.as_ref());
    };
    let half = first.slice(..first.len().div_ceil(2));
    let broken = stream::once(async move { Ok(half) }).chain(stream::once(async {
        // Only what waits is flushed: the half has to be on its way before the end.
        tokio::task::yield_now().await;
        Err(cut_off())
    }));
    Response::from_parts(parts, Body::from_stream(broken))
}

fn kind(caller: Option<Caller>) -> Kind {
    match caller {
        None => Kind::Anonymous,
        Some(Caller::User { member: None, .. }) => Kind::User,
        Some(Caller::User { member: Some(_), .. }) => Kind::Member,
        Some(Caller::Agent { .. }) => Kind::Agent,
        Some(Caller::Job { .. }) => Kind::Job,
    }
}

fn agent_of(service: &AzureDevOps, caller: Caller) -> Option<String> {
    let state = service.state();
    match caller {
        Caller::User { .. } => None,
        Caller::Agent { id, .. } => state.agents.get(&id).map(|agent| agent.name.clone()),
        Caller::Job { request, .. } => {
            Some(state.requests.get(&request)?.assignment.as_ref()?.agent_name.clone())
        }
    }
}
