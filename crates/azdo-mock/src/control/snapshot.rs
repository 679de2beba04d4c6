//! The organization in a file: given out, and taken up.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use service_kit::{SealedError, StoreKey};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::ControlError;
use super::lifecycle::apart;
use crate::app::AzureDevOps;
use crate::app::snapshot::{RestoreError, SnapshotError};

/// Names another key than the service's own, as 64 hexadecimal digits.
const KEY: &str = "mayfly-snapshot-key";

impl IntoResponse for SnapshotError {
    fn into_response(self) -> Response {
        ControlError::failed(StatusCode::INTERNAL_SERVER_ERROR, &self).into_response()
    }
}

impl IntoResponse for RestoreError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::File(SealedError::ForeignKey { .. }) => StatusCode::CONFLICT,
            Self::File(_) | Self::Content(_) | Self::Start(_) => StatusCode::BAD_REQUEST,
            Self::Store(_) | Self::Logs(_) | Self::Late(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ControlError::failed(status, &self).into_response()
    }
}

/// The key that a caller names, or the service's own.
fn key(service: &AzureDevOps, headers: &HeaderMap) -> Result<StoreKey, ControlError> {
    let Some(named) = headers.get(KEY) else { return Ok(service.snapshot_key().clone()) };
    let named = named.to_str().ok().and_then(StoreKey::from_hex);
    named.ok_or_else(|| ControlError::bad(format!("the header `{KEY}` holds no key: 64 hexadecimal digits")))
}

/// `POST snapshot`: the file. It is whole before the first byte of it is sent, so that an error is told as one.
pub(super) async fn take(
    State(service): State<AzureDevOps>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let key = key(&service, &headers).map_err(IntoResponse::into_response)?;
    let (file, length) = apart(move || -> Result<_, SnapshotError> {
        let file = BufWriter::new(service.files().scratch()?);
        let mut file = service.snapshot(file, &key)?.into_inner().map_err(std::io::Error::from)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok((file, length))
    })
    .await?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, body).into_response())
}

/// `POST restore`: the file as body.
pub(super) async fn restore(
    State(service): State<AzureDevOps>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Response> {
    let key = key(&service, &headers).map_err(IntoResponse::into_response)?;
    let file = received(&service, body).await.map_err(|error| {
        let why = format!("receive the snapshot: {error}");
        ControlError::bad(why).into_response()
    })?;
    let restored = apart(move || service.restore(BufReader::new(file), &key)).await?;
    Ok(Json(json!({"agents": restored.agents, "jobs": restored.jobs, "running": restored.running})))
}

/// A body as a file that nobody else sees.
async fn received(service: &AzureDevOps, body: Body) -> std::io::Result<File> {
    let mut file = tokio::fs::File::from_std(service.files().scratch()?);
    let mut stream = body.into_data_stream();
    while let Some(part) = stream.next().await {
        file.write_all(&part.map_err(std::io::Error::other)?).await?;
    }
    file.flush().await?;
    let mut file = file.into_std().await;
    file.rewind()?;
    Ok(file)
}
