//! The organization in a file.

use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use service_kit::with_causes;

use super::AzureDevOps;
pub use crate::app::snapshot::Restored;

impl AzureDevOps {
    /// Writes everything that the organization keeps into a file: pools, agents, jobs, logs, tokens. It is sealed with the
    /// instance's own key, so only this instance can read it, or one with the same [`super::Builder::key_file`].
    ///
    /// ```
    /// use azdo_mock::testing::{AzureDevOps, Job};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let file = folder.path().join("two-agents");
    /// let azure = AzureDevOps::start().await;
    /// azure.seed("agents: [{name: build-1}, {name: build-2}]").await;
    /// azure.snapshot(&file).await;
    /// azure.queue(Job::script("make")).await;
    /// azure.restore(&file).await;
    /// assert_eq!(azure.agents().len(), 2);
    /// // The job was queued later: it is not there, so nothing has to end.
    /// azure.verify();
    /// # });
    /// ```
    ///
    /// # Panics
    /// If the file cannot be written.
    pub async fn snapshot(&self, file: impl AsRef<Path>) {
        let (service, file) = (self.service.clone(), file.as_ref().to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let out = BufWriter::new(fs_err::File::create(&file)?);
            let key = service.snapshot_key().clone();
            service.snapshot(out, &key).map_err(std::io::Error::other)?.flush()
        });
        written.await.expect("it does not panic").unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    }

    /// Takes up a snapshot in the place of everything that is there. Sessions end and polls are answered at once; a job that
    /// an agent had taken goes on if the agent does, one that was on its way is in the queue again. The clock stays; faults
    /// and the journal of calls are gone. What [`AzureDevOps::expect_jobs`] said counts the ended jobs of the snapshot too.
    ///
    /// # Panics
    /// If the file is no snapshot, not whole, or sealed with another key. The organization is as it was then.
    pub async fn restore(&self, file: impl AsRef<Path>) -> Restored {
        let (service, file) = (self.service.clone(), file.as_ref().to_owned());
        let taken = tokio::task::spawn_blocking(move || {
            let input = BufReader::new(fs_err::File::open(&file).map_err(|error| error.to_string())?);
            let key = service.snapshot_key().clone();
            service.restore(input, &key).map_err(|error| with_causes(&error))
        });
        taken.await.expect("it does not panic").unwrap_or_else(|error| panic!("{error}"))
    }
}
