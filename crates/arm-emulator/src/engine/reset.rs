//! Back to a subscription that nobody has used, with its seeds.

use service_kit::{Batch, Seeds};

use crate::app::Arm;
use crate::engine::exchange::{self, Containers, Next, Past, exchange};
use crate::engine::seeding::{self, SeedError};
use crate::error::ArmError;
use crate::records::groups;
use crate::records::seeds::{self, Kept};

/// Why Azure did not go back to its beginning.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A seed cannot be applied again. Everything is as it was; containers were restarted.
    #[error("reset Azure: seed {number} cannot be applied again")]
    Seed {
        /// Which, from 1.
        number: u32,
        /// Why.
        #[source]
        source: SeedError,
    },
    /// Something could not be removed or written; the next start of the sandbox goes on with it.
    #[error("reset Azure")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ArmError> for ResetError {
    fn from(error: ArmError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Ends what runs, removes what is real, forgets every record, applies the seeds. Gives the names of the container groups that
/// went. Where a seed is refused, everything is put back.
pub(crate) async fn reset(arm: &Arm, again: Seeds) -> Result<Vec<String>, ResetError> {
    let _seeding = arm.seeding().lock().await;
    let _alone = arm.gate().write().await;
    let before = exchange::documents(arm).map_err(ArmError::from)?;
    let mut kept = if again == Seeds::Again { seeds::list(arm)? } else { Vec::new() };
    for (_, one) in &mut kept {
        *one = one.clone().unapplied();
    }
    let documents = seeds::put_all(Batch::new(), &kept).map_err(ArmError::from)?;
    let past = exchange(arm, Next { documents, ..Next::default() }).await.map_err(ArmError::from)?;
    untag_own(arm)?;
    if let Err((number, source)) = apply_all(arm, kept).await {
        put_back(arm, before.into_iter().fold(Batch::new(), Batch::document), past).await?;
        return Err(ResetError::Seed { number, source });
    }
    drop_content(arm, &past.content).await;
    arm.traffic().clear();
    arm.events().clear();
    Ok(past.groups)
}

/// The resource group of the sandbox's own registry, as it was made.
fn untag_own(arm: &Arm) -> Result<(), ArmError> {
    let _guard = arm.lock();
    let own = arm.settings().own_registry.as_ref();
    match own.map(|own| groups::find(arm, &own.group)).transpose()?.flatten() {
        Some(group) => groups::put_back(arm, group),
        None => Ok(()),
    }
}

async fn apply_all(arm: &Arm, kept: Vec<(u32, Kept)>) -> Result<(), (u32, SeedError)> {
    for (number, kept) in kept {
        seeding::apply_kept(arm, number, kept).await.map_err(|error| (number, error))?;
    }
    Ok(())
}

/// Takes the state of before again.
async fn put_back(arm: &Arm, documents: Batch, past: Past) -> Result<(), ArmError> {
    let next = Next { documents, content: Some(past.content), containers: Containers::Anew };
    let tried = exchange(arm, next).await?;
    drop_content(arm, &tried.content).await;
    Ok(())
}

/// What is left of it does no harm, and goes at the next start.
pub(crate) async fn drop_content(arm: &Arm, folder: &str) {
    if let Err(error) = arm.settings().registries.drop_content(folder).await {
        tracing::warn!(%error, "files of registries that are gone could not be removed");
    }
}
