//! Plans: timelines, records, and what is known of the logs, whose text is in files.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Document, Refusal, State};
use crate::wire::ids::{LogId, PlanId, RecordId, RequestId, TimelineId};
use crate::wire::job::JobSpec;
use crate::wire::result::{RecordState, TaskResult};
use crate::wire::time::stamp;

/// Fields of a record that an agent may set (actions/runner: TimelineRecord.cs).
const RECORD_FIELDS: &[&str] = &[
    "parentId",
    "type",
    "name",
    "refName",
    "startTime",
    "finishTime",
    "currentOperation",
    "percentComplete",
    "state",
    "result",
    "resultCode",
    "workerName",
    "order",
    "log",
    "details",
    "errorCount",
    "warningCount",
    "issues",
    "variables",
    "location",
    "attempt",
    "identifier",
    "task",
];

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: PlanId,
    pub(crate) request_id: RequestId,
    pub(crate) timelines: BTreeSet<TimelineId>,
    pub(super) change_id: i64,
    next_log: i64,
    pub(crate) attachments: Vec<Attachment>,
    #[serde(skip)]
    pub(crate) records: BTreeMap<(TimelineId, RecordId), Record>,
    #[serde(skip)]
    pub(crate) logs: BTreeMap<LogId, Log>,
}

/// A record as it is on the wire.
pub(crate) type Record = Map<String, Value>;

/// What is known of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) path: String,
    /// How much of the file counts: what a broken upload left behind it does not.
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    /// Its number among the logs of the whole build; 0 in a store that is from before there were any.
    #[serde(default)]
    pub(crate) number: i64,
    pub(crate) created_on: Timestamp,
    pub(crate) last_changed_on: Timestamp,
}

/// What is known of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) timeline: TimelineId,
    pub(crate) record: RecordId,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) created_on: Timestamp,
}

impl Plan {
    /// The timeline that the job's records are in.
    pub(crate) fn main_timeline(&self) -> TimelineId {
        TimelineId(self.id.0)
    }

    /// Whether there is such a record.
    pub(crate) fn check_record(&self, timeline: TimelineId, record: RecordId) -> Result<(), Refusal> {
        self.check_timeline(timeline)?;
        let known = self.records.contains_key(&(timeline, record));
        known.then_some(()).ok_or(Refusal::RecordNotFound { record, timeline })
    }

    /// A record of the job's timeline.
    pub(crate) fn main_record(&self, id: RecordId) -> Option<&Record> {
        self.records.get(&(self.main_timeline(), id))
    }

    /// How often records were changed.
    pub(crate) fn change_id(&self) -> i64 {
        self.change_id
    }

    pub(crate) fn check_timeline(&self, timeline: TimelineId) -> Result<(), Refusal> {
        let known = self.timelines.contains(&timeline);
        known.then_some(()).ok_or(Refusal::TimelineNotFound { timeline, plan: self.id })
    }
}

/// Merges a change into a record: what is absent or null stays, variables merge by name, the rest replaces.
fn merge(record: &mut Record, change: &Record) -> Result<(), Refusal> {
    let refuse = |field: &str, value: &Value| {
        Err(Refusal::Invalid(format!("The value {value} of a timeline record's {field} is not supported.")))
    };
    for (field, value) in change {
        if value.is_null() || !RECORD_FIELDS.contains(&field.as_str()) {
            continue;
        }
        match field.as_str() {
            "state" => match RecordState::parse(value) {
                Some(state) => drop(record.insert(field.clone(), json!(state.name()))),
                None => return refuse(field, value),
            },
            "result" => match TaskResult::parse(value) {
                Some(result) => drop(record.insert(field.clone(), json!(result))),
                None => return refuse(field, value),
            },
            "issues" => match value.as_array() {
                Some(issues) if issues.is_empty() => {}
                Some(_) => drop(record.insert(field.clone(), value.clone())),
                None => return refuse(field, value),
            },
            "variables" => match value.as_object() {
                Some(new) => {
                    let kept = record.entry(field.clone()).or_insert_with(|| json!({}));
                    if let Some(kept) = kept.as_object_mut() {
                        kept.extend(new.clone());
                    }
                }
                None => return refuse(field, value),
            },
            _ => drop(record.insert(field.clone(), value.clone())),
        }
    }
    Ok(())
}

impl State {
    pub(super) fn begin_plan(&mut self, spec: &JobSpec, now: Timestamp) {
        let id = spec.plan_id;
        let (timeline, attempt) = (TimelineId(id.0), spec.placement.attempt);
        let mut plan = Plan {
            id,
            request_id: spec.request_id,
            timelines: BTreeSet::from([timeline]),
            change_id: 1,
            next_log: 1,
            attachments: Vec::new(),
            records: BTreeMap::new(),
            logs: BTreeMap::new(),
        };
        let job = json!({
            "id": spec.job_id, "parentId": null, "type": "Job", "name": spec.name,
            "refName": spec.placement.job, "state": "pending", "order": 1, "attempt": attempt,
            "identifier": format!("{}.{}", spec.placement.phase, spec.placement.job),
        });
        // Those that the agent will drop would wait for ever.
        let enabled = || spec.steps.iter().filter(|step| !step.options.disabled);
        let steps = enabled().enumerate().map(|(index, step)| {
            json!({
                "id": step.id, "parentId": spec.job_id, "type": "Task", "name": step.display_name,
                "refName": step.name, "state": "pending", "order": index + 2, "attempt": attempt,
            })
        });
        let ids = std::iter::once(RecordId(spec.job_id.0)).chain(enabled().map(|step| step.id));
        for (record_id, record) in ids.zip(std::iter::once(job).chain(steps)) {
            if let Value::Object(mut record) = record {
                record.insert("changeId".to_owned(), json!(1));
                record.insert("lastModified".to_owned(), json!(stamp(now)));
                plan.records.insert((timeline, record_id), record);
                self.dirty.insert(Document::Record(id, timeline, record_id));
            }
        }
        self.plans.insert(id, plan);
        self.dirty.insert(Document::Plan(id));
    }

    /// Merges changed records; unknown ids are new records. All of them or none.
    pub(crate) fn merge_records(
        &mut self,
        id: PlanId,
        timeline: TimelineId,
        changes: &[Record],
        now: Timestamp,
    ) -> Result<Vec<Record>, Refusal> {
        let change = self.change_after(id);
        let plan = self.plans.get_mut(&id).ok_or(Refusal::PlanNotFound(id))?;
        plan.check_timeline(timeline)?;
        let mut merged: Vec<((TimelineId, RecordId), Record)> = Vec::new();
        let mut places = BTreeMap::new();
        for change in changes {
            let record_id = change
                .get("id")
                .and_then(Value::as_str)
                .and_then(|id| id.parse::<RecordId>().ok())
                .ok_or_else(|| Refusal::Invalid("A timeline record has no id that is a GUID.".into()))?;
            let key = (timeline, record_id);
            let earlier = places.insert(key, merged.len()).map(|place: usize| &merged[place].1);
            let mut record = earlier.or_else(|| plan.records.get(&key)).cloned().unwrap_or_default();
            record.insert("id".to_owned(), json!(record_id));
            merge(&mut record, change)?;
            record.insert("lastModified".to_owned(), json!(stamp(now)));
            merged.push((key, record));
        }
        plan.change_id = change;
        for (key, record) in &mut merged {
            record.insert("changeId".to_owned(), json!(plan.change_id));
            plan.records.insert(*key, record.clone());
            self.dirty.insert(Document::Record(id, key.0, key.1));
        }
        Ok(merged.into_iter().map(|(_, record)| record).collect())
    }

    /// Adds a timeline below a record.
    pub(crate) fn add_timeline(&mut self, id: PlanId, timeline: TimelineId) -> Result<(), Refusal> {
        let plan = self.plans.get_mut(&id).ok_or(Refusal::PlanNotFound(id))?;
        if !plan.timelines.insert(timeline) {
            return Err(Refusal::TimelineExists { timeline, plan: id });
        }
        self.dirty.insert(Document::Plan(id));
        Ok(())
    }

    /// A timeline's records, in the order in which they are shown.
    pub(crate) fn records(&self, id: PlanId, timeline: TimelineId) -> Result<Vec<&Record>, Refusal> {
        let plan = self.plan(id)?;
        plan.check_timeline(timeline)?;
        let mut records: Vec<_> =
            plan.records.iter().filter(|(key, _)| key.0 == timeline).map(|(_, record)| record).collect();
        records.sort_by_key(|record| record.get("order").and_then(Value::as_i64).unwrap_or(i64::MAX));
        Ok(records)
    }

    /// Makes an empty log.
    pub(crate) fn add_log(&mut self, id: PlanId, path: String, now: Timestamp) -> Result<Log, Refusal> {
        let number = self.next_log_number(id);
        let plan = self.plans.get_mut(&id).ok_or(Refusal::PlanNotFound(id))?;
        let log = Log {
            id: LogId(plan.next_log),
            path,
            bytes: 0,
            lines: 0,
            number,
            created_on: now,
            last_changed_on: now,
        };
        plan.next_log += 1;
        plan.logs.insert(log.id, log.clone());
        self.dirty.extend([Document::Plan(id), Document::Log(id, log.id)]);
        Ok(log)
    }

    /// A log of a plan.
    pub(crate) fn log(&self, plan: PlanId, log: LogId) -> Result<&Log, Refusal> {
        self.plan(plan)?.logs.get(&log).ok_or(Refusal::LogNotFound { log, plan })
    }

    /// Counts what was appended to a log's file.
    pub(crate) fn grow_log(
        &mut self,
        plan: PlanId,
        log: LogId,
        (bytes, lines): (u64, u64),
        now: Timestamp,
    ) -> Result<Log, Refusal> {
        self.log(plan, log)?;
        let found = self.plans.get_mut(&plan).and_then(|plan| plan.logs.get_mut(&log));
        let found = found.ok_or(Refusal::LogNotFound { log, plan })?;
        found.bytes += bytes;
        found.lines += lines;
        found.last_changed_on = now;
        self.dirty.insert(Document::Log(plan, log));
        Ok(found.clone())
    }

    /// Notes an attachment; one of the same place and name is replaced.
    pub(crate) fn add_attachment(&mut self, id: PlanId, attachment: Attachment) -> Result<(), Refusal> {
        let plan = self.plans.get_mut(&id).ok_or(Refusal::PlanNotFound(id))?;
        plan.check_timeline(attachment.timeline)?;
        plan.attachments.retain(|known| {
            (known.timeline, known.record, &known.kind, &known.name)
                != (attachment.timeline, attachment.record, &attachment.kind, &attachment.name)
        });
        plan.attachments.push(attachment);
        self.dirty.insert(Document::Plan(id));
        Ok(())
    }

    /// Ends the records of a finished job that its agent left open.
    pub(super) fn end_plan(&mut self, id: RequestId, result: TaskResult, now: Timestamp) {
        let Some(request) = self.requests.get(&id) else { return };
        let (plan_id, job) = (request.plan_id, RecordId(request.job_id.0));
        let change = self.change_after(plan_id);
        let Some(plan) = self.plans.get_mut(&plan_id) else { return };
        for ((timeline, record_id), record) in &mut plan.records {
            let is_job = *record_id == job;
            if record.get("state").and_then(Value::as_str) == Some("completed") && !is_job {
                continue;
            }
            let started = record.get("state").and_then(Value::as_str) == Some("inProgress");
            let end = if is_job || started { result } else { TaskResult::Skipped };
            record.insert("state".to_owned(), json!("completed"));
            record.insert("result".to_owned(), json!(end));
            record.insert("changeId".to_owned(), json!(change));
            if is_job || started {
                record.entry("finishTime").or_insert_with(|| json!(stamp(now)));
            }
            self.dirty.insert(Document::Record(plan_id, *timeline, *record_id));
        }
        plan.change_id = change;
        self.dirty.insert(Document::Plan(plan_id));
    }
}
