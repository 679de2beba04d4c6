//! Snapshots over a control API: the key that a caller names, a body as a file, a file as an answer.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom};
use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::control::ControlError;
use crate::store::StoreKey;

/// The header that names another key than the service's own, as 64 hexadecimal digits.
pub const SNAPSHOT_KEY: &str = "mayfly-snapshot-key";

/// The key that a caller names, or the service's own.
///
/// # Errors
/// The header is there and holds no key.
pub fn snapshot_key(headers: &HeaderMap, own: &StoreKey) -> Result<StoreKey, ControlError> {
    let Some(named) = headers.get(SNAPSHOT_KEY) else { return Ok(own.clone()) };
    let named = named.to_str().ok().and_then(StoreKey::from_hex);
    named.ok_or_else(|| {
        ControlError::bad(format!("the header `{SNAPSHOT_KEY}` holds no key: 64 hexadecimal digits"))
    })
}

/// A file that is being written before it is sent: nobody else sees it, and it goes when it is closed.
#[derive(Debug)]
pub struct SnapshotFile(BufWriter<File>);

impl SnapshotFile {
    /// An empty one, in a folder that is made where it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(scratch(folder)?)))
    }

    /// The answer that gives it out. It is whole before the first byte of it is sent, so that an error is told as one.
    ///
    /// # Errors
    /// It cannot be written or read.
    pub fn answer(self) -> io::Result<Response> {
        let mut file = self.0.into_inner().map_err(io::Error::from)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
        ];
        Ok((headers, body).into_response())
    }
}

impl io::Write for SnapshotFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A body as a file that nobody else sees, in a folder that is made where it is not there.
///
/// # Errors
/// The body ended early, or the file cannot be written.
pub async fn snapshot_received(folder: &Path, body: Body) -> Result<BufReader<File>, ControlError> {
    let received = async {
        let mut file = tokio::fs::File::from_std(scratch(folder)?);
        let mut stream = body.into_data_stream();
        while let Some(part) = stream.next().await {
            file.write_all(&part.map_err(io::Error::other)?).await?;
        }
        file.flush().await?;
        let mut file = file.into_std().await;
        file.rewind()?;
        Ok(BufReader::new(file))
    };
    received.await.map_err(|error: io::Error| ControlError::bad(format!("receive the snapshot: {error}")))
}

fn scratch(folder: &Path) -> io::Result<File> {
    fs_err::create_dir_all(folder)?;
    tempfile::tempfile_in(folder)
}
