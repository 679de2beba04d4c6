//! Downloads a package once: resumable, checked, and moved into place only when whole.
//!
//! The cache folder holds `packages/<file name>`, beside it while a download runs `….part` with the bytes so far and
//! `….part.json` with what they belong to. Resuming asks with `Range` and `If-Range` (RFC 9110, sections 13.1.5 and
//! 14), so that bytes of two different archives are never joined.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err::tokio as fs;
use futures_util::StreamExt;
use reqwest::{Client, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::cache;
use crate::http::{ClientError, client, download_redirects};
use crate::packages::AgentPackage;
use crate::report::Reporter;

/// Real packages have 100 to 250 MB.
const LARGEST: u64 = 4 * 1024 * 1024 * 1024;

/// Why a package is not there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cache could not be read or written.
    #[error("keep `{file_name}` in the cache")]
    Cache {
        /// The archive.
        file_name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection failed, more than once.
    #[error("download `{url}` ({done} bytes arrived)")]
    Broken {
        /// The archive.
        url: Url,
        /// How much of it is kept for the next try.
        done: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is no archive.
    #[error("download `{url}`: the server answered {told}")]
    Refused {
        /// The archive.
        url: Url,
        /// Status or kind of the answer.
        told: String,
        /// Whether the server may change its mind.
        retryable: bool,
    },
    /// The bytes are not what the packages API announced.
    #[error(
        "check `{file_name}`: its SHA-256 is {actual}, announced was {expected}; the download was thrown away"
    )]
    Hash {
        /// The archive.
        file_name: String,
        /// Announced.
        expected: String,
        /// Found.
        actual: String,
    },
    /// Larger than any package.
    #[error("download `{url}`: more than {LARGEST} bytes, which is no agent package")]
    TooLarge {
        /// The archive.
        url: Url,
    },
}

impl DownloadError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Broken { .. } => Some("run it again: the download goes on where it stopped"),
            Self::Hash { .. } => Some(
                "somebody on the way changes downloads, or the service announces a wrong hash; do not use this package",
            ),
            Self::Refused { .. } => Some("download the package yourself and give it with --agent-package"),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Refused { retryable: true, .. })
    }
}

/// How often a download is taken up again, and how long the pause before the first time is; each further one is
/// twice as long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) attempts: u32,
    pub(crate) pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 5, pause: Duration::from_secs(1) }
    }
}

/// What the bytes of a `.part` file belong to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PartState {
    url: Url,
    sha256: String,
    /// `ETag` or `Last-Modified`. Without one a download cannot be taken up again.
    validator: Option<String>,
}

/// The places of one package in the cache.
struct Places {
    whole: PathBuf,
    part: PathBuf,
    state: PathBuf,
    lock: PathBuf,
}

impl Places {
    fn new(cache_dir: &Path, file_name: &str) -> Self {
        let folder = cache_dir.join("packages");
        let place = |suffix: &str| folder.join(format!("{file_name}{suffix}"));
        Self { whole: place(""), part: place(".part"), state: place(".part.json"), lock: place(".lock") }
    }
}

/// The package's place in the cache; downloads it if it is not there.
pub(crate) async fn fetch(
    package: &AgentPackage,
    cache_dir: &Path,
    ca_file: Option<&Path>,
    patience: Patience,
    reporter: &dyn Reporter,
) -> Result<PathBuf, DownloadError> {
    let cache = |source| DownloadError::Cache { file_name: package.file_name.clone(), source };
    let places = Places::new(cache_dir, &package.file_name);
    let _lock = cache::lock(&places.lock, &package.file_name, reporter).await.map_err(cache)?;
    if cached(package, &places, reporter).await.map_err(cache)? {
        return Ok(places.whole);
    }
    reporter.step(&format!("download {} from {}", package.file_name, package.download_url));
    let client = client(ca_file, download_redirects())?;
    let mut pause = patience.pause;
    for attempt in 1.. {
        match transfer(&client, package, &places, reporter).await {
            Ok(()) => break,
            Err(error) if error.is_retryable() && attempt < patience.attempts => {
                reporter.step(&format!("the download stopped ({}); going on in {pause:?}", reason(&error)));
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
    let actual = hash(&places.part).await.map_err(cache)?;
    if actual != package.sha256 {
        discard(&places).await.map_err(cache)?;
        return Err(DownloadError::Hash {
            file_name: package.file_name.clone(),
            expected: package.sha256.clone(),
            actual,
        });
    }
    fs::rename(&places.part, &places.whole).await.map_err(cache)?;
    forget(&places.state).await.map_err(cache)?;
    Ok(places.whole)
}

async fn cached(package: &AgentPackage, places: &Places, reporter: &dyn Reporter) -> io::Result<bool> {
    if !fs::try_exists(&places.whole).await? {
        return Ok(false);
    }
    if hash(&places.whole).await? == package.sha256 {
        reporter.step(&format!("{} is in the cache", package.file_name));
        return Ok(true);
    }
    reporter.step(&format!(
        "{} in the cache is not what the service offers now; replacing it",
        package.file_name
    ));
    forget(&places.whole).await?;
    Ok(false)
}

async fn transfer(
    client: &Client,
    package: &AgentPackage,
    places: &Places,
    reporter: &dyn Reporter,
) -> Result<(), DownloadError> {
    let cache = |source| DownloadError::Cache { file_name: package.file_name.clone(), source };
    let url = || package.download_url.clone();
    let (have, validator) = kept(package, places).await.map_err(cache)?;
    let mut request = client.get(url());
    if let (Some(validator), 1..) = (&validator, have) {
        request = request.header(header::RANGE, format!("bytes={have}-")).header(header::IF_RANGE, validator);
    }
    let answer = request.send().await.map_err(|error| broken(url(), have, error.without_url()))?;
    let start = match start_of(&answer, have) {
        Ok(start) => start,
        Err(told) => {
            discard(places).await.map_err(cache)?;
            let retryable = answer.status().is_server_error()
                || matches!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT)
                || answer.status() == StatusCode::TOO_MANY_REQUESTS;
            return Err(DownloadError::Refused { url: url(), told, retryable });
        }
    };
    if start > 0 {
        reporter.step(&format!("{start} bytes are there already; going on from them"));
    }
    let total = answer.content_length().map(|length| start + length);
    let state = PartState {
        url: url(),
        sha256: package.sha256.clone(),
        validator: validator_of(&answer).or(validator),
    };
    receive(answer, start, total, &state, places, reporter).await
}

/// Where the answer's body begins, or what is wrong with the answer.
fn start_of(answer: &Response, have: u64) -> Result<u64, String> {
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match answer.status() {
        StatusCode::OK if header(header::CONTENT_TYPE).starts_with("text/html") => {
            Err("a page in place of an archive".into())
        }
        StatusCode::OK => Ok(0),
        StatusCode::PARTIAL_CONTENT => {
            let range = header(header::CONTENT_RANGE);
            let starts = range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok());
            if starts == Some(have) {
                Ok(have)
            } else {
                Err(format!("another range than asked for: `{range}`"))
            }
        }
        status => Err(format!("status {status}")),
    }
}

async fn receive(
    answer: Response,
    start: u64,
    total: Option<u64>,
    state: &PartState,
    places: &Places,
    reporter: &dyn Reporter,
) -> Result<(), DownloadError> {
    let file_name = || places.whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cache = |source| DownloadError::Cache { file_name: file_name(), source };
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(start == 0)
        .open(&places.part)
        .await
        .map_err(cache)?;
    let text = serde_json::to_vec(state).map_err(|error| cache(error.into()))?;
    fs::write(&places.state, text).await.map_err(cache)?;
    file.seek(SeekFrom::Start(start)).await.map_err(cache)?;
    let mut done = start;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                file.flush().await.map_err(cache)?;
                return Err(broken(state.url.clone(), done, error.without_url()));
            }
        };
        done += chunk.len() as u64;
        if done > LARGEST {
            drop(file);
            discard(places).await.map_err(cache)?;
            return Err(DownloadError::TooLarge { url: state.url.clone() });
        }
        file.write_all(&chunk).await.map_err(cache)?;
        reporter.progress(done, total);
    }
    file.flush().await.map_err(cache)?;
    file.sync_all().await.map_err(cache)?;
    match total {
        Some(total) if total != done => Err(broken(
            state.url.clone(),
            done,
            io::Error::other(format!("the body ended before its {total} bytes")),
        )),
        _ => Ok(()),
    }
}

/// How many bytes of this very archive are there, and what to ask the server about them.
async fn kept(package: &AgentPackage, places: &Places) -> io::Result<(u64, Option<String>)> {
    let state = match fs::read(&places.state).await {
        Ok(text) => serde_json::from_slice::<PartState>(&text).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let same = |state: &PartState| state.url == package.download_url && state.sha256 == package.sha256;
    let Some(validator) = state.filter(same).and_then(|state| state.validator) else { return Ok((0, None)) };
    match fs::metadata(&places.part).await {
        Ok(part) => Ok((part.len(), Some(validator))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, None)),
        Err(error) => Err(error),
    }
}

/// A weak `ETag` says nothing about single bytes, so only a strong one or a date will do.
fn validator_of(answer: &Response) -> Option<String> {
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let strong = header(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| header(header::LAST_MODIFIED)).map(str::to_owned)
}

async fn hash(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || cache::sha256_of(&path).map(|(hash, _)| hash))
        .await
        .map_err(io::Error::other)?
}

async fn discard(places: &Places) -> io::Result<()> {
    forget(&places.part).await?;
    forget(&places.state).await
}

async fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn broken(url: Url, done: u64, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DownloadError {
    DownloadError::Broken { url, done, source: source.into() }
}

fn reason(error: &DownloadError) -> String {
    match error {
        DownloadError::Broken { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
