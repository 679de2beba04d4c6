//! Logs, console lines and attachments: plain files, streamed in and out.

mod staged;

pub(crate) use staged::Staged;

use std::collections::{BTreeSet, HashMap};
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use crate::wire::ids::{LogId, PlanId, RecordId, TimelineId};

/// Console lines of one request to the feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FeedLines {
    pub(crate) step: Uuid,
    /// Number of the first line in the step's log, from 1; absent when the agent did not say.
    pub(crate) start: Option<u64>,
    pub(crate) lines: Vec<String>,
}

/// What the file of an attachment is found by.
pub(crate) fn attachment_key(timeline: TimelineId, record: RecordId, kind: &str, name: &str) -> String {
    format!("{timeline}/{record}/{kind}/{name}")
}

/// The folder they are in.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    /// One writer per file at a time.
    writing: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

impl Files {
    pub(crate) fn open(folder: PathBuf) -> std::io::Result<Self> {
        fs_err::create_dir_all(&folder)?;
        Ok(Self { folder, writing: Mutex::default() })
    }

    fn plan(&self, plan: PlanId) -> PathBuf {
        self.folder.join(plan.to_string())
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the files of all plans but some. What is on its way begins with a dot, and stays.
    pub(crate) fn keep_only(&self, plans: &BTreeSet<PlanId>) -> std::io::Result<()> {
        let kept: BTreeSet<_> = plans.iter().map(ToString::to_string).collect();
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_none_or(|name| !kept.contains(name) && !name.starts_with('.')) {
                let path = entry.path();
                if path.is_dir() { fs_err::remove_dir_all(path)? } else { fs_err::remove_file(path)? }
            }
        }
        Ok(())
    }

    /// The file of a log.
    pub(crate) fn log(&self, plan: PlanId, log: LogId) -> PathBuf {
        self.plan(plan).join(format!("{log}.log"))
    }

    /// The file of a job's console lines.
    pub(crate) fn feed(&self, plan: PlanId) -> PathBuf {
        self.plan(plan).join("feed.jsonl")
    }

    /// The file of an attachment. Its name is the caller's, so it becomes no part of the path.
    pub(crate) fn attachment(&self, plan: PlanId, name: &str) -> PathBuf {
        let hash = crate::wire::crypto::sha256_hex(name.as_bytes());
        self.plan(plan).join(format!("attachment-{hash}"))
    }

    /// Keeps other writers away from a file.
    pub(crate) async fn lock(&self, file: &Path) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            // Locks that nobody holds any more are dropped now and then.
            if writing.len() > 256 {
                writing.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            writing.entry(file.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// Appends console lines. A crash of the machine may lose them; logs are what is kept.
    pub(crate) async fn append_feed(&self, plan: PlanId, lines: &FeedLines) -> std::io::Result<()> {
        let file = self.feed(plan);
        let mut text = serde_json::to_string(lines).map_err(std::io::Error::other)?;
        text.push('\n');
        let _alone = self.lock(&file).await;
        fs_err::tokio::create_dir_all(self.plan(plan)).await?;
        let mut opened = fs_err::tokio::OpenOptions::new().append(true).create(true).open(&file).await?;
        opened.write_all(text.as_bytes()).await?;
        opened.flush().await
    }
}

/// Appends a body to a file whose first `kept` bytes count; what a broken upload left behind them is cut off.
/// Returns bytes and lines appended. The caller holds the file's lock.
pub(crate) async fn append(file: &Path, kept: u64, body: Body) -> std::io::Result<(u64, u64)> {
    if let Some(folder) = file.parent() {
        fs_err::tokio::create_dir_all(folder).await?;
    }
    let mut opened =
        fs_err::tokio::OpenOptions::new().write(true).create(true).truncate(false).open(file).await?;
    opened.set_len(kept).await?;
    opened.seek(SeekFrom::Start(kept)).await?;
    let (mut bytes, mut lines, mut last) = (0, 0, b'\n');
    let mut stream: BodyDataStream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        opened.write_all(&chunk).await?;
        bytes += chunk.len() as u64;
        lines += chunk.split(|byte| *byte == b'\n').count() as u64 - 1;
        last = chunk.last().copied().unwrap_or(last);
    }
    if last != b'\n' {
        // The next page begins on a line of its own.
        opened.write_all(b"\n").await?;
        bytes += 1;
        lines += 1;
    }
    opened.sync_data().await?;
    Ok((bytes, lines))
}

/// Replaces a file's content by a body. The caller holds the file's lock.
pub(crate) async fn replace(file: &Path, body: Body) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs_err::tokio::create_dir_all(folder).await?;
    }
    let partial = file.with_extension("partial");
    let mut opened = fs_err::tokio::File::create(&partial).await?;
    let mut stream: BodyDataStream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        opened.write_all(&chunk.map_err(std::io::Error::other)?).await?;
    }
    opened.sync_data().await?;
    fs_err::tokio::rename(&partial, file).await
}

/// `length` bytes of a file from `start` on, as a body.
pub(crate) async fn stream(file: &Path, start: u64, length: u64) -> std::io::Result<Body> {
    let mut opened = fs_err::tokio::File::open(file).await?;
    opened.seek(SeekFrom::Start(start)).await?;
    Ok(Body::from_stream(ReaderStream::with_capacity(
        tokio::io::AsyncReadExt::take(opened, length),
        64 * 1024,
    )))
}
