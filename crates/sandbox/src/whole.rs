//! All services of a sandbox at once: seeded, back to the beginning, in a file and back.

use std::path::PathBuf;

use arm_emulator::Arm;
use azdo_mock::{AzureDevOps, ResetError};
use service_kit::{Seeds, SharedClock, SharedEntropy, Store};

/// The services.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) azdo: AzureDevOps,
    pub(crate) arm: Arm,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    /// Where snapshots are while they are written or read.
    pub(crate) folder: PathBuf,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WholeError {
    #[error("reset Azure DevOps; Azure is as it was")]
    Azdo(#[from] ResetError),
    #[error("reset the sandbox: Azure DevOps is as in the beginning")]
    Arm(#[from] arm_emulator::ResetError),
    #[error("reset: the work was given up")]
    GivenUp,
}

impl Whole {
    /// Puts everything back to how it began. Gives the names of the container groups that went. Images in the sandbox's
    /// own registry stay, as base image and caches do: they are what `build-image` made, not what happened here.
    pub(crate) async fn reset(&self, seeds: Seeds) -> Result<Vec<String>, WholeError> {
        // First what can be refused without having been tried: a seed that does not fit any more.
        self.reset_azdo(seeds).await?;
        let groups = self.arm.reset(seeds).await?;
        // Until their containers were gone, agents could register again.
        self.reset_azdo(Seeds::Again).await?;
        Ok(groups)
    }

    async fn reset_azdo(&self, seeds: Seeds) -> Result<(), WholeError> {
        let azdo = self.azdo.clone();
        let done = tokio::task::spawn_blocking(move || azdo.reset(seeds)).await;
        Ok(done.map_err(|_| WholeError::GivenUp)??)
    }
}
