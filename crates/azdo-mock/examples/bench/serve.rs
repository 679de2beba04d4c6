//! The service on a free port, with a bare route beside it that does the same to the disk.

use std::convert::Infallible;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use azdo_mock::{AzureDevOps, Settings, Switches};
use futures_util::StreamExt as _;
use service_kit::{Shutdown, Store, SystemClock, SystemEntropy, serve_http};
use tokio::io::AsyncWriteExt as _;
use tower::ServiceExt as _;

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::new();
    let late: Arc<OnceLock<Router>> = Arc::default();
    let found = Arc::clone(&late);
    let front = Router::new().fallback(move |request: Request| answer(Arc::clone(&found), request));
    let address = serve_http(([127, 0, 0, 1], 0).into(), front, &shutdown).await?;
    let base = format!("http://{address}/acme");
    let entropy = SystemEntropy::shared();
    let (token, folder) = (entropy.token(20), tempfile::tempdir()?);
    let service = AzureDevOps::new(Settings {
        base: base.parse()?,
        organization: "acme".into(),
        pools: vec!["Default".into()],
        personal_access_tokens: vec![token.clone().into()],
        entra: None,
        members: Vec::new(),
        packages: Vec::new(),
        switches: Switches::default(),
        store: Store::in_memory(),
        logs_dir: folder.path().join("logs"),
        clock: SystemClock::shared(),
        entropy,
        shutdown: shutdown.clone(),
    })?;
    let bare = post(append).layer(DefaultBodyLimit::disable()).with_state(folder.path().join("bare"));
    let router = Router::new()
        .route("/bare", bare)
        .nest("/control", service.control_router())
        .fallback_service(service.router());
    let _ = late.set(router);
    writeln!(std::io::stdout(), "{}", serde_json::json!({"host": address, "token": token}))?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// What a log's page does and nothing else: the body goes to the end of a file, and to the disk.
async fn append(State(file): State<PathBuf>, body: Body) -> Result<(), (StatusCode, String)> {
    let failed = |error: std::io::Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let mut opened =
        fs_err::tokio::OpenOptions::new().append(true).create(true).open(file).await.map_err(failed)?;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| failed(std::io::Error::other(error)))?;
        opened.write_all(&chunk).await.map_err(failed)?;
    }
    opened.sync_data().await.map_err(failed)
}

async fn answer(router: Arc<OnceLock<Router>>, request: Request) -> Result<Response, Infallible> {
    match router.get() {
        Some(router) => router.clone().oneshot(request).await,
        None => Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()),
    }
}
