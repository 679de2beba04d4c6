//! Some of a store, and the files that belong to it, as one document to keep and to go back to.
//!
//! Values stay sealed with the store's key: whoever has the file alone learns names and ids, and no secret. That binds
//! a snapshot to the instance that made it, for as long as that has its key.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Batch, SealedDocument, Store, StoreError, Tables};

const FORMAT: &str = "mayfly-snapshot";
/// Grows when a snapshot of an earlier version could be misread.
const VERSION: u32 = 1;
/// Stands for the table of a document where a file is sealed.
const FILES: &str = "snapshot.files";

/// What a kind of snapshot holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// The kind's name, such as `azure-devops`: another kind is not restored in its place.
    pub name: &'static str,
    /// Whose documents.
    pub tables: Tables,
    /// Folders whose files belong to them, each with the name that stands for it in the snapshot.
    pub folders: Vec<(&'static str, PathBuf)>,
}

/// The state of something at one moment.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    format: String,
    version: u32,
    of: String,
    taken: Timestamp,
    documents: Vec<Item>,
    files: Vec<Item>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    table: String,
    key: String,
    /// Base64 of the sealed value.
    value: String,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({}, {} documents, {} files)", self.of, self.documents.len(), self.files.len())
    }
}

/// Why a snapshot could not be taken, read or gone back to.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The text is something else.
    #[error("read the snapshot: this is no snapshot, or one that was changed")]
    Text(#[source] serde_json::Error),
    /// Another program wrote it.
    #[error("read the snapshot: its format is `{found}`, not `{FORMAT}`")]
    Format {
        /// What it says it is.
        found: String,
    },
    /// Another version wrote it.
    #[error(
        "read the snapshot: it has format version {found}; this program reads and writes version {VERSION}"
    )]
    Version {
        /// Its version.
        found: u64,
    },
    /// It is one of something else.
    #[error("restore the snapshot: it is one of `{found}`, not of `{wanted}`")]
    Kind {
        /// What it is of.
        found: String,
        /// What it is to be of.
        wanted: &'static str,
    },
    /// It was sealed with a key that this instance has not.
    #[error(
        "restore the snapshot: `{item}` was not sealed with this instance's key; only the instance that took a snapshot \
         can go back to it"
    )]
    Sealed {
        /// The first item that does not open.
        item: String,
    },
    /// An item has no place here.
    #[error("restore the snapshot: `{item}` does not belong into a snapshot of `{of}`")]
    Stray {
        /// The item.
        item: String,
        /// What the snapshot is of.
        of: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file failed.
    #[error("{action} the file `{}` of the snapshot", file.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Snapshot {
    /// Takes one. Nothing may change the store's tables or the folders meanwhile.
    pub fn take(store: &Store, content: &Content, now: Timestamp) -> Result<Self, SnapshotError> {
        let documents = store.sealed(content.tables)?.into_iter().map(Item::from).collect();
        let mut files = Vec::new();
        for (name, folder) in &content.folders {
            for file in files_below(folder)? {
                let bytes = fs_err::read(&file).map_err(failed("read", &file))?;
                let below = file.strip_prefix(folder).unwrap_or(&file);
                let path: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                files.push(store.seal_bytes(FILES, &format!("{name}/{}", path.join("/")), bytes).into());
            }
        }
        let (format, of) = (FORMAT.to_owned(), content.name.to_owned());
        Ok(Self { format, version: VERSION, of, taken: now, documents, files })
    }

    /// The text of its file.
    pub fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a snapshot is plain text and numbers")
    }

    /// Reads the text of a file. A snapshot of another version is refused, whatever else it holds.
    pub fn parse(text: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u64,
        }
        let head: Head = serde_json::from_slice(text).map_err(SnapshotError::Text)?;
        if head.format != FORMAT {
            return Err(SnapshotError::Format { found: head.format });
        }
        if head.version != u64::from(VERSION) {
            return Err(SnapshotError::Version { found: head.version });
        }
        serde_json::from_slice(text).map_err(SnapshotError::Text)
    }

    /// A store that holds its documents and no others, to be looked at before they are taken over. Fails unless
    /// everything opens with the key of `store` and belongs to `content`.
    pub fn open(&self, store: &Store, content: &Content) -> Result<Store, SnapshotError> {
        let scratch = store.scratch();
        scratch.write(self.checked(store, content)?)?;
        Ok(scratch)
    }

    /// The documents as changes of the store, after all of the content's tables were cleared. Checks as
    /// [`Self::open`] does.
    pub fn batch(&self, store: &Store, content: &Content) -> Result<Batch, SnapshotError> {
        Ok(Batch::new().clear(content.tables).then(self.checked(store, content)?))
    }

    fn checked(&self, store: &Store, content: &Content) -> Result<Batch, SnapshotError> {
        if self.of != content.name {
            return Err(SnapshotError::Kind { found: self.of.clone(), wanted: content.name });
        }
        let mut batch = Batch::new();
        for item in &self.documents {
            if !content.tables.cover(&item.table) {
                return Err(SnapshotError::Stray { item: item.name(), of: content.name });
            }
            batch = batch.put_sealed(item.opened(store)?.0);
        }
        for item in &self.files {
            item.opened(store)?;
            item.place(content)?;
        }
        Ok(batch)
    }

    /// Replaces the content's folders by what is in the snapshot.
    pub fn write_files(&self, store: &Store, content: &Content) -> Result<(), SnapshotError> {
        for (_, folder) in &content.folders {
            empty(folder).map_err(failed("clear the way for", folder))?;
        }
        for item in &self.files {
            let (file, (_, bytes)) = (item.place(content)?, item.opened(store)?);
            let folder = file.parent().unwrap_or(Path::new("."));
            fs_err::create_dir_all(folder).map_err(failed("make the folder of", &file))?;
            fs_err::write(&file, bytes).map_err(failed("write", &file))?;
        }
        Ok(())
    }
}

/// Leaves an empty folder.
pub(crate) fn empty(folder: &Path) -> std::io::Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs_err::create_dir_all(folder)
}

impl From<SealedDocument> for Item {
    fn from(document: SealedDocument) -> Self {
        let SealedDocument { table, key, value } = document;
        Self { table, key, value: STANDARD.encode(value) }
    }
}

impl Item {
    fn name(&self) -> String {
        format!("{}/{}", self.table, self.key)
    }

    fn opened(&self, store: &Store) -> Result<(SealedDocument, Vec<u8>), SnapshotError> {
        let refused = || SnapshotError::Sealed { item: self.name() };
        let value = STANDARD.decode(&self.value).map_err(|_| refused())?;
        let document = SealedDocument { table: self.table.clone(), key: self.key.clone(), value };
        let bytes = store.opens(&document).ok_or_else(refused)?;
        Ok((document, bytes))
    }

    /// Where a file goes. Its name is sealed with its content, but by whoever has the key: it must not lead out.
    fn place(&self, content: &Content) -> Result<PathBuf, SnapshotError> {
        let stray = || SnapshotError::Stray { item: self.key.clone(), of: content.name };
        let (name, path) = self.key.split_once('/').ok_or_else(stray)?;
        let (_, folder) = content.folders.iter().find(|(known, _)| *known == name).ok_or_else(stray)?;
        let plain =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
        if self.table != FILES || !path.split('/').all(plain) {
            return Err(stray());
        }
        Ok(path.split('/').fold(folder.clone(), |place, part| place.join(part)))
    }
}

fn failed(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> SnapshotError {
    let file = file.to_owned();
    move |source| SnapshotError::File { action, file, source }
}

/// All files below a folder, in the order of their paths. A folder that is not there has none.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(&folder).map_err(failed("list", &folder))? {
            let path = entry.map_err(failed("list", &folder))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    fn content(folder: &Path) -> Content {
        let folders = vec![("logs", folder.to_owned())];
        Content { name: "here", tables: Tables::Below("a."), folders }
    }

    #[test]
    fn what_was_there_comes_back_and_what_came_later_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (store, content) = (Store::in_memory(), content(folder.path()));
        store.put("a.one", "1", &"planted-secret").unwrap();
        store.put("b.one", "1", &"another's").unwrap();
        fs_err::create_dir_all(folder.path().join("x")).unwrap();
        fs_err::write(folder.path().join("x").join("1.log"), "planted-line").unwrap();
        let now = SystemClock::shared().now();
        let text = Snapshot::take(&store, &content, now).unwrap().to_text();

        store.put("a.two", "2", &"later").unwrap();
        store.put("b.one", "1", &"changed").unwrap();
        fs_err::write(folder.path().join("late.log"), "late").unwrap();
        fs_err::remove_file(folder.path().join("x").join("1.log")).unwrap();

        let read = Snapshot::parse(&text).unwrap();
        store.write(read.batch(&store, &content).unwrap()).unwrap();
        read.write_files(&store, &content).unwrap();
        assert_eq!(store.get::<String>("a.one", "1").unwrap().as_deref(), Some("planted-secret"));
        assert_eq!(store.get::<String>("a.two", "2").unwrap(), None);
        assert_eq!(store.get::<String>("b.one", "1").unwrap().as_deref(), Some("changed"), "not of it");
        let log = fs_err::read_to_string(folder.path().join("x").join("1.log")).unwrap();
        assert_eq!(log, "planted-line");
        assert!(!folder.path().join("late.log").exists());

        let again = Snapshot::take(&store, &content, now).unwrap();
        assert!(again.documents == read.documents);
        let names = |of: &Snapshot| of.files.iter().map(|item| item.key.clone()).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&read));
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("planted") && text.contains("a.one"), "values are sealed, names are not");
    }

    #[test]
    fn what_is_no_snapshot_of_this_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (store, content) = (Store::in_memory(), content(folder.path()));
        store.put("a.one", "1", &"v").unwrap();
        fs_err::write(folder.path().join("1.log"), "line").unwrap();
        let now = SystemClock::shared().now();
        let good = Snapshot::take(&store, &content, now).unwrap();
        let why = |text: &str| Snapshot::parse(text.as_bytes()).unwrap_err().to_string();
        let text = String::from_utf8(good.to_text()).unwrap();
        assert!(why("{}").contains("no snapshot"));
        assert!(why(&text.replace("mayfly-snapshot", "other")).contains("format is `other`"));
        let later = text.replace("\"version\": 1", "\"version\": 7, \"new\": 1");
        assert!(
            why(&later).contains("version 7; this program reads and writes version 1"),
            "{}",
            why(&later)
        );

        let refused = |snapshot: &Snapshot| snapshot.open(&store, &content).unwrap_err().to_string();
        let other = Content { name: "there", ..content.clone() };
        let of_other = Snapshot::take(&store, &other, now).unwrap();
        assert!(refused(&of_other).contains("one of `there`, not of `here`"));
        let foreign = good.open(&Store::in_memory(), &content).unwrap_err().to_string();
        assert!(foreign.contains("`a.one/1` was not sealed with this instance's key"), "{foreign}");
        let mut swapped = good.clone();
        swapped.documents[0].key = "2".into();
        assert!(refused(&swapped).contains("not sealed"), "a value opens at its own place alone");
        for escape in ["logs/../out", "logs//etc", "logs/a\\b", "other/x", "logs"] {
            let sealed = store.seal_bytes(FILES, escape, b"x".to_vec());
            let stray = Snapshot { files: vec![sealed.into()], ..good.clone() };
            assert!(refused(&stray).contains("does not belong"), "{escape}");
        }
        assert!(good.open(&store, &content).is_ok(), "control");
    }
}
