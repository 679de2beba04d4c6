//! Which builds are asked for, in which order, and how many at a time.
//!
//! Parameters: azure-devops (PyPI): `get_builds`. The service's continuation tokens are opaque; these name the last build
//! of a page.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::extract::Query;
use super::pools::matches;
use crate::error::ApiError;
use crate::state::State;
use crate::state::builds::Build;
use crate::wire::ids::{DefinitionId, QueueId, RunId};
use crate::wire::words::{self, BUILD_ORDERS, DELETED, REASONS, RESULTS, STATUSES, Word};

/// The most that one page holds.
const PAGE: usize = 5000;
/// What it holds when nobody says.
const USUAL: usize = 1000;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Filter {
    definitions: Option<Vec<DefinitionId>>,
    queues: Option<Vec<QueueId>>,
    ids: Option<Vec<RunId>>,
    number: Option<String>,
    min: Option<Timestamp>,
    max: Option<Timestamp>,
    requested_for: Option<String>,
    statuses: Option<u32>,
    results: Option<u32>,
    reasons: Option<u32>,
    tags: Vec<String>,
    branch: Option<String>,
    repository: Option<String>,
    deleted: &'static str,
    order: &'static str,
    per_definition: Option<usize>,
    top: usize,
    after: Option<Key>,
}

/// A build's place in the order that is asked for; what has no such time yet is the newest.
type Key = (i64, i64);

impl Filter {
    pub(crate) fn read(query: &Query) -> Result<Self, ApiError> {
        let flags = |name: &str, all: &[Word]| match query.text(&[name]) {
            None => Ok(None),
            Some(text) => words::flags(text, all).map(Some).ok_or_else(|| query.wrong(name)),
        };
        let after = match query.text(&["continuationToken"]) {
            None => None,
            Some(token) => Some(key_of(token).ok_or_else(|| query.wrong("continuationToken"))?),
        };
        Ok(Self {
            definitions: query.numbers("definitions")?,
            queues: query.numbers("queues")?,
            ids: query.numbers("buildIds")?,
            number: query.text(&["buildNumber"]).map(str::to_owned),
            min: query.parsed(&["minTime", "minFinishTime"])?,
            max: query.parsed(&["maxTime", "maxFinishTime"])?,
            requested_for: query.text(&["requestedFor"]).map(str::to_owned),
            statuses: flags("statusFilter", STATUSES)?,
            results: flags("resultFilter", RESULTS)?.filter(|results| *results != 0),
            reasons: flags("reasonFilter", REASONS)?.filter(|reasons| *reasons != 0),
            tags: query.text(&["tagFilters"]).map(split).unwrap_or_default(),
            branch: super::builds::branch(query.text(&["branchName"])),
            repository: query.text(&["repositoryId"]).map(str::to_owned),
            deleted: query.word("deletedFilter", DELETED)?.unwrap_or("excludeDeleted"),
            order: query.word("queryOrder", BUILD_ORDERS)?.unwrap_or("finishTimeDescending"),
            per_definition: query.parsed(&["maxBuildsPerDefinition"])?,
            top: query.parsed(&["$top"])?.unwrap_or(USUAL).min(PAGE),
            after,
        })
    }

    fn time(&self, build: &Build<'_>) -> Option<Timestamp> {
        match self.order.get(..5) {
            Some("queue") => Some(build.queue_time()),
            Some("start") => build.start_time(),
            _ => build.finish_time(),
        }
    }

    fn key(&self, build: &Build<'_>) -> Key {
        (self.time(build).map_or(i64::MAX, Timestamp::as_microsecond), build.id.0)
    }

    fn takes(&self, build: &Build<'_>) -> bool {
        let state = build.state;
        let in_time = |least: Option<Timestamp>, most: Option<Timestamp>| {
            if least.is_none() && most.is_none() {
                return true;
            }
            let time = self.time(build);
            time.is_some_and(|time| {
                least.is_none_or(|least| time >= least) && most.is_none_or(|most| time <= most)
            })
        };
        let flag = |wanted: Option<u32>, word: Option<&str>, all: &[Word]| {
            wanted.is_none_or(|wanted| word.is_some_and(|word| words::number(word, all) & wanted != 0))
        };
        let order = build.order();
        let queue = state.queue_of(build.pool()).map(|queue| queue.id);
        let person = order.and_then(|order| order.requested_for.as_ref().or(order.requested_by.as_ref()));
        let deleted = match self.deleted {
            "onlyDeleted" => build.is_deleted(),
            "includeDeleted" => true,
            _ => !build.is_deleted(),
        };
        deleted
            && self.definitions.as_ref().is_none_or(|all| all.contains(&build.definition()))
            && self.queues.as_ref().is_none_or(|all| queue.is_some_and(|queue| all.contains(&queue)))
            && self.ids.as_ref().is_none_or(|all| all.contains(&build.id))
            && self.number.as_ref().is_none_or(|number| matches(number, build.number()))
            && in_time(self.min, self.max)
            && self.requested_for.as_ref().is_none_or(|wanted| {
                person.is_some_and(|person| {
                    wanted.eq_ignore_ascii_case(&person.name) || *wanted == person.id.to_string()
                })
            })
            && flag(self.statuses, Some(build.status().word()), STATUSES)
            && flag(self.results, build.outcome().map(crate::state::build_state::Outcome::word), RESULTS)
            && flag(self.reasons, order.and_then(|order| order.reason.as_deref()).or(Some("manual")), REASONS)
            && self.tags.iter().all(|tag| build.tags().any(|known| known.eq_ignore_ascii_case(tag)))
            && self.branch.as_ref().is_none_or(|branch| {
                order
                    .and_then(|order| order.source_branch.as_deref())
                    .unwrap_or(crate::state::run_jobs::BRANCH)
                    == branch
            })
            && self.repository.as_ref().is_none_or(|id| *id == state.meta.project_id.to_string())
    }

    /// A page of builds, and the token of the next.
    pub(crate) fn apply<'a>(&self, state: &'a State) -> (Vec<Build<'a>>, Option<String>) {
        let mut found: Vec<_> = state.builds().filter(|build| self.takes(build)).collect();
        let ascending = self.order.ends_with("Ascending");
        if ascending {
            found.sort_by_key(|build| self.key(build));
        } else {
            found.sort_by_key(|build| Reverse(self.key(build)));
        }
        if let Some(most) = self.per_definition {
            let mut seen: BTreeMap<DefinitionId, usize> = BTreeMap::new();
            found.retain(|build| {
                let count = seen.entry(build.definition()).or_default();
                *count += 1;
                *count <= most
            });
        }
        if let Some(after) = self.after {
            found.retain(|build| if ascending { self.key(build) > after } else { self.key(build) < after });
        }
        let more = found.len() > self.top;
        found.truncate(self.top);
        let token = found.last().filter(|_| more).map(|last| {
            let (time, id) = self.key(last);
            format!("{time}.{id}")
        });
        (found, token)
    }
}

fn key_of(token: &str) -> Option<Key> {
    let (time, id) = token.split_once('.')?;
    Some((time.parse().ok()?, id.parse().ok()?))
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
