//! Blobs as files named by their digest, and uploads as files that grow until they have one.
//!
//! Nothing here is held in memory but one buffer and, of an upload, its hash so far. A blob appears under its name only
//! when it is whole, checked and written through, so a crash leaves at worst an upload, which the client goes on with or
//! the sweep removes.

mod copy;
mod hashed;
mod place;
mod pour;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use fs_err::tokio as fs;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use self::hashed::Hashed;
use self::pour::Pouring;
use crate::digest::{Algorithm, Digest, Hasher};

/// The largest blob: what fits a layer of a large Windows image.
pub(crate) const LARGEST_BLOB: u64 = 20 * 1024 * 1024 * 1024;

/// Begins the names of files that are no uploads and not yet in place.
const SMALL: &str = "small-";

/// The files of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    root: PathBuf,
    busy: Arc<Mutex<HashSet<Uuid>>>,
    hashed: Hashed,
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// Another request writes to the same upload.
    #[error("another request is writing to this upload")]
    Busy,
    /// The client does not begin where the upload ends.
    #[error("the upload has {size} bytes")]
    Position { size: u64 },
    /// The body is longer or shorter than announced.
    #[error("the body has {got} bytes, announced were {announced}")]
    Length { got: u64, announced: u64 },
    /// Larger than any blob.
    #[error("more than {LARGEST_BLOB} bytes")]
    TooLarge,
    /// The client went away.
    #[error("the body ended early")]
    Body(#[source] axum::Error),
    /// There is no such upload.
    #[error("there is no such upload")]
    Unknown,
    /// The file could not be written.
    #[error("write an upload")]
    Io(#[source] io::Error),
}

/// Why an upload did not become a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FinishError {
    /// Its content has another digest.
    #[error("the content has the digest `{0}`")]
    Digest(Digest),
    /// Another request writes to the same upload.
    #[error("another request is writing to this upload")]
    Busy,
    /// A file could not be read or moved.
    #[error("finish an upload")]
    Io(#[source] io::Error),
}

/// Which bytes a chunk claims to be: start, and length if it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) start: Option<u64>,
    pub(crate) length: Option<u64>,
}

/// An upload whose content was checked. Nobody writes to it for as long as this lives.
pub(crate) struct Whole {
    _writing: Writing,
    id: Uuid,
    digest: Digest,
}

/// Marks an upload as being written to for as long as it lives.
struct Writing {
    busy: Arc<Mutex<HashSet<Uuid>>>,
    id: Uuid,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Content {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs_err::create_dir_all(root.join("blobs"))?;
        let uploads = root.join("uploads");
        fs_err::create_dir_all(&uploads)?;
        // Writes that a crash cut off; nobody comes back for them.
        for entry in fs_err::read_dir(&uploads)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(SMALL) {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(Self { root: root.to_owned(), busy: Arc::default(), hashed: Hashed::default() })
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.hex())
    }

    fn upload(&self, id: Uuid) -> PathBuf {
        self.root.join("uploads").join(id.simple().to_string())
    }

    fn writing(&self, id: Uuid) -> Option<Writing> {
        let fresh = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        fresh.then(|| Writing { busy: self.busy.clone(), id })
    }

    /// The size of a blob in bytes, if it is there.
    pub(crate) async fn size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        optional(fs::metadata(self.blob(digest)).await.map(|found| found.len()))
    }

    /// Streams `length` bytes of a blob from `start`.
    pub(crate) async fn stream(&self, digest: &Digest, start: u64, length: u64) -> io::Result<Body> {
        let mut file = fs::File::open(self.blob(digest)).await?;
        file.seek(SeekFrom::Start(start)).await?;
        Ok(Body::from_stream(ReaderStream::with_capacity(file.take(length), 1 << 16)))
    }

    /// A small blob as a whole: manifests, and configurations of images up to `limit` bytes.
    pub(crate) async fn read_up_to(&self, digest: &Digest, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.size(digest).await? {
            Some(size) if size <= limit => self.read(digest).await,
            _ => Ok(None),
        }
    }

    /// A manifest as a whole.
    pub(crate) async fn read(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        optional(fs::read(self.blob(digest)).await)
    }

    /// Keeps a small blob: manifests.
    pub(crate) async fn write(&self, id: Uuid, digest: &Digest, content: &[u8]) -> io::Result<()> {
        let path = self.root.join("uploads").join(format!("{SMALL}{}", id.simple()));
        let mut file = fs::File::create(&path).await?;
        file.write_all(content).await?;
        file.sync_all().await?;
        drop(file);
        self.put(path, digest).await
    }

    pub(crate) async fn remove(&self, digest: &Digest) -> io::Result<()> {
        optional(fs::remove_file(self.blob(digest)).await).map(|_| ())
    }

    /// An upload without a byte, which is to have a digest of this algorithm as far as is known.
    pub(crate) async fn begin(&self, id: Uuid, algorithm: Algorithm) -> io::Result<()> {
        fs::File::create(self.upload(id)).await?;
        self.hashed.begin(id, algorithm);
        Ok(())
    }

    /// How many bytes of an upload are there.
    pub(crate) async fn received(&self, id: Uuid) -> io::Result<Option<u64>> {
        optional(fs::metadata(self.upload(id)).await.map(|found| found.len()))
    }

    pub(crate) async fn cancel(&self, id: Uuid) -> io::Result<()> {
        self.hashed.forget(id);
        optional(fs::remove_file(self.upload(id)).await).map(|_| ())
    }

    /// Adds the body to an upload and returns its size. What arrived before a client went away stays.
    pub(crate) async fn append(&self, id: Uuid, chunk: Chunk, body: Body) -> Result<u64, AppendError> {
        let writing = self.writing(id).ok_or(AppendError::Busy)?;
        let before = self.received(id).await.map_err(AppendError::Io)?.ok_or(AppendError::Unknown)?;
        if chunk.start.is_some_and(|start| start != before) {
            return Err(AppendError::Position { size: before });
        }
        let old = self.hashed.take(id, before);
        let upload = Pouring::into(self.upload(id), old.clone(), writing);
        let (upload, poured) = upload.pour(body, before).await.map_err(AppendError::Io)?;
        match (poured, chunk.length) {
            (Ok(got), Some(announced)) if announced != got => {
                // A chunk that lies about its size is taken back as a whole.
                let _held = upload.back_to(before).await.map_err(AppendError::Io)?;
                self.hashed.put(id, old);
                Err(AppendError::Length { got, announced })
            }
            (poured, _) => {
                let mut sink = upload.done().await.map_err(AppendError::Io)?;
                self.hashed.put(id, sink.hash());
                Ok(before + poured?)
            }
        }
    }

    /// Checks that an upload's content has this digest, and writes it through. The upload stays one until it is placed.
    pub(crate) async fn verify(&self, id: Uuid, digest: &Digest) -> Result<Whole, FinishError> {
        let writing = self.writing(id).ok_or(FinishError::Busy)?;
        let (upload, digest, hashed) = (self.upload(id), digest.clone(), self.hashed.clone());
        let work = tokio::task::spawn_blocking(move || {
            // Windows syncs only what is open for writing.
            let mut file =
                fs_err::OpenOptions::new().read(true).write(true).open(&upload).map_err(FinishError::Io)?;
            let size = file.metadata().map_err(FinishError::Io)?.len();
            let actual = match hashed.digest(id, size, digest.algorithm()) {
                Some(known) => known,
                None => hash(&mut file, digest.algorithm()).map_err(FinishError::Io)?,
            };
            if actual != digest {
                return Err(FinishError::Digest(actual));
            }
            file.sync_all().map_err(FinishError::Io)?;
            Ok(digest)
        });
        let digest = work.await.map_err(|error| FinishError::Io(io::Error::other(error)))??;
        Ok(Whole { _writing: writing, id, digest })
    }

    /// Puts a checked upload in its place among the blobs.
    pub(crate) async fn place(&self, whole: &Whole) -> io::Result<()> {
        self.put(self.upload(whole.id), &whole.digest).await?;
        self.hashed.forget(whole.id);
        Ok(())
    }

    async fn put(&self, from: PathBuf, digest: &Digest) -> io::Result<()> {
        let (to, digest) = (self.blob(digest), digest.clone());
        let work = tokio::task::spawn_blocking(move || place::put(&from, &to, &digest));
        work.await.map_err(io::Error::other)?
    }

    /// The files of all blobs and manifests that are there.
    pub(crate) async fn blobs(&self) -> io::Result<BTreeSet<Digest>> {
        let mut listed = fs::read_dir(self.root.join("blobs")).await?;
        let mut found = BTreeSet::new();
        while let Some(entry) = listed.next_entry().await? {
            found.extend(entry.file_name().to_str().and_then(Digest::from_file_name));
        }
        Ok(found)
    }

    /// Bytes of all blobs and manifests.
    pub(crate) fn used(&self) -> io::Result<u64> {
        let mut sum = 0_u64;
        for entry in fs_err::read_dir(self.root.join("blobs"))? {
            sum = sum.saturating_add(entry?.metadata().map(|found| found.len()).unwrap_or_default());
        }
        Ok(sum)
    }

    /// All uploads that are there.
    pub(crate) async fn uploads(&self) -> io::Result<Vec<Uuid>> {
        let mut listed = fs::read_dir(self.root.join("uploads")).await?;
        let mut found = Vec::new();
        while let Some(entry) = listed.next_entry().await? {
            found.extend(entry.file_name().to_str().and_then(|name| name.parse::<Uuid>().ok()));
        }
        Ok(found)
    }
}

fn hash(file: &mut impl io::Read, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(hasher.finish()),
            Some(piece) => hasher.update(piece),
        }
    }
}

/// Whether a file's content has this digest.
fn holds(path: &Path, digest: &Digest) -> io::Result<bool> {
    Ok(hash(&mut fs_err::File::open(path)?, digest.algorithm())? == *digest)
}

/// `None` in place of "not found".
fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
