//! What containers wrote, whether they still are there or not.

use std::collections::BTreeMap;

use crate::error::GroupError;
use crate::group::GroupId;
use crate::logs;
use crate::runtime::{RuntimeError, Seen, SeenStatus};
use crate::service::Groups;

impl Groups {
    /// The log of a container's present run, or of the last one when none runs; the last `tail` lines if given.
    pub async fn logs(
        &self,
        id: &GroupId,
        container: &str,
        tail: Option<usize>,
    ) -> Result<String, GroupError> {
        let log = self.run_log(id, container, 0, false).await?;
        let log = tail.map_or(log.as_slice(), |lines| logs::last_lines(&log, lines));
        Ok(String::from_utf8_lossy(log).into_owned())
    }

    /// The same log; each line begins with its time (RFC 3339) and a blank.
    pub async fn logs_with_times(
        &self,
        id: &GroupId,
        container: &str,
        tail: Option<usize>,
    ) -> Result<String, GroupError> {
        let log = self.run_log(id, container, 0, true).await?;
        let log = tail.map_or(log.as_slice(), |lines| logs::last_lines(&log, lines));
        Ok(String::from_utf8_lossy(log).into_owned())
    }

    /// The log of the run before the one that [`Groups::logs`] shows. Not part of Azure's API.
    pub async fn previous_logs(&self, id: &GroupId, container: &str) -> Result<String, GroupError> {
        let log = self.run_log(id, container, 1, false).await?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// The log of the last run that has one, or of the one `back` runs before; with the times of its lines or without.
    async fn run_log(
        &self,
        id: &GroupId,
        container: &str,
        back: usize,
        timestamps: bool,
    ) -> Result<Vec<u8>, GroupError> {
        let entry = self.entry(id)?;
        if !entry.record().spec.all_containers().any(|spec| spec.name == container) {
            return Err(GroupError::container_not_found(id, container));
        }
        let shared = self.shared();
        let kept = shared.logs.kept(id.key(), container).map_err(|error| {
            GroupError::new(
                500,
                "InternalServerError",
                format!("read the log of container '{container}': {error}"),
            )
        })?;
        let seen = shared.runtime.list(&shared.settings.instance, Some(id.key())).await;
        let seen = seen.map_err(|error| GroupError::runtime(&error))?;
        let ran = |one: &&Seen| one.labels.container == container && one.status != SeenStatus::Created;
        let mut runs: BTreeMap<u64, Option<&Seen>> = kept.keys().map(|run| (*run, None)).collect();
        runs.extend(seen.iter().filter(ran).map(|one| (one.labels.generation, Some(one))));
        let Some((run, one)) = runs.into_iter().rev().nth(back) else { return Ok(Vec::new()) };
        let Some(one) = one else { return Ok(saved(kept.get(&run), timestamps)) };
        let running = matches!(one.status, SeenStatus::Running { .. });
        let request =
            if running { logs::running_request(timestamps) } else { logs::ended_request(timestamps) };
        match shared.runtime.logs(&one.id, request).await {
            Ok(log) if running => Ok(log),
            Ok(log) if timestamps => Ok(logs::ended_stamped(&log).to_vec()),
            Ok(log) => Ok(logs::ended(&log).to_vec()),
            // Removed since it was listed: its log is a file now.
            Err(RuntimeError::Gone { .. }) => {
                let kept = shared.logs.kept(id.key(), container).unwrap_or_default();
                Ok(saved(kept.get(&run), timestamps))
            }
            Err(error) => Err(GroupError::runtime(&error)),
        }
    }
}

/// A log from its file, where every line has its time.
fn saved(log: Option<&Vec<u8>>, timestamps: bool) -> Vec<u8> {
    let Some(log) = log else { return Vec::new() };
    if timestamps { log.clone() } else { logs::ended(&logs::unstamped(log)).to_vec() }
}
