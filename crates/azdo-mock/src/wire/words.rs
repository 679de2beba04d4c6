//! Enumerations that callers send as words or as numbers, several of them joined by commas where they are flags.
//!
//! Numbers: azure-devops-node-api: BuildInterfaces.ts, TaskAgentInterfaces.ts.

use serde_json::Value;

/// A word and its number.
pub(crate) type Word = (&'static str, u32);

/// `VariableGroupQueryOrder`.
pub(crate) const GROUP_ORDERS: &[Word] = &[("idAscending", 0), ("idDescending", 1)];

/// `TaskAgentPoolType`.
pub(crate) const POOL_TYPES: &[Word] = &[("automation", 1), ("deployment", 2)];

/// `FolderQueryOrder`.
pub(crate) const FOLDER_ORDERS: &[Word] = &[("none", 0), ("folderAscending", 1), ("folderDescending", 2)];

/// `TaskAgentPoolMaintenanceJobStatus`.
pub(crate) const MAINTENANCE_STATUSES: &[Word] =
    &[("inProgress", 1), ("completed", 2), ("cancelling", 4), ("queued", 8)];

/// `BuildStatus`.
pub(crate) const STATUSES: &[Word] = &[
    ("none", 0),
    ("inProgress", 1),
    ("completed", 2),
    ("cancelling", 4),
    ("postponed", 8),
    ("notStarted", 32),
    ("all", 47),
];

/// `StageUpdateType`; `run` starts a stage that waits for a person, and there is none.
pub(crate) const STAGE_UPDATES: &[Word] = &[("cancel", 0), ("retry", 1), ("run", 2)];

/// `BuildResult`.
pub(crate) const RESULTS: &[Word] =
    &[("none", 0), ("succeeded", 2), ("partiallySucceeded", 4), ("failed", 8), ("canceled", 32)];

/// `BuildReason`.
pub(crate) const REASONS: &[Word] = &[
    ("none", 0),
    ("manual", 1),
    ("individualCI", 2),
    ("batchedCI", 4),
    ("schedule", 8),
    ("scheduleForced", 16),
    ("userCreated", 32),
    ("validateShelveset", 64),
    ("checkInShelveset", 128),
    ("pullRequest", 256),
    ("buildCompletion", 512),
    ("resourceTrigger", 1024),
    ("triggered", 1967),
    ("all", 2031),
];

/// `QueuePriority`.
pub(crate) const PRIORITIES: &[Word] =
    &[("low", 5), ("belowNormal", 4), ("normal", 3), ("aboveNormal", 2), ("high", 1)];

/// `BuildQueryOrder`.
pub(crate) const BUILD_ORDERS: &[Word] = &[
    ("finishTimeAscending", 2),
    ("finishTimeDescending", 3),
    ("queueTimeDescending", 4),
    ("queueTimeAscending", 5),
    ("startTimeDescending", 6),
    ("startTimeAscending", 7),
];

/// `DefinitionQueryOrder`.
pub(crate) const DEFINITION_ORDERS: &[Word] = &[
    ("none", 0),
    ("lastModifiedAscending", 1),
    ("lastModifiedDescending", 2),
    ("definitionNameAscending", 3),
    ("definitionNameDescending", 4),
];

/// `QueryDeletedOption`.
pub(crate) const DELETED: &[Word] = &[("excludeDeleted", 0), ("includeDeleted", 1), ("onlyDeleted", 2)];

/// `DefinitionQueueStatus`.
pub(crate) const QUEUE_STATUSES: &[Word] = &[("enabled", 0), ("paused", 1), ("disabled", 2)];

/// The flags that a text names.
pub(crate) fn flags(text: &str, words: &[Word]) -> Option<u32> {
    let one = |text: &str| {
        let word = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        word.map(|(_, number)| *number).or_else(|| text.parse().ok())
    };
    text.split(',').map(str::trim).map(one).try_fold(0, |all, one| Some(all | one?))
}

/// The one word that a text or a number names.
pub(crate) fn word(value: &Value, words: &[Word]) -> Option<&'static str> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let named = |(word, own): &&Word| {
        Some(*own) == number || value.as_str().is_some_and(|text| word.eq_ignore_ascii_case(text))
    };
    words.iter().find(named).map(|(word, _)| *word)
}

/// The number of a word.
pub(crate) fn number(word: &str, words: &[Word]) -> u32 {
    words.iter().find(|(own, _)| *own == word).map_or(0, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_numbers_and_lists_of_them_are_read_and_nothing_else() {
        for (text, expected) in [
            ("inProgress", Some(1)),
            ("INPROGRESS, notStarted", Some(33)),
            ("33", Some(33)),
            ("all", Some(47)),
            ("running", None),
            ("", None),
        ] {
            assert_eq!(flags(text, STATUSES), expected, "{text}");
        }
        assert_eq!(word(&json!("Cancelling"), STATUSES), Some("cancelling"));
        assert_eq!(word(&json!(4), STATUSES), Some("cancelling"));
        assert_eq!(word(&json!("4"), STATUSES), None);
        assert_eq!(word(&json!(true), STATUSES), None);
    }
}
