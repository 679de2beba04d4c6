//! Faults as they happen to a call.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Cut, NewFault};
use crate::clock::SharedClock;
use crate::connection::Connection;

/// What happens to a call.
#[derive(Debug, Clone)]
pub struct Hit<A> {
    /// The fault's.
    pub id: u64,
    pub(super) asked: NewFault<A>,
}

impl<A> Hit<A> {
    /// What the fault was aimed at.
    pub fn aim(&self) -> &A {
        &self.asked.aim
    }

    /// The status that the call is answered with.
    pub fn status(&self) -> Option<StatusCode> {
        self.asked.status.and_then(|status| StatusCode::from_u16(status).ok())
    }

    /// Seconds that the answer tells to wait.
    pub fn retry_after(&self) -> Option<u32> {
        self.asked.retry_after
    }

    /// Whether the call's own answer does not come through.
    pub fn cuts(&self) -> bool {
        self.asked.cut.is_some()
    }

    /// Lets the time pass that the call is held.
    pub async fn hold(&self, clock: &SharedClock) {
        let Some(latency) = self.asked.latency_ms else { return };
        let latency = SignedDuration::try_from(Duration::from_millis(latency)).unwrap_or(SignedDuration::MAX);
        clock.wait_until(clock.now().saturating_add(latency).unwrap_or(Timestamp::MAX)).await;
    }

    /// Lets the fault happen. `refusal` makes the service's own error of a status; `answer` is what the call would be
    /// answered with, and is not asked for where the fault comes before.
    pub async fn happen(
        &self,
        clock: &SharedClock,
        connection: Option<Connection>,
        refusal: impl FnOnce(StatusCode) -> Response,
        answer: impl Future<Output = Response>,
    ) -> Response {
        self.hold(clock).await;
        if let Some(status) = self.status() {
            let mut response = refusal(status);
            if let Some(seconds) = self.asked.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
        match self.asked.cut {
            None => answer.await,
            Some(Cut::Request) => lost(connection.as_ref()),
            Some(Cut::Answer) => {
                drop(answer.await);
                lost(connection.as_ref())
            }
            Some(Cut::Body) => halved(answer.await, connection).await,
        }
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
