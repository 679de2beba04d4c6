//! Files of all registries but one as they were at one moment, and files that are to be theirs.
//!
//! Files are named by their content and never changed, so that a second name keeps one for as long as it is read, whatever
//! is deleted meanwhile. What a crash leaves of these folders goes at the next start.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use service_kit::Store;

use super::standstill::{CONTENT, files};
use super::{REGISTRIES, Registries, RegistryError, Stored};
use crate::digest::Digest;

const UPLOADS: &str = "acr-uploads/";
const BLOBS: &str = "blobs";

/// Files as they were at one moment.
#[derive(Debug)]
pub struct Frozen(Folder);

/// Files that wait to be taken in. Those that are not kept go.
#[derive(Debug)]
pub struct Staged(Folder);

/// A folder beside those of the registries, which goes with this.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        match fs_err::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "files of registries that are not needed any more could not be removed");
            }
            _ => {}
        }
    }
}

impl Registries {
    /// Where files are kept, of registries and on their way to them.
    pub fn folder(&self) -> &Path {
        &self.0.settings.blobs_dir
    }

    /// Whether a table of this service says nothing of the registries: what is under way ends with the process or before.
    pub fn is_passing(table: &str) -> bool {
        table == CONTENT || table.starts_with(UPLOADS)
    }

    /// Reads something while nobody changes what is in a registry, and keeps the files of all but one as they are then.
    ///
    /// # Errors
    /// A file could not be given a second name.
    pub async fn freeze<T>(&self, but: &str, read: impl FnOnce() -> T) -> Result<(T, Frozen), RegistryError> {
        let _changing = self.0.changing.lock().await;
        let but = but.to_ascii_lowercase();
        let registries: Vec<_> = {
            let running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            running.iter().filter(|(name, _)| **name != but).map(|(_, one)| one.registry.clone()).collect()
        };
        let mut alone = Vec::new();
        // By name, as everybody who needs several. Whoever pushes has put file and record in their places, or neither.
        for registry in &registries {
            alone.push(registry.files.write().await);
        }
        let frozen = Frozen(self.beside());
        let given = read();
        for registry in &registries {
            let name = registry.key();
            let to = frozen.0.path.join(&name).join(BLOBS);
            fs_err::tokio::create_dir_all(&to).await.map_err(files)?;
            for digest in registry.content.blobs().await.map_err(files)? {
                let from = self.folder().join(&name).join(BLOBS).join(digest.hex());
                named_again(&from, &to.join(digest.hex())).await.map_err(files)?;
            }
        }
        Ok((given, frozen))
    }

    /// A place for files that are to be taken in.
    ///
    /// # Errors
    /// It could not be made.
    pub fn stage(&self) -> Result<Staged, RegistryError> {
        let staged = Staged(self.beside());
        fs_err::create_dir_all(&staged.0.path).map_err(files)?;
        Ok(staged)
    }

    fn beside(&self) -> Folder {
        Folder { path: self.folder().join(self.aside()), kept: false }
    }

    /// Whether the registries that a store holds could take the place of all but one. Gives their names.
    ///
    /// # Errors
    /// A document is none of a registry, or a port is another's.
    pub fn check(&self, store: &Store, but: &str) -> Result<Vec<String>, RegistryError> {
        let found: Vec<(String, Stored)> = store.list(REGISTRIES).map_err(super::store(""))?;
        let running: BTreeMap<_, _> = {
            let running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            running.iter().map(|(name, one)| (name.clone(), one.registry.stored().port)).collect()
        };
        let but = but.to_ascii_lowercase();
        for (_, stored) in &found {
            // What has the port now and goes is in nobody's way.
            let goes = running.iter().any(|(name, port)| *name != but && *port == stored.port);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, stored.port));
            if let Err(source) = if goes { Ok(()) } else { service_kit::port_is_free(address) } {
                return Err(RegistryError::Listen { name: stored.name.clone(), source });
            }
        }
        Ok(found.into_iter().map(|(name, _)| name).collect())
    }
}

/// Where a file cannot have two names, it is copied.
async fn named_again(from: &Path, to: &Path) -> io::Result<()> {
    match fs_err::tokio::hard_link(from, to).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => fs_err::tokio::copy(from, to).await.map(|_| ()),
        Ok(()) => Ok(()),
    }
}

impl Frozen {
    /// Gives each file: registry, name, length, bytes.
    ///
    /// # Errors
    /// A file could not be read, or what it is given to says so.
    pub fn each(
        &self,
        mut give: impl FnMut(&str, &str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        for (registry, folder) in super::standstill::folders(&self.0.path)? {
            for entry in fs_err::read_dir(registry.join(BLOBS))? {
                let mut file = fs_err::File::open(entry?.path())?;
                let length = file.metadata()?.len();
                let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                give(&folder, &name, length, &mut file)?;
            }
        }
        Ok(())
    }
}

impl Staged {
    /// A registry that has no file yet: what is in its place goes.
    ///
    /// # Errors
    /// Its folder could not be made.
    pub fn registry(&self, name: &str) -> io::Result<()> {
        fs_err::create_dir_all(self.0.path.join(name).join(BLOBS))
    }

    /// Adds a file of a registry that is there already.
    ///
    /// # Errors
    /// The file could not be written; its name is none, or not that of what is in it.
    pub fn write<E: From<io::Error>>(
        &self,
        registry: &str,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let place = self.0.path.join(registry).join(BLOBS);
        if Digest::from_file_name(name).is_none() || !place.is_dir() {
            let what = format!("`{name}` is no file of a registry `{registry}`");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what).into());
        }
        let mut file = fs_err::File::create_new(place.join(name))?;
        fill(&mut file)?;
        Ok(file.sync_all()?)
    }

    /// From now on they wait, also for the next start if the state names them. Gives the name.
    pub fn keep(mut self) -> String {
        self.0.kept = true;
        self.0.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
