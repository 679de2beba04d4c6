//! How many builds there were, and how many there are.
//!
//! Shapes: azure-devops (PyPI): build/models.py (`BuildMetric`, `BuildResourceUsage`); names: microsoft/azure-devops-extension-api:
//! Build (`DefinitionMetrics`). Metrics of the past have a date, those of the present have none.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::definitions::DefinitionPart;
use super::extract::{Query, Values};
use super::in_project::InProject;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::build_state::{Outcome, Status};
use crate::state::builds::Build;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::time::stamp;

/// The part of the path that says over which time metrics are added up.
#[derive(Debug, Deserialize)]
pub(crate) struct AggregationPart {
    aggregation: String,
}

/// Over which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Hour,
    Day,
}

impl Per {
    /// When the hour or the day of a moment began, in UTC.
    fn began(self, time: Timestamp) -> Timestamp {
        let length = if self == Self::Hour { 3600 } else { 86_400 };
        Timestamp::from_second(time.as_second().div_euclid(length) * length).unwrap_or(time)
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "SuccessfulBuilds",
        Outcome::PartiallySucceeded => "PartiallySuccessfulBuilds",
        Outcome::Failed => "FailedBuilds",
        Outcome::Canceled => "CanceledBuilds",
    }
}

fn metrics<'a>(
    builds: impl Iterator<Item = Build<'a>>,
    per: Per,
    since: Option<Timestamp>,
    scope: &str,
) -> Value {
    let mut past: BTreeMap<(Timestamp, &str), u32> = BTreeMap::new();
    let (mut queued, mut running) = (0, 0);
    for build in builds.filter(|build| !build.is_deleted()) {
        match (build.finish_time(), build.outcome()) {
            (Some(end), Some(outcome)) => {
                let date = per.began(end);
                if since.is_none_or(|since| date >= per.began(since)) {
                    *past.entry((date, name(outcome))).or_default() += 1;
                    *past.entry((date, "TotalBuilds")).or_default() += 1;
                }
            }
            _ if build.status() == Status::NotStarted => queued += 1,
            _ => running += 1,
        }
    }
    let past = past.into_iter().map(
        |((date, name), count)| json!({"name": name, "scope": scope, "intValue": count, "date": stamp(date)}),
    );
    let now = [("CurrentBuildsInQueue", queued), ("CurrentBuildsInProgress", running)];
    let now = now.into_iter().map(|(name, count)| json!({"name": name, "scope": scope, "intValue": count}));
    view::list(past.chain(now).collect())
}

/// A moment, or the beginning of a day.
fn since(query: &Query) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = query.text(&["minMetricsTime"]) else { return Ok(None) };
    let day = |text: &str| {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
    };
    let read = text.parse().ok().or_else(|| day(text));
    read.map(Some).ok_or_else(|| query.wrong("minMetricsTime"))
}

/// `GET metrics/{metricAggregationType}`.
pub(crate) async fn of_project(
    project: InProject,
    Values(AggregationPart { aggregation }): Values<AggregationPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    per_of(&project, &aggregation, &query)
}

/// `GET metrics`: by day.
pub(crate) async fn of_project_by_day(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    per_of(&project, "daily", &query)
}

fn per_of(project: &InProject, aggregation: &str, query: &Query) -> Result<Json<Value>, ApiError> {
    let per = match aggregation.to_ascii_lowercase().as_str() {
        "hourly" => Per::Hour,
        "daily" => Per::Day,
        _ => {
            return Err(ApiError::invalid(format!(
                "The value '{aggregation}' is not valid for metricAggregationType. Supported: hourly, daily."
            )));
        }
    };
    let since = since(query)?;
    project.read(|state, _| Ok(Json(metrics(state.builds(), per, since, "project"))))
}

/// `GET definitions/{definitionId}/metrics`: by day.
pub(crate) async fn of_definition(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let since = since(&query)?;
    project.read(|state, _| {
        state.definition(definition)?;
        let builds = state.builds().filter(|build| build.definition() == definition);
        Ok(Json(metrics(builds, Per::Day, since, &definition.to_string())))
    })
}

/// `GET build/resourceusage`: jobs that run, and how many may run at once.
pub(crate) async fn usage(
    State(service): State<AzureDevOps>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    caller.pools()?;
    let shown = service.read(|state| {
        let running = state.requests.values().filter(|one| one.finish_time.is_none());
        let running = running.filter(|one| one.assignment.is_some()).count();
        json!({
            "distributedTaskAgents": state.agents.len(),
            "paidPrivateAgentSlots": state.meta.parallel_jobs.map_or(state.agents.len(), |jobs| jobs as usize),
            "totalUsage": running,
            "xamlControllers": 0,
        })
    })?;
    Ok(Json(shown))
}
