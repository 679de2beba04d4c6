//! The service alone, on a free port of this machine, for clients that run in another system than the one it runs on: the
//! Windows suite of the entrypoint under Wine. Prints one line of JSON with its addresses and the token; ends when its
//! standard input does.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use azdo_mock::{AzureDevOps, Settings, Switches};
use service_kit::{Shutdown, Store, SystemClock, SystemEntropy, serve_http};
use tower::ServiceExt as _;

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let shutdown = Shutdown::new();
    // The service must know its own address before it is made, and the port is known only when it is bound.
    let late: Arc<OnceLock<Router>> = Arc::default();
    let found = Arc::clone(&late);
    let front = Router::new().fallback(move |request: Request| answer(Arc::clone(&found), request));
    let address = serve_http(([127, 0, 0, 1], 0).into(), front, &shutdown).await?;
    let base = format!("http://{address}/acme");
    let entropy = SystemEntropy::shared();
    let token = entropy.token(20);
    let logs = std::env::temp_dir().join(format!("azdo-mock-{}", std::process::id()));
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
        logs_dir: logs.clone(),
        clock: SystemClock::shared(),
        entropy,
        shutdown: shutdown.clone(),
    })?;
    let router = Router::new().nest("/control", service.control_router()).fallback_service(service.router());
    let _ = late.set(router);
    let line =
        serde_json::json!({"url": base, "control": format!("http://{address}/control"), "token": token});
    writeln!(std::io::stdout(), "{line}")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    shutdown.stop(Duration::from_secs(5)).await;
    if logs.exists() {
        fs_err::remove_dir_all(logs)?;
    }
    Ok(())
}

async fn answer(router: Arc<OnceLock<Router>>, request: Request) -> Result<Response, Infallible> {
    match router.get() {
        Some(router) => router.clone().oneshot(request).await,
        None => Ok(axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response()),
    }
}
