//! What the service itself says in a job's record, beside what the agent reports there.

use serde_json::{Value, json};

use super::{Document, State};
use crate::wire::ids::{RecordId, RequestId};

impl State {
    /// Adds an error to the record of a job and to the count of its errors (actions/runner: Issue.cs,
    /// TimelineRecord.cs).
    pub(super) fn report_error(&mut self, id: RequestId, message: &str) {
        let Some(request) = self.requests.get(&id) else { return };
        let (plan_id, job) = (request.plan_id, RecordId(request.job_id.0));
        let change = self.change_after(plan_id);
        let Some(plan) = self.plans.get_mut(&plan_id) else { return };
        let key = (plan.main_timeline(), job);
        let Some(record) = plan.records.get_mut(&key) else { return };
        let count = record.get("errorCount").and_then(Value::as_i64).unwrap_or_default();
        record.insert("errorCount".to_owned(), json!(count.saturating_add(1)));
        if let Value::Array(issues) = record.entry("issues").or_insert_with(|| json!([])) {
            issues.push(json!({"type": "error", "category": "General", "message": message}));
        }
        record.insert("changeId".to_owned(), json!(change));
        plan.change_id = change;
        self.dirty.extend([Document::Plan(plan_id), Document::Record(plan_id, key.0, key.1)]);
    }
}
