//! Which requests of a journal somebody wants to see.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Entry, JOURNAL_BOUND};

/// All that is given must fit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalFilter {
    /// In any case.
    method: Option<String>,
    /// A text that path and query hold, in any case.
    path_contains: Option<String>,
    /// A status (`429`), a class of them (`4xx`), or `none`.
    status: Option<String>,
    /// A text that the caller's name holds, in any case.
    caller: Option<String>,
    /// Which service was asked.
    service: Option<String>,
    /// The earliest.
    since: Option<Timestamp>,
    /// So many of the newest.
    last: Option<usize>,
}

impl JournalFilter {
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.status {
            Some(status) if Status::parse(status).is_none() => Err(format!(
                "`status` is one such as `429`, a class such as `4xx`, or `none`, and not `{status}`"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.last.unwrap_or(JOURNAL_BOUND)
    }

    pub(super) fn fits(&self, entry: &Entry) -> bool {
        let holds = |part: &Option<String>, text: &str| {
            part.as_ref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
        };
        let status = self.status.as_deref().and_then(Status::parse);
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&entry.method))
            && holds(&self.path_contains, &entry.path)
            && holds(&self.caller, &entry.caller)
            && status.is_none_or(|status| status.fits(entry.status))
            && self.service.as_deref().is_none_or(|service| entry.service == Some(service))
            && self.since.is_none_or(|since| entry.time >= since)
    }
}

#[derive(Clone, Copy)]
enum Status {
    One(u16),
    /// The first digit.
    Class(u16),
    None,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class),
            None => text.parse().ok().filter(|status| (100..=599).contains(status)).map(Self::One),
        }
    }

    fn fits(self, status: Option<u16>) -> bool {
        match self {
            Self::One(one) => status == Some(one),
            Self::Class(class) => status.is_some_and(|status| status / 100 == class),
            Self::None => status.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Journal;
    use super::*;
    use crate::clock::{ManualClock, SharedClock};

    fn journal() -> (Journal, ManualClock) {
        let (journal, clock) = (Journal::default(), ManualClock::at(Timestamp::UNIX_EPOCH));
        let shared: SharedClock = clock.shared();
        for (method, path, status) in [
            ("GET", "/a", Some(200)),
            ("PUT", "/a", Some(429)),
            ("GET", "/B", Some(404)),
            ("GET", "/b", None),
        ] {
            let mut recording = journal.begin(&shared, Entry::new(shared.now(), method, path.into()));
            recording.caller(format!("caller of {path}"));
            match status {
                Some(status) => recording.answered(status),
                None => drop(recording),
            }
            clock.advance(jiff::SignedDuration::from_secs(1));
        }
        (journal, clock)
    }

    #[test]
    fn each_filter_lets_through_what_it_names() {
        let (journal, _) = journal();
        let count = |filter: serde_json::Value| {
            journal.filtered(&serde_json::from_value(filter).unwrap()).unwrap().len()
        };
        for (filter, expected) in [
            (json!({}), 4),
            (json!({"method": "put"}), 1),
            (json!({"path_contains": "/b"}), 2),
            (json!({"status": "4xx"}), 2),
            (json!({"status": "429"}), 1),
            (json!({"status": "none"}), 1),
            (json!({"caller": "OF /A"}), 2),
            (json!({"service": "arm"}), 0),
            (json!({"since": "1970-01-01T00:00:02Z"}), 2),
            (json!({"last": 3}), 3),
            (json!({"last": 1, "method": "PUT"}), 1),
        ] {
            assert_eq!(count(filter.clone()), expected, "{filter}");
        }
        let newest = journal.filtered(&JournalFilter { last: Some(1), ..JournalFilter::default() });
        assert_eq!(newest.unwrap()[0].path, "/b", "the newest are kept and not the oldest");
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for bad in ["x", "9xx", "42", "4x", ""] {
            let filter = JournalFilter { status: Some(bad.into()), ..JournalFilter::default() };
            assert!(Journal::default().filtered(&filter).unwrap_err().contains("4xx"), "{bad}");
        }
        assert!(serde_json::from_value::<JournalFilter>(json!({"colour": 1})).is_err());
    }
}
