//! The organization as a whole: seeded from a file, put back to its beginning.

use std::sync::PoisonError;

use service_kit::Seeds;

use super::AzureDevOps;
use crate::app::lifecycle::Seeded;

impl AzureDevOps {
    /// Adds what a seed file holds: pools, tokens, agents, jobs, limits. All of it, or the test fails and the message has
    /// every fault with its line. `docs/seed-file.md` lists the keys.
    ///
    /// ```
    /// use azdo_mock::testing::AzureDevOps;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let azure = AzureDevOps::start().await;
    /// let seeded = azure.seed("
    /// pools: [Linux]
    /// agents:
    /// - name: build-1
    ///   pool: Linux
    ///   userCapabilities: {docker: '27'}
    /// - name: build-2
    ///   pool: Linux
    ///   enabled: false
    /// personalAccessTokens:
    /// - name: reader
    ///   scopes: vso.agentpools
    ///   expiresIn: 1h
    /// ").await;
    /// let names: Vec<_> = azure.agents().into_iter().map(|agent| agent.name).collect();
    /// assert_eq!(names, ["build-1", "build-2"]);
    /// assert_eq!(seeded.tokens[0].0, "reader");
    /// # });
    /// ```
    ///
    /// # Panics
    /// If there is anything wrong with it.
    pub async fn seed(&self, yaml: &str) -> Seeded {
        let (service, text) = (self.service.clone(), yaml.to_owned());
        let seeded = tokio::task::spawn_blocking(move || service.seed(&text)).await;
        seeded.expect("it does not panic").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Puts the organization back to how it began, with the seeds: agents, jobs, sessions, logs, faults and the journal of
    /// calls are gone, and so is what [`AzureDevOps::expect_jobs`] said. The clock stays.
    ///
    /// ```
    /// use azdo_mock::testing::{AzureDevOps, Job};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let azure = AzureDevOps::start().await;
    /// azure.seed("agents: [{name: build-1}]").await;
    /// azure.queue(Job::script("make")).await;
    /// azure.reset().await;
    /// assert_eq!(azure.agents().len(), 1);
    /// // No job is left that would have to end.
    /// azure.verify();
    /// # });
    /// ```
    ///
    /// # Panics
    /// If it cannot: a seed needs something that was not there in the beginning.
    pub async fn reset(&self) {
        let service = self.service.clone();
        let done = tokio::task::spawn_blocking(move || service.reset(Seeds::Again)).await;
        done.expect("it does not panic").unwrap_or_else(|error| panic!("{error}"));
        *self.expected_jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
