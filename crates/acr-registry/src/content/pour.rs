//! From a body into an upload: what came is written and hashed while more comes.

use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use tokio::task::{JoinHandle, spawn_blocking};

use super::hashed::Progress;
use super::{AppendError, LARGEST_BLOB, Writing};

/// Bytes that come before they are written. As many again come meanwhile, so no upload holds more than twice this.
const BATCH: usize = 1 << 18;
/// Bytes after which the disk is asked to keep what is there, so that the end of a large layer does not wait for all of it,
/// and no more than twice as many wait to be written out.
const SYNCED: usize = 32 << 20;
/// What pieces smaller than this are gathered in before the system is called.
const BUFFER: usize = 1 << 16;

/// The end of an upload. Nobody else writes to it for as long as this lives, also where whoever poured went away.
pub(super) struct Sink {
    file: BufWriter<fs_err::File>,
    hash: Option<Progress>,
    _writing: Writing,
}

impl Sink {
    fn open(path: PathBuf, hash: Option<Progress>, writing: Writing) -> io::Result<Self> {
        // Not for appending: on Windows such a file cannot be cut short again.
        let mut file = fs_err::OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER, file), hash, _writing: writing })
    }

    fn take(&mut self, batch: &[Bytes]) -> io::Result<()> {
        for piece in batch {
            self.file.write_all(piece)?;
            if let Some(hash) = &mut self.hash {
                hash.update(piece);
            }
        }
        Ok(())
    }

    /// The hash of what is in the file, where that of what was there before was known.
    pub(super) fn hash(&mut self) -> Option<Progress> {
        self.hash.take()
    }
}

/// A sink at work on a thread that may block.
pub(super) struct Pouring {
    path: PathBuf,
    sink: JoinHandle<io::Result<Sink>>,
    /// Bytes since the disk was last asked to keep what is there.
    unsynced: usize,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Pouring {
    /// Opens an upload; `hash` is that of what is in it.
    pub(super) fn into(path: PathBuf, hash: Option<Progress>, writing: Writing) -> Self {
        let opened = path.clone();
        let sink = spawn_blocking(move || Sink::open(opened, hash, writing));
        Self { path, sink, unsynced: 0, syncing: None }
    }

    /// Waits for what the sink is at, and begins with this.
    async fn then(self, work: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let mut sink = done(self.sink).await?;
        Ok(Self { sink: spawn_blocking(move || work(&mut sink).map(|()| sink)), ..self })
    }

    /// Writes a batch, and has the disk keep the ones before it meanwhile.
    async fn write(self, batch: Vec<Bytes>, size: usize) -> io::Result<Self> {
        let mut next = self.then(move |sink| sink.take(&batch)).await?;
        next.unsynced += size;
        if next.unsynced >= SYNCED {
            next.synced().await?;
            let path = next.path.clone();
            // Windows syncs only what is open for writing.
            let sync = move || fs_err::OpenOptions::new().write(true).open(path)?.sync_data();
            next.syncing = Some(spawn_blocking(sync));
            next.unsynced = 0;
        }
        Ok(next)
    }

    async fn synced(&mut self) -> io::Result<()> {
        match self.syncing.take() {
            Some(syncing) => done(syncing).await,
            None => Ok(()),
        }
    }

    /// The sink with all that was given to it in its file.
    pub(super) async fn done(self) -> io::Result<Sink> {
        done(self.sink).await
    }

    /// Cuts the file to this size again.
    pub(super) async fn back_to(self, size: u64) -> io::Result<Sink> {
        self.then(move |sink| sink.file.get_ref().set_len(size)).await?.done().await
    }

    /// Pours a whole body in behind the `before` bytes that are there. Gives how many it had, or why it ended early; what
    /// came until then is in the file.
    ///
    /// # Errors
    /// The file could not be written.
    pub(super) async fn pour(
        mut self,
        body: Body,
        before: u64,
    ) -> io::Result<(Self, Result<u64, AppendError>)> {
        let (mut body, mut batch, mut size, mut got) = (body.into_data_stream(), Vec::new(), 0, 0);
        let poured = loop {
            let piece = match body.next().await {
                None => break Ok(got),
                Some(Err(error)) => break Err(AppendError::Body(error)),
                Some(Ok(piece)) => piece,
            };
            got += piece.len() as u64;
            if before + got > LARGEST_BLOB {
                break Err(AppendError::TooLarge);
            }
            size += piece.len();
            batch.push(piece);
            if size >= BATCH {
                self = self.write(std::mem::take(&mut batch), std::mem::take(&mut size)).await?;
            }
        };
        self.synced().await?;
        let last = self.then(move |sink| sink.take(&batch).and_then(|()| sink.file.flush())).await?;
        Ok((last, poured))
    }
}

async fn done<T>(work: JoinHandle<io::Result<T>>) -> io::Result<T> {
    work.await.map_err(io::Error::other)?
}
