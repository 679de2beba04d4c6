//! The service where programs can call it, and the workspace's own agent as a program: its processes run on this machine,
//! without containers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use azdo_mock::{AzureDevOps, Settings, Switches};
use reqwest::Method;
use serde_json::Value;
use service_kit::{Shutdown, Store, SystemClock, SystemEntropy, VirtualClock, serve_http};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tower::ServiceExt as _;

use crate::server::{Ask, PAT};

/// Panics of this process: one test has it for itself.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// What agents are told of the time.
#[derive(Clone, Copy)]
struct Pace {
    /// When theirs and the machine's were the same, in milliseconds since 1970. Without it that is when they start, so that
    /// a slow machine does not lead them away from a service on the machine's clock.
    start: Option<i64>,
    speed: u32,
}

impl Pace {
    fn told(self) -> String {
        let start = self.start.unwrap_or_else(|| SystemClock::shared().now().as_millisecond());
        format!("{start}x{}", self.speed)
    }
}

/// A service on a port of its own, at the address that it gives out.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) clock: Option<VirtualClock>,
    pace: Option<Pace>,
    control: String,
    shutdown: Shutdown,
    folder: TempDir,
    http: reqwest::Client,
}

impl World {
    /// The service and its agents run `speed` times as fast as the machine; on the machine's clock where there is none.
    pub(crate) async fn start(speed: Option<u32>) -> Self {
        // Before any clock runs: a build takes its time.
        programs().await;
        let now = SystemClock::shared().now();
        let clock = speed.map(|speed| VirtualClock::running(now, speed));
        let mut world = Self::with(clock).await;
        world.pace = speed.map(|speed| Pace { start: Some(now.as_millisecond()), speed });
        world
    }

    async fn with(clock: Option<VirtualClock>) -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
        let (shutdown, folder) = (Shutdown::new(), TempDir::new().unwrap());
        // The service must know its address before it is made, and the port is known only when it is bound.
        let late: Arc<OnceLock<Router>> = Arc::default();
        let found = Arc::clone(&late);
        let front = Router::new().fallback(move |request: Request| {
            let router = found.get().cloned();
            async move {
                match router {
                    Some(router) => router.oneshot(request).await.into_response(),
                    None => axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            }
        });
        let address = serve_http(([127, 0, 0, 1], 0).into(), front, &shutdown).await.unwrap();
        let url = format!("http://{address}/acme");
        let service = AzureDevOps::new(Settings {
            base: url.parse().unwrap(),
            organization: "acme".into(),
            pools: vec!["Default".into()],
            personal_access_tokens: vec![PAT.into()],
            entra: None,
            members: Vec::new(),
            packages: Vec::new(),
            switches: Switches::default(),
            store: Store::in_memory(),
            logs_dir: folder.path().join("logs"),
            clock: clock.as_ref().map_or_else(SystemClock::shared, VirtualClock::shared),
            entropy: SystemEntropy::shared(),
            shutdown: shutdown.clone(),
        })
        .unwrap();
        let router =
            Router::new().nest("/control", service.control_router()).fallback_service(service.router());
        assert!(late.set(router).is_ok());
        let control = format!("http://{address}/control");
        let http = reqwest::Client::new();
        Self { url, clock, pace: None, control, shutdown, folder, http }
    }

    /// Shortens the waits of agents alone: the service stays on its clock.
    pub(crate) fn hurry_agents(&mut self, speed: u32) {
        self.pace = Some(Pace { start: None, speed });
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.control));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.answer().await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text);
        answer.body
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.control(Method::GET, path, None).await
    }

    /// Asks until the answer is as wanted; the last one where it never is.
    pub(crate) async fn until(
        &self,
        path: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Value> {
        let end = std::time::Instant::now() + limit;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return Ok(answer);
            }
            if std::time::Instant::now() > end {
                return Err(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many panics there were since the start.
    pub(crate) fn panics() -> usize {
        PANICS.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(self) {
        assert!(self.shutdown.stop(Duration::from_secs(10)).await, "a task of the service did not end");
    }
}

/// An agent in a folder of its own, as in a container that has just been made.
pub(crate) struct StubAgent {
    root: TempDir,
    name: String,
    url: String,
    pace: Option<Pace>,
}

impl StubAgent {
    pub(crate) async fn unpack(world: &World, name: &str) -> Self {
        let root = TempDir::new_in(world.folder()).unwrap();
        let bin = root.path().join("bin");
        fs_err::create_dir_all(&bin).unwrap();
        let built = programs().await;
        for (program, vendors) in [("agent-listener", "Agent.Listener"), ("agent-worker", "Agent.Worker")] {
            if std::fs::hard_link(built.join(program), bin.join(vendors)).is_err() {
                fs_err::copy(built.join(program), bin.join(vendors)).unwrap();
            }
        }
        fs_err::write(bin.join("agent.version"), "4.270.0\n").unwrap();
        Self { root, name: name.to_owned(), url: world.url.clone(), pace: world.pace }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root.path().join("bin/Agent.Listener"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(pace) = self.pace {
            command.env("MAYFLY_STUB_CLOCK", pace.told());
        }
        command
    }

    /// Registers under the agent's name, in place of what has it; whether that went well.
    pub(crate) fn configure(&self) -> Child {
        let mut command = self.command(&["configure", "--unattended", "--auth", "PAT", "--pool", "Default"]);
        command.args(["--replace", "--acceptTeeEula", "--work", "_work", "--agent", &self.name]);
        command.args(["--url", &self.url, "--token", PAT]).spawn().unwrap()
    }

    pub(crate) fn run_once(&self) -> Child {
        self.command(&["run", "--once"]).spawn().unwrap()
    }

    /// What the agent wrote of itself.
    pub(crate) fn diagnostics(&self) -> String {
        let Ok(files) = fs_err::read_dir(self.root.path().join("_diag")) else { return String::new() };
        files.filter_map(|file| fs_err::read_to_string(file.ok()?.path()).ok()).collect::<Vec<_>>().join("\n")
    }
}

/// A signal, as `kill` sends it.
pub(crate) async fn signal(child: &Child, name: &str) {
    if let Some(id) = child.id() {
        // One that has just ended is as good.
        let _ = Command::new("kill").args([name, &id.to_string()]).stderr(Stdio::null()).status().await;
    }
}

/// Where the agent's programs are. They are of another package, so Cargo is asked for them; `MAYFLY_STUB_BIN` names a
/// folder that has them already.
async fn programs() -> PathBuf {
    static BUILT: tokio::sync::OnceCell<PathBuf> = tokio::sync::OnceCell::const_new();
    let built = BUILT.get_or_init(|| async {
        if let Some(folder) = std::env::var_os("MAYFLY_STUB_BIN") {
            return folder.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(["build", "--quiet", "-p", "agent-stub", "--bins"]).status();
        assert!(status.await.unwrap().success(), "the agent's programs were not built");
        // This test lies in `<target>/debug/deps`.
        let own = std::env::current_exe().unwrap();
        let target = own.ancestors().nth(3).unwrap();
        target.join("debug")
    });
    built.await.clone()
}
