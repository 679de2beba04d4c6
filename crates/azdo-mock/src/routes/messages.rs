//! The long poll. A message stays until it is deleted; two polls of one session may be held at once.
//!
//! Source: azure-pipelines-agent: MessageListener.cs (two pollers, 100 s client time-out).

use std::pin::pin;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use service_kit::Parking;

use super::extract::{Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::sessions::Message;
use crate::state::{self};
use crate::wire::ids::{AgentId, PoolId, SessionId};
use crate::wire::time::time_span;

/// What an agent is given for an update, as the message says.
const UPDATE_MINUTES: u32 = 5;

/// A poll that is held. Its end is noted however it ends, also when the client goes away.
struct HeldPoll {
    service: AzureDevOps,
    session: SessionId,
}

impl Drop for HeldPoll {
    fn drop(&mut self) {
        let now = self.service.now();
        self.service.state().poll_ends(self.session, now);
        self.service.bells().leave(self.session);
    }
}

struct Poll {
    pool: PoolId,
    agent: AgentId,
    session: SessionId,
    last: Option<i64>,
}

/// `GET messages`.
pub(crate) async fn poll(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    parking: Option<Extension<Parking>>,
    query: Query,
) -> Result<Response, ApiError> {
    let session = query
        .parsed(&["sessionId"])?
        .ok_or_else(|| ApiError::invalid("The parameter sessionId is required."))?;
    let agent = service.read(|state| state.listener_in(session, caller))??;
    let poll = Poll { pool, agent, session, last: query.parsed(&["lastMessageId"])? };
    service.change(|state, moment| state.poll_begins(pool, session, agent, moment.now))?;
    let held = HeldPoll { service, session };
    let mut answer = async move { held.answer(&poll).await.unwrap_or_else(ApiError::into_response) }.boxed();
    // What there is goes at once. Only who waits is parked.
    if let Some(answer) = (&mut answer).now_or_never() {
        return Ok(answer);
    }
    Ok(match parking {
        Some(Extension(parking)) => parking.park(answer),
        None => answer.await,
    })
}

impl HeldPoll {
    /// The next message as soon as there is one, or none after the time that a poll is held.
    async fn answer(&self, poll: &Poll) -> Result<Response, ApiError> {
        let service = &self.service;
        let mut held_long_enough = pin!(service.wait(service.switches().poll_hold));
        let mut changes = service.bells().listen(self.session);
        loop {
            changes.borrow_and_update();
            if let Some(message) = service.read(|state| next(service, state, poll))?? {
                return Ok(Json(message).into_response());
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                () = &mut held_long_enough => break,
                () = service.shutdown().token().cancelled() => break,
            }
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

/// The next message, encrypted with the session's key where it has one.
fn next(service: &AzureDevOps, state: &state::State, poll: &Poll) -> Result<Option<Value>, Refusal> {
    let Some((number, message)) = state.next_message(poll.pool, poll.session, poll.agent, poll.last)? else {
        return Ok(None);
    };
    let (kind, body) = match message {
        Message::Job { request } => {
            let job = state.jobs.get(&request).ok_or(Refusal::JobNotFound(request))?;
            ("PipelineAgentJobRequest", job.message(&service.origin(state), &state.job_token(request)))
        }
        Message::Cancel { job } => {
            let request = state.request_of_job(job);
            let minutes = request.map(|request| request.limits).unwrap_or_default().cancel_timeout;
            ("JobCancellation", json!({"jobId": job, "timeout": time_span(minutes)}))
        }
        Message::ConsoleRate { job, milliseconds } => {
            ("JobMetadataUpdate", json!({"jobId": job, "postLinesFrequencyMillis": milliseconds}))
        }
        Message::Refresh { version } => (
            "AgentRefresh",
            json!({"agentId": poll.agent, "timeout": time_span(UPDATE_MINUTES), "targetVersion": version}),
        ),
    };
    let body = body.to_string();
    Ok(Some(match &state.session(poll.pool, poll.session, poll.agent)?.key {
        Some(key) => {
            let sealed = key.encrypt(&body, service.entropy().as_ref());
            json!({"messageId": number, "messageType": kind, "iv": sealed.iv, "body": sealed.body})
        }
        None => json!({"messageId": number, "messageType": kind, "body": body}),
    }))
}

/// `DELETE messages/{messageId}`. Deleting a message that is gone is no error: the first answer may have been lost.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, message)): Values<(PoolId, i64)>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    let session = query
        .parsed(&["sessionId"])?
        .ok_or_else(|| ApiError::invalid("The parameter sessionId is required."))?;
    service.change(|state, moment| {
        let agent = state.listener_in(session, caller)?;
        state.delete_message(pool, session, agent, message, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}
