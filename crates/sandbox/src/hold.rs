//! One process at a time in a folder: a lock that ends with the process, and beside it a note of who has it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Locked by whoever serves. Nobody reads it: on Windows nobody else could.
const LOCK: &str = "holder.lock";
/// Says who that is, or was.
const NOTE: &str = "holder.json";

/// Who serves from a folder, or did last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The instance.
    pub instance: String,
    /// The process that serves it.
    pub process_id: u32,
    /// Since when, UTC.
    pub since: Timestamp,
    /// Where the instance keeps its state.
    pub(crate) keep: Keep,
}

/// Where an instance keeps its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keep {
    /// In the instance's own folder: it goes with `sandbox down`.
    #[default]
    WithInstance,
    /// In a folder that `sandbox down` leaves.
    In(PathBuf),
    /// Nowhere: it ends with the process, and the containers with it.
    Nowhere,
}

impl Holder {
    /// Who the note of a folder names.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(folder.join(NOTE)).ok()?).ok()
    }

    /// Removes the note: nobody's containers and nothing else hangs on the folder any more.
    pub(crate) fn forget(folder: &Path) -> io::Result<()> {
        match fs_err::remove_file(folder.join(NOTE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The right to serve from a folder. Ends when it is dropped, and with the process however that ends.
#[derive(Debug)]
pub(crate) struct Hold {
    folder: PathBuf,
    _lock: File,
}

impl Hold {
    /// Takes a folder that is there; `None` where another process has it.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(folder.join(LOCK))?.into_file();
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { folder: folder.to_owned(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a process has a folder.
    pub(crate) fn is_taken(folder: &Path) -> bool {
        folder.join(LOCK).exists() && matches!(Self::take(folder), Ok(None))
    }

    /// Whether a file is a lock or its note.
    pub(crate) fn is_part(file: &Path) -> bool {
        file.file_name().is_some_and(|name| name == LOCK || name == NOTE)
    }

    /// Leaves a note for those who come later.
    pub(crate) fn note(&self, holder: &Holder) -> io::Result<()> {
        let file = self.folder.join(NOTE);
        let new = file.with_extension("json.new");
        fs_err::write(&new, serde_json::to_vec_pretty(holder)?)?;
        fs_err::rename(new, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time_and_the_note_outlives_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Hold::is_taken(folder.path()), "control: nobody has it");
        let first = Hold::take(folder.path()).unwrap().expect("it is free");
        let holder = Holder {
            instance: "demo".to_owned(),
            process_id: 7,
            since: Timestamp::UNIX_EPOCH,
            keep: Keep::In("elsewhere".into()),
        };
        first.note(&holder).unwrap();
        assert!(Hold::is_taken(folder.path()));
        assert!(Hold::take(folder.path()).unwrap().is_none());
        assert_eq!(
            Holder::of(folder.path()),
            Some(holder.clone()),
            "who has it can be read while it is locked"
        );
        drop(first);
        assert!(!Hold::is_taken(folder.path()));
        assert_eq!(Holder::of(folder.path()), Some(holder));
        Holder::forget(folder.path()).unwrap();
        Holder::forget(folder.path()).unwrap();
        assert_eq!(Holder::of(folder.path()), None);
    }
}
