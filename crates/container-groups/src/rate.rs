//! How many groups may be created and deleted in a time.
//!
//! Source of the numbers: MicrosoftDocs/azure-docs: container-instances-resource-and-quota-limits.md. Code and words are
//! assumed. What was counted dies with the process.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::error::GroupError;
use crate::service::Quota;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Create,
    Delete,
}

/// The moments of the last hour, by region and change.
#[derive(Debug, Default)]
pub(crate) struct Rates(BTreeMap<(String, Change), VecDeque<Timestamp>>);

impl Rates {
    /// Counts a change, unless there were too many; what is refused does not count.
    pub(crate) fn count(
        &mut self,
        change: Change,
        location: &str,
        now: Timestamp,
        quota: Quota,
    ) -> Result<(), GroupError> {
        let moments = self.0.entry((location.to_owned(), change)).or_default();
        while moments.front().is_some_and(|moment| now.duration_since(*moment) >= HOUR) {
            moments.pop_front();
        }
        let recent =
            moments.iter().rev().take_while(|moment| now.duration_since(**moment) < FIVE_MINUTES).count();
        let broken = if recent >= quota.five_minutely {
            Some((quota.five_minutely, "5 minutes"))
        } else {
            (moments.len() >= quota.hourly).then_some((quota.hourly, "hour"))
        };
        if let Some((limit, time)) = broken {
            let what = match change {
                Change::Create => "create",
                Change::Delete => "delete",
            };
            return Err(GroupError::new(
                429,
                "TooManyRequests",
                format!(
                    "Resource type 'Microsoft.ContainerInstance/containerGroups' {what} limit exceeded in region '{location}'. Limit: '{limit}' per {time}."
                ),
            ));
        }
        moments.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creations_and_deletions_are_counted_apart_by_region_and_time() {
        let quota = Quota { hourly: 4, five_minutely: 2, ..Quota::default() };
        let mut rates = Rates::default();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut at = |minute: i64, change, place: &str| {
            let now = start + SignedDuration::from_mins(minute);
            rates.count(change, place, now, quota).map_err(|error| error.message)
        };
        assert!(at(0, Change::Create, "westeurope").is_ok());
        assert!(at(1, Change::Create, "westeurope").is_ok());
        let refused = at(2, Change::Create, "westeurope").unwrap_err();
        assert!(refused.contains("'westeurope'. Limit: '2' per 5 minutes"), "{refused}");
        assert!(at(2, Change::Delete, "westeurope").is_ok());
        assert!(at(2, Change::Create, "northeurope").is_ok());
        assert!(at(6, Change::Create, "westeurope").is_ok());
        assert!(at(12, Change::Create, "westeurope").is_ok());
        let refused = at(20, Change::Create, "westeurope").unwrap_err();
        assert!(refused.contains("'4' per hour"), "{refused}");
        assert!(at(60, Change::Create, "westeurope").is_ok(), "the first is an hour old");
    }
}
