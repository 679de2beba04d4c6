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
pub(super) struct Pouring(JoinHandle<io::Result<Sink>>);

impl Pouring {
    /// Opens an upload; `hash` is that of what is in it.
    pub(super) fn into(path: PathBuf, hash: Option<Progress>, writing: Writing) -> Self {
        Self(spawn_blocking(move || Sink::open(path, hash, writing)))
    }

    /// Waits for what it is at, and begins with this.
    async fn then(self, work: impl FnOnce(&mut Sink) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let mut sink = self.done().await?;
        Ok(Self(spawn_blocking(move || work(&mut sink).map(|()| sink))))
    }

    pub(super) async fn done(self) -> io::Result<Sink> {
        self.0.await.map_err(io::Error::other)?
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
            let piece: Bytes = match body.next().await {
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
                let full = std::mem::take(&mut batch);
                self = self.then(move |sink| sink.take(&full)).await?;
                size = 0;
            }
        };
        let last = self.then(move |sink| sink.take(&batch).and_then(|()| sink.file.flush())).await?;
        Ok((last, poured))
    }
}
