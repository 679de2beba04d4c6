//! Results and states, which clients send as text or as numbers (actions/runner: TaskResult.cs,
//! TimelineRecordState.cs) and the service writes as camel-case text.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// How a job or step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TaskResult {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl TaskResult {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Succeeded, "succeeded"),
        (Self::SucceededWithIssues, "succeededWithIssues"),
        (Self::Failed, "failed"),
        (Self::Canceled, "canceled"),
        (Self::Skipped, "skipped"),
        (Self::Abandoned, "abandoned"),
    ];

    /// Reads the text (in any case) or the number form.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        parse_name(value, &Self::ALL)
    }
}

impl<'de> Deserialize<'de> for TaskResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value).ok_or_else(|| D::Error::custom(format!("{value} is not a task result")))
    }
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordState {
    Pending,
    InProgress,
    Completed,
}

impl RecordState {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Pending, "pending"), (Self::InProgress, "inProgress"), (Self::Completed, "completed")];

    /// The wire name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("pending", |(_, name)| name)
    }

    /// Reads the text (in any case) or the number form.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        parse_name(value, &Self::ALL)
    }
}

fn parse_name<T: Copy>(value: &Value, all: &[(T, &'static str)]) -> Option<T> {
    if let Some(number) = value.as_u64() {
        return all.get(usize::try_from(number).ok()?).map(|(item, _)| *item);
    }
    let text = value.as_str()?;
    all.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(item, _)| *item)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_as_text_or_number_and_nothing_else() {
        assert_eq!(TaskResult::parse(&json!("succeededWithIssues")), Some(TaskResult::SucceededWithIssues));
        assert_eq!(TaskResult::parse(&json!("Failed")), Some(TaskResult::Failed));
        assert_eq!(TaskResult::parse(&json!(5)), Some(TaskResult::Abandoned));
        assert_eq!(TaskResult::parse(&json!(6)), None);
        assert_eq!(TaskResult::parse(&json!("green")), None);
        assert_eq!(RecordState::parse(&json!(1)), Some(RecordState::InProgress));
    }
}
