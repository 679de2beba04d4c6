//! What the registry does to the disk and to the wire, and nothing else: no upload that could be resumed, no digest.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::put;
use futures_util::StreamExt as _;
use serde_json::json;
use service_kit::{Authority, Shutdown, SystemClock, serve_https};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio_util::io::ReaderStream;

use crate::Outcome;

pub(crate) async fn run() -> Outcome<()> {
    let (folder, shutdown) = (tempfile::tempdir()?, Shutdown::new());
    let authority = Authority::create(&SystemClock::shared())?;
    let tls = authority.issue(&["localhost".into()])?;
    let route = put(keep).get(give).layer(DefaultBodyLimit::disable());
    let router = Router::new().route("/", route).with_state(folder.path().to_owned());
    let address = serve_https(([127, 0, 0, 1], 0).into(), router, &tls, &shutdown).await?;
    let url = format!("https://localhost:{}/", address.port());
    writeln!(std::io::stdout(), "{}", json!({"url": url, "authority": authority.cert_pem()}))?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

type Failed = (StatusCode, String);

fn failed(error: impl std::fmt::Display) -> Failed {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn keep(State(folder): State<PathBuf>, body: Body) -> Result<(), Failed> {
    let coming = folder.join("coming");
    let file = fs_err::tokio::File::create(&coming).await.map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 18, file);
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        file.write_all(&piece.map_err(failed)?).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    file.get_ref().sync_all().await.map_err(failed)?;
    fs_err::tokio::rename(coming, folder.join("here")).await.map_err(failed)
}

async fn give(State(folder): State<PathBuf>) -> Result<Body, Failed> {
    let file = fs_err::tokio::File::open(folder.join("here")).await.map_err(failed)?;
    Ok(Body::from_stream(ReaderStream::with_capacity(file, 1 << 16)))
}
