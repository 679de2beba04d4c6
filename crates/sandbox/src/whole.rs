//! All services of a sandbox at once: back to the beginning.

use arm_emulator::Arm;
use azdo_mock::{AzureDevOps, ResetError, Seeds};
use entra_tokens::Entra;
use service_kit::{Batch, SharedClock, Store, StoreError};

/// What Entra ID keeps.
const ENTRA: &str = "entra.";

/// The services.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) azdo: AzureDevOps,
    pub(crate) entra: Entra,
    pub(crate) arm: Arm,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    /// The sandbox's own registry, which stays with its images, and the resource group it is in.
    pub(crate) registry_group: String,
    pub(crate) registry: String,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WholeError {
    #[error("reset Azure DevOps")]
    Azdo(#[from] ResetError),
    #[error("reset Azure")]
    Arm(#[from] arm_emulator::StartError),
    #[error("reset Entra ID")]
    Entra(#[from] StoreError),
    #[error("reset: the work was given up")]
    GivenUp,
}

impl Whole {
    /// Puts everything back to how it began. Gives the names of the container groups that went. Images in the sandbox's
    /// own registry stay, as base image and caches do: they are what `build-image` made, not what happened here.
    pub(crate) async fn reset(&self, seeds: Seeds) -> Result<Vec<String>, WholeError> {
        // First what can be refused: a seed that does not fit any more.
        self.reset_azdo(seeds).await?;
        let groups = self.arm.reset(&self.registry_group, &self.registry).await?;
        self.store.write(Batch::new().clear(ENTRA))?;
        self.entra.reload()?;
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
