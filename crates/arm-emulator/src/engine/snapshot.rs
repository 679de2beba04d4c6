//! Azure in a file, and back again.
//!
//! A file holds everything that is kept over a restart: the records of Resource Manager, applications, registries with their
//! images, container groups with what their containers wrote. It holds nothing that is the sandbox's own: its registry, its
//! keys; and nothing that is under way: uploads, the containers themselves.

use std::io::{self, BufRead, Write};

use acr_registry::{Frozen, Registries, RegistryError, Staged};
use container_groups::Groups;
use entra_tokens::Entra;
use serde::{Deserialize, Serialize};
use service_kit::{
    Batch, SnapshotFileError, SnapshotReader, SnapshotWriter, Store, StoreDocument, StoreError, StoreKey,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::app::Arm;
use crate::engine::exchange::{self, Cause, Containers, Interrupted, Next, TABLES, Write as WriteChanges};
use crate::engine::reset::drop_content;
use crate::providers::aci;
use crate::records::groups;

/// What a file of Azure holds, or a part of one, and in which form.
pub const SNAPSHOT_HOLDS: (&str, u32) = ("azure", 1);
/// The table of the document that says whose Azure it is.
const ORIGIN: &str = "origin";

/// Why no snapshot was written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The state could not be read.
    #[error("take a snapshot of Azure")]
    Store(#[from] StoreError),
    /// An image could not be kept as it is.
    #[error("take a snapshot of Azure")]
    Images(#[from] RegistryError),
    /// The logs of containers could not be read.
    #[error("take a snapshot of Azure")]
    Logs(#[source] Cause),
    /// An image could not be read, or the snapshot not be written.
    #[error("write the snapshot")]
    Write(#[from] io::Error),
}

/// Why a snapshot was not taken up. But for the last reason, Azure is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is not one, or not whole, or sealed with another key, or holds what is no Azure.
    #[error("read the snapshot")]
    File(#[from] SnapshotFileError),
    /// It is another sandbox's.
    #[error(
        "read the snapshot: it is of the subscription `{found}` and this is `{own}`: its ids lead nowhere here"
    )]
    Elsewhere {
        /// The subscription of the file.
        found: Uuid,
        /// This one.
        own: Uuid,
    },
    /// A document cannot be read.
    #[error("read the snapshot")]
    Document(#[from] StoreError),
    /// A registry cannot be served.
    #[error("take up the snapshot")]
    Registry(#[from] RegistryError),
    /// Its images could not be written.
    #[error("write the images of the snapshot")]
    Images(#[from] io::Error),
    /// It could not be written, or the engine does not answer. Containers may have been restarted.
    #[error("take up the snapshot; deployments were cancelled, and containers may have been restarted")]
    Unchanged(#[source] Cause),
    /// The sandbox is being stopped.
    #[error("take up the snapshot: the sandbox is shutting down; the next start of it says what came of it")]
    ShuttingDown,
    /// Azure is that of the snapshot, but not all of it is in its place yet.
    #[error("put all of the snapshot in its place, which the next start of the sandbox goes on with")]
    Late(#[source] Cause),
}

/// What Azure keeps at one moment.
#[derive(Debug)]
pub struct Held {
    documents: Vec<StoreDocument>,
    images: Frozen,
}

/// A snapshot that was read and fits, and is not taken up yet. What is not goes.
#[derive(Debug)]
pub struct Incoming {
    documents: Vec<StoreDocument>,
    images: Staged,
    restored: Restored,
}

/// What came back with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How many resource groups.
    pub resource_groups: usize,
    /// The names of the registries.
    pub registries: Vec<String>,
    /// The names of the container groups whose containers are being made again.
    pub container_groups: Vec<String>,
}

/// Whose Azure it is: ids and what they are derived from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    subscription: Uuid,
    tenant: Uuid,
}

impl Origin {
    fn of(arm: &Arm) -> Self {
        Self { subscription: arm.settings().subscription_id, tenant: arm.settings().tenant_id }
    }
}

impl Held {
    /// Writes it into a file, or into a part of one.
    ///
    /// # Errors
    /// An image could not be read, or the file not be written.
    pub fn write<W: Write>(&self, file: &mut SnapshotWriter<W>) -> Result<(), SnapshotError> {
        self.documents.iter().try_for_each(|document| file.document(document))?;
        Ok(self.images.each(|registry, name, length, bytes| file.file(registry, name, length, bytes))?)
    }
}

impl Arm {
    /// The key that snapshots are sealed with where no other is given: that of the store.
    pub fn snapshot_key(&self) -> &StoreKey {
        self.store().key()
    }

    /// Everything that is kept now; images stay readable for as long as this lives. A deployment that runs is in it as one
    /// that a restart interrupts.
    ///
    /// # Errors
    /// The store, a file or a log could not be read.
    pub async fn hold(&self) -> Result<Held, SnapshotError> {
        let settings = self.settings();
        let _seeding = self.seeding().lock().await;
        let _alone = self.gate().write().await;
        let logs = settings.groups.saved_logs().await;
        let logs = logs.map_err(|error| SnapshotError::Logs(aci::error(error).into()))?;
        let own = exchange::own_registry(self);
        let (documents, images) = settings.registries.freeze(own, || exchange::documents(self)).await?;
        let mut all = origin(self)?;
        all.extend(documents?.into_iter().filter(|document| !is_passing(document)).chain(logs));
        Ok(Held { documents: all, images })
    }

    /// Writes a snapshot into a file of its own.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write_snapshot<W: Write>(&self, held: &Held, out: W, key: &StoreKey) -> Result<W, SnapshotError> {
        let mut file = SnapshotWriter::new(out, key, SNAPSHOT_HOLDS, &self.settings().entropy)?;
        held.write(&mut file)?;
        Ok(file.end()?)
    }

    /// Reads the part that begins; nothing is changed by it. What cannot be this sandbox's Azure is found out here.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn read_snapshot<R: BufRead>(&self, file: &mut SnapshotReader<R>) -> Result<Incoming, RestoreError> {
        let settings = self.settings();
        let mut documents = file.documents(|document| self.takes(document))?;
        let read = Store::in_memory();
        read.write(documents.iter().cloned().fold(Batch::new(), Batch::document))?;
        self.check_origin(&read)?;
        documents.retain(|document| document.table != ORIGIN);
        Entra::check(&read)?;
        let restored = Restored {
            resource_groups: groups::count(&read)?,
            registries: settings.registries.check(&read, exchange::own_registry(self))?,
            container_groups: Groups::check(&read)?,
        };
        let images = settings.registries.stage()?;
        restored.registries.iter().try_for_each(|name| images.registry(name))?;
        while let Some((registry, name)) = file.next_file()? {
            images.write::<RestoreError>(&registry, &name, |out| Ok(file.copy_file(out)?))?;
        }
        Ok(Incoming { documents, images, restored })
    }

    /// Takes up what was read in the place of everything that is there, in one transaction, which `write` makes of the changes:
    /// deployments are cancelled, all containers end, those of the snapshot's groups that ran are made again. Nobody is served
    /// meanwhile.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub async fn take_up(
        &self,
        incoming: Incoming,
        write: impl FnOnce(Batch) -> Result<(), Cause> + Send + 'static,
    ) -> Result<Restored, RestoreError> {
        let arm = self.clone();
        let (done, outcome) = oneshot::channel();
        // In a task of its own, so that a caller who goes away does not leave half a state.
        self.settings().shutdown.spawn(async move {
            // The caller may have gone away.
            let _ = done.send(take_up(&arm, incoming, Box::new(write)).await);
        });
        outcome.await.unwrap_or(Err(RestoreError::ShuttingDown))
    }

    /// The same, in a transaction of its own.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub async fn restore_snapshot(&self, incoming: Incoming) -> Result<Restored, RestoreError> {
        let store = self.store().clone();
        self.take_up(incoming, move |batch| Ok(store.write(batch)?)).await
    }

    fn takes(&self, document: &StoreDocument) -> bool {
        let known = TABLES.iter().any(|table| document.table.starts_with(table));
        let kept = known && !exchange::stays(self, document) && !is_passing(document);
        kept || document.table == ORIGIN || Groups::is_log(&document.table)
    }

    fn check_origin(&self, read: &Store) -> Result<(), RestoreError> {
        let found: Option<Origin> = read.get(ORIGIN, ORIGIN)?;
        let found = found.ok_or_else(|| SnapshotFileError::Content("no Azure".to_owned()))?;
        let own = Origin::of(self);
        if found == own {
            return Ok(());
        }
        Err(RestoreError::Elsewhere { found: found.subscription, own: own.subscription })
    }
}

fn origin(arm: &Arm) -> Result<Vec<StoreDocument>, StoreError> {
    let of = Store::in_memory();
    of.put(ORIGIN, ORIGIN, &Origin::of(arm))?;
    of.documents(&[ORIGIN])
}

fn is_passing(document: &StoreDocument) -> bool {
    Groups::is_passing(&document.table) || Registries::is_passing(&document.table)
}

async fn take_up(arm: &Arm, incoming: Incoming, write: WriteChanges) -> Result<Restored, RestoreError> {
    let Incoming { documents, images, restored } = incoming;
    let _seeding = arm.seeding().lock().await;
    let _alone = arm.gate().write().await;
    let documents = documents.into_iter().fold(Batch::new(), Batch::document);
    // From now on they are not given up with this task: the state may be theirs.
    let content = images.keep();
    let next = Next { documents, content: Some(content.clone()), containers: Containers::Anew };
    match exchange::exchange_by(arm, next, write).await {
        Ok(past) => {
            drop_content(arm, &past.content).await;
            arm.traffic().clear();
            arm.events().clear();
            Ok(restored)
        }
        Err(Interrupted::Before(cause)) => {
            drop_content(arm, &content).await;
            Err(RestoreError::Unchanged(cause))
        }
        Err(Interrupted::After(cause)) => Err(RestoreError::Late(cause)),
    }
}
