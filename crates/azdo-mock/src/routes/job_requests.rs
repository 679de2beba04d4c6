//! Job requests. List forms: Microsoft/azure-devops-node-api: TaskAgentApiBase.ts; kedacore/keda:
//! azure_pipelines_scaler.go.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::extract::{Body, Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::refusal::Refusal;
use crate::state::requests::Request;
use crate::state::secrets::Caller;
use crate::state::{self};
use crate::view;
use crate::wire::bodies::RequestPatch;
use crate::wire::ids::{AgentId, PoolId, RequestId};

/// The most that one page holds, as on the real service.
const PAGE: usize = 200;
/// How many finished requests a plain list holds.
const RECENT: usize = 50;

/// Which requests are asked for.
struct Filter {
    agents: Option<Vec<AgentId>>,
    plan: Option<Uuid>,
    job: Option<Uuid>,
    completed: Option<usize>,
    top: Option<usize>,
    before: Option<i64>,
}

impl Filter {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let agents = match query.text(&["agentIds", "agentId"]) {
            None => None,
            Some(ids) => {
                Some(ids.split(',').map(|id| id.trim().parse()).collect::<Result<_, _>>().map_err(|_| {
                    ApiError::invalid(format!("The value '{ids}' is not valid for parameter agentIds."))
                })?)
            }
        };
        Ok(Self {
            agents,
            plan: query.parsed(&["planId"])?,
            job: query.parsed(&["jobId"])?,
            completed: query.parsed(&["completedRequestCount"])?,
            top: query.parsed(&["$top"])?,
            before: query.parsed(&["continuationToken"])?,
        })
    }

    fn takes(&self, request: &Request) -> bool {
        let agent = request.assignment.as_ref().map(|held| held.agent_id);
        self.agents.as_ref().is_none_or(|wanted| agent.is_some_and(|agent| wanted.contains(&agent)))
            && self.plan.is_none_or(|plan| plan == request.plan_id.0)
            && self.job.is_none_or(|job| job == request.job_id.0)
            && self.before.is_none_or(|before| request.id.0 < before)
    }

    /// The requests, and whether there are more. `$top` gives the newest first; without it the unfinished come
    /// first, then the most recently finished.
    fn apply<'a>(&self, state: &'a state::State, pool: PoolId) -> (Vec<&'a Request>, Option<RequestId>) {
        if let Some(top) = self.top {
            let newest = state.requests.values().rev().filter(|request| request.pool_id == pool);
            let mut taken: Vec<_> =
                newest.filter(|request| self.takes(request)).take(top.min(PAGE) + 1).collect();
            let more = taken.len() > top.min(PAGE);
            taken.truncate(top.min(PAGE));
            let last = taken.last().map(|request| request.id).filter(|_| more);
            return (taken, last);
        }
        let open = state.open_requests(pool).filter(|request| self.takes(request));
        let done = state.finished_requests(pool).filter(|request| self.takes(request));
        (open.chain(done.take(self.completed.unwrap_or(RECENT))).collect(), None)
    }
}

/// `GET jobrequests`.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    query: Query,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    caller.pools()?.see(pool)?;
    let filter = Filter::read(&query)?;
    let (shown, more) = service.read(|state| {
        state.pool(pool)?;
        let (requests, more) = filter.apply(state, pool);
        let shown = requests.into_iter().map(|r| view::request(state, service.addresses(), r)).collect();
        Ok::<_, Refusal>((shown, more))
    })??;
    let mut headers = HeaderMap::new();
    if let Some(more) = more {
        headers.insert("x-ms-continuationtoken", more.0.into());
    }
    Ok((headers, Json(view::list(shown))))
}

fn show(
    service: &AzureDevOps,
    state: &state::State,
    pool: PoolId,
    id: RequestId,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(view::request(state, service.addresses(), state.request(pool, id)?)))
}

/// `GET jobrequests/{requestId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, RequestId)>,
) -> Result<Json<Value>, ApiError> {
    caller.pools()?.see(pool)?;
    Ok(service.read(|state| show(&service, state, pool, id))??)
}

/// `PATCH jobrequests/{requestId}`: the agent renews its lock, or (plans below version 8) ends the job.
pub(crate) async fn update(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, RequestId)>,
    query: Query,
    Body(patch): Body<RequestPatch>,
) -> Result<Json<Value>, ApiError> {
    let lock: Uuid = query
        .parsed(&["lockToken"])?
        .ok_or_else(|| ApiError::invalid("The parameter lockToken is required."))?;
    if patch.request_id != id.0 {
        return Err(ApiError::invalid("The request id of the body is not that of the address."));
    }
    service.change(|state, moment| {
        let (agent, generation) = state.listener_of(pool, id, caller)?;
        // Current servers hand out no lock token: it is all zeros (azure-pipelines-agent: JobDispatcher.cs).
        if !lock.is_nil() {
            return Err(Refusal::JobTokenExpired {
                request: id,
                reason: "the lock token is not the one in force",
            });
        }
        match patch.result {
            None if patch.finish_time.is_some() => {
                return Err(Refusal::Invalid("finishTime without result.".to_owned()));
            }
            None => state.renew(pool, id, (agent, generation), moment.now)?,
            Some(result) => {
                state.check_holder(pool, id, agent, generation)?;
                state.complete(id, result, Map::new(), None, moment.now)?;
            }
        }
        show(&service, state, pool, id)
    })
}
