//! How an organization is started.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use service_kit::{SharedClock, Shutdown, Store, StoreKey, SystemClock, SystemEntropy, serve_http};
use tower::ServiceExt as _;

use super::AzureDevOps;
use crate::settings::{Settings, Switches};

/// What an organization is started with.
#[derive(Debug)]
pub struct Builder {
    pools: Vec<String>,
    tokens: Vec<SecretString>,
    switches: Switches,
    clock: SharedClock,
    patience: Duration,
    key_file: Option<PathBuf>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            pools: vec!["Default".to_owned()],
            tokens: Vec::new(),
            switches: Switches::default(),
            clock: SystemClock::shared(),
            patience: Duration::from_secs(60),
            key_file: None,
        }
    }

    /// A pool beside `Default`.
    pub fn pool(mut self, name: &str) -> Self {
        self.pools.push(name.to_owned());
        self
    }

    /// A personal access token beside the one that is made up.
    pub fn personal_access_token(mut self, token: &str) -> Self {
        self.tokens.push(token.to_owned().into());
        self
    }

    /// Times and unpublished facts of the service.
    pub fn switches(mut self, switches: Switches) -> Self {
        self.switches = switches;
        self
    }

    /// Where the time comes from: a clock that the test moves makes sessions and locks expire at once.
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// How long a job's end is awaited, on the machine's clock: a minute if this is not said.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Snapshots are sealed with the key in this file, which is made where there is none: whoever has it, another test for
    /// example, can take them up. Otherwise the key is random and ends with the instance.
    pub fn key_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.key_file = Some(file.into());
        self
    }

    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Panics
    /// If no port can be bound, no temporary folder made or the key file not read.
    pub async fn start(self) -> AzureDevOps {
        let shutdown = Shutdown::new();
        // The service must know its own address before it is made, and the port is known only when it is bound.
        let late: Arc<OnceLock<Router>> = Arc::default();
        let found = Arc::clone(&late);
        let front = Router::new().fallback(move |request: Request| answer(Arc::clone(&found), request));
        let address =
            serve_http(([127, 0, 0, 1], 0).into(), front, &shutdown).await.expect("a free port can be bound");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let url = format!("http://{address}/acme");
        let entropy = SystemEntropy::shared();
        let token = entropy.token(20);
        let key = self.key_file.map(|file| StoreKey::load_or_create(&file, &entropy));
        let key = key.map(|key| key.unwrap_or_else(|error| panic!("{error}")));
        let store = key.map_or_else(Store::in_memory, Store::in_memory_with);
        let mut tokens = self.tokens;
        tokens.push(token.clone().into());
        let service = crate::AzureDevOps::new(Settings {
            base: url.parse().expect("an address is a URL"),
            organization: "acme".into(),
            pools: self.pools,
            personal_access_tokens: tokens,
            entra: None,
            members: Vec::new(),
            packages: Vec::new(),
            switches: self.switches,
            store,
            logs_dir: folder.path().join("logs"),
            clock: self.clock,
            entropy,
            shutdown: shutdown.clone(),
        })
        .expect("an empty organization can be made");
        let _ = late.set(service.router());
        AzureDevOps {
            service,
            url,
            token,
            patience: self.patience,
            expected_jobs: std::sync::Mutex::default(),
            shutdown,
            _folder: folder,
        }
    }
}

async fn answer(router: Arc<OnceLock<Router>>, request: Request) -> Result<Response, Infallible> {
    match router.get() {
        Some(router) => router.clone().oneshot(request).await,
        None => Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()),
    }
}
