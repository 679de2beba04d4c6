//! All registries but one change places with others: they stop, their state in the store is replaced, their files are set
//! aside, those of the others taken in. Whoever replaces the state names the folder with the files in the same transaction,
//! so that the next start does what a crash kept from being done.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use service_kit::{Batch, StoreError};

use super::{REGISTRIES, Registries, RegistryError};

/// Begins the names of folders that are no registry's.
const ASIDE: &str = ".aside-";
pub(super) const CONTENT: &str = "acr-content";
const FOLDER: &str = "folder";
/// How long a port may stay taken after its listener was told to end, and how often it is tried.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(30);

impl Registries {
    /// What of the tables of this service stays when the registries are replaced: what concerns a registry that goes on,
    /// and the key that all of them sign with.
    pub fn stays(table: &str, key: &str, registry: &str) -> bool {
        let registry = registry.to_ascii_lowercase();
        let parts = ["repositories", "uploads", "users"].map(|part| format!("acr-{part}/{registry}"));
        table == super::signing::KEYS
            || (table == REGISTRIES && key == registry)
            || parts.iter().any(|own| own == table)
    }

    /// Stops serving all but one, as the end of the process does; what they hold stays.
    pub async fn halt(&self, but: &str) {
        let _changing = self.0.changing.lock().await;
        let but = but.to_ascii_lowercase();
        let halted: Vec<_> = {
            let mut running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let halted = running.extract_if(.., |name, _| *name != but);
            halted.map(|(_, one)| one).collect()
        };
        for one in halted {
            one.shutdown.token().cancel();
            one.registry.end().await;
        }
    }

    /// Adds to a change of the state which folder holds the files that belong to it; `None`: no files do.
    ///
    /// # Errors
    /// The name cannot be written down.
    pub fn with_content(batch: Batch, folder: Option<&str>) -> Result<Batch, StoreError> {
        match folder {
            Some(folder) => batch.put(CONTENT, FOLDER, &folder),
            None => Ok(batch.delete(CONTENT, FOLDER)),
        }
    }

    /// Sets the files of all registries but one aside, and takes in those of the folder that the store names. Gives the name
    /// of the folder where the files of before are. Nothing but the one registry may be served.
    ///
    /// # Errors
    /// A folder could not be moved.
    pub async fn take_in(&self, but: &str) -> Result<String, RegistryError> {
        let _changing = self.0.changing.lock().await;
        let name = self.aside();
        self.move_folders(but, &name).await?;
        Ok(name)
    }

    /// Removes the files that were set aside under this name.
    ///
    /// # Errors
    /// A file could not be removed.
    pub async fn drop_content(&self, folder: &str) -> Result<(), RegistryError> {
        removed(self.0.settings.blobs_dir.join(folder)).await.map_err(files)
    }

    /// What a crash left half-way: files that the store names are taken in, others that were set aside are removed, and those of
    /// registries that are not in the store.
    pub(super) async fn settle(&self) -> Result<(), RegistryError> {
        let root = &self.0.settings.blobs_dir;
        if self.content()?.is_some() {
            // The one that goes on is in no folder that the store names, and stays.
            self.move_named(&self.aside()).await?;
        }
        let known: Vec<(String, super::Stored)> =
            self.0.settings.store.list(REGISTRIES).map_err(super::store(""))?;
        for (folder, name) in folders(root).map_err(files)? {
            if name.starts_with(ASIDE) || !known.iter().any(|(known, _)| *known == name) {
                removed(folder).await.map_err(files)?;
            }
        }
        Ok(())
    }

    /// A new name of a folder that is no registry's.
    pub(super) fn aside(&self) -> String {
        format!("{ASIDE}{}", self.0.settings.entropy.uuid().simple())
    }

    fn content(&self) -> Result<Option<String>, RegistryError> {
        self.0.settings.store.get(CONTENT, FOLDER).map_err(super::store(""))
    }

    async fn move_folders(&self, but: &str, aside: &str) -> Result<(), RegistryError> {
        let root = &self.0.settings.blobs_dir;
        let but = but.to_ascii_lowercase();
        for (folder, name) in folders(root).map_err(files)? {
            if name != but && !name.starts_with('.') {
                moved(&folder, &root.join(aside).join(name)).await.map_err(files)?;
            }
        }
        self.move_named(aside).await
    }

    /// Moves every folder of the one that the store names into its place; what is there goes aside.
    async fn move_named(&self, aside: &str) -> Result<(), RegistryError> {
        let root = &self.0.settings.blobs_dir;
        let Some(content) = self.content()? else { return Ok(()) };
        for (folder, name) in folders(&root.join(&content)).map_err(files)? {
            let place = root.join(&name);
            if fs_err::exists(&place).map_err(files)? {
                moved(&place, &root.join(aside).join(&name)).await.map_err(files)?;
            }
            moved(&folder, &place).await.map_err(files)?;
        }
        removed(root.join(&content)).await.map_err(files)?;
        self.0.settings.store.delete(CONTENT, FOLDER).map_err(super::store(""))
    }

    /// Serves one again whose listener may just be ending.
    pub(super) async fn started(&self, stored: crate::registry::Stored) -> Result<(), RegistryError> {
        freed(stored.port).await;
        self.start(stored).await.map(drop)
    }
}

/// Waits for the end of a listener that was told to end. Who has its port by then, has it rightly.
pub(super) async fn freed(port: u16) {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    for _ in 0..TRIES {
        match service_kit::port_is_free(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(PAUSE).await,
            _ => return,
        }
    }
}

pub(super) fn files(source: io::Error) -> RegistryError {
    RegistryError::Files { name: "*".to_owned(), source }
}

/// The folders in a folder, with their names; none where it is not there.
pub(super) fn folders(root: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let entries = match fs_err::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push((entry.path(), entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// Windows refuses to move a folder of which somebody has a file open, which passes once the last answer is sent.
async fn moved(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs_err::tokio::create_dir_all(parent).await?;
    }
    let mut tries = 1;
    loop {
        match fs_err::tokio::rename(from, to).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

async fn removed(folder: PathBuf) -> io::Result<()> {
    match fs_err::tokio::remove_dir_all(folder).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
