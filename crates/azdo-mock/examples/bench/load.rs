//! The load: a field of agents, jobs that are queued for them, pages of logs.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use service_kit::SystemEntropy;
use testkit::Watched;
use testkit::figures::{Figure, percentile};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::agent::{Keys, POOL, Waiting, decrypt, failed, listen, lock, plan_path, registration, text, work};
use crate::growth;
use crate::wire::Connection;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

const LANES: usize = 8;
const PAGE: usize = 1 << 20;
const PAGES: usize = 128;
/// How long the service holds a poll, and a little more.
const POLL_HOLD: Duration = Duration::from_secs(51);

/// The service in a process of its own; it ends with this.
pub(crate) struct Server {
    process: Child,
    watched: Watched,
    host: String,
    user: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Server {
    pub(crate) fn start() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let user = format!("Basic {}", STANDARD.encode(format!(":{}", text("token"))));
        let watched = Watched(process.id());
        Ok(Self { process, watched, host: text("host"), user })
    }
}

pub(crate) struct Field {
    server: Server,
    keys: Arc<Keys>,
    agents: usize,
    polls: JoinSet<()>,
    waiting: Waiting,
    /// Polls that ended with nothing.
    empty: Arc<AtomicUsize>,
    delivered: mpsc::UnboundedSender<Duration>,
    latencies: mpsc::UnboundedReceiver<Duration>,
}

impl Field {
    pub(crate) fn new(server: Server, keys: Arc<Keys>) -> Self {
        let (delivered, latencies) = mpsc::unbounded_channel();
        Self {
            server,
            keys,
            agents: 0,
            polls: JoinSet::new(),
            waiting: Waiting::default(),
            empty: Arc::default(),
            delivered,
            latencies,
        }
    }

    /// The service's memory, in KiB.
    pub(crate) fn resident(&self) -> Outcome<f64> {
        Ok(self.server.watched.resident()?)
    }

    /// Registers agents until there are so many, and leaves each with an open poll; registrations per second.
    pub(crate) async fn grow(&mut self, to: usize) -> Outcome<f64> {
        let (first, mut lanes) = (self.agents, JoinSet::new());
        let begun = Instant::now();
        for lane in 0..LANES {
            let (host, user, keys) =
                (self.server.host.clone(), self.server.user.clone(), Arc::clone(&self.keys));
            lanes.spawn(async move {
                let mut made = Vec::new();
                let mut connection = Connection::open(&host).await?;
                for number in (first + lane..to).step_by(LANES) {
                    let body = registration(number, keys.of(number));
                    let path = format!("{POOL}/agents");
                    made.push((number, connection.json(("POST", &path), &user, &body).await?));
                }
                Ok::<_, io::Error>(made)
            });
        }
        let mut made = Vec::new();
        while let Some(lane) = lanes.join_next().await {
            made.extend(lane??);
        }
        let rate = made.len() as f64 / begun.elapsed().as_secs_f64();
        let mut lanes = JoinSet::new();
        for chunk in made.chunks(made.len().div_ceil(LANES).max(1)).map(<[_]>::to_vec) {
            let (host, keys) = (self.server.host.clone(), Arc::clone(&self.keys));
            lanes.spawn(async move {
                let mut connection = Connection::open(&host).await?;
                let mut listening = Vec::new();
                for (number, answer) in chunk {
                    listening.push(listen(&mut connection, keys.of(number), &answer).await?);
                }
                Ok::<_, io::Error>(listening)
            });
        }
        while let Some(lane) = lanes.join_next().await {
            for agent in lane?? {
                let host = self.server.host.clone();
                let (waiting, empty) = (Arc::clone(&self.waiting), Arc::clone(&self.empty));
                let told = self.delivered.clone();
                self.polls.spawn(async move {
                    // It ends with the service.
                    let _ = work(&host, &agent, (&waiting, &empty), &told).await;
                });
            }
        }
        self.agents = to;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(rate)
    }

    /// What the empty polls of idle agents cost beside everything else: the service's processor time for each, in
    /// microseconds. Waits until every agent asked again.
    pub(crate) async fn polls_cost(&self) -> Outcome<f64> {
        let (before, worked) = (self.empty.load(Ordering::Relaxed), self.server.watched.worked()?);
        tokio::time::sleep(POLL_HOLD).await;
        let ended = self.empty.load(Ordering::Relaxed) - before;
        Ok((self.server.watched.worked()? - worked) * 1000.0 / ended.max(1) as f64)
    }

    /// Queues jobs, `rate` a second, and waits until all were delivered; their latencies.
    pub(crate) async fn dispatch(&mut self, jobs: usize, rate: f64) -> Outcome<Vec<Duration>> {
        let mut lanes = Vec::new();
        for _ in 0..LANES {
            lanes.push(Connection::open(&self.server.host).await?);
        }
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for (lane, mut connection) in lanes.into_iter().enumerate() {
            let (waiting, user) = (Arc::clone(&self.waiting), self.server.user.clone());
            running.spawn(async move {
                for number in (lane..jobs).step_by(LANES) {
                    let at = begun + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(at.into()).await;
                    let name = SystemEntropy::shared().uuid().to_string();
                    lock(&waiting).insert(name.clone(), Instant::now());
                    let body = json!({"pool": "Default", "name": name, "steps": [{"script": "true"}]});
                    connection.json(("POST", "/control/jobs"), &user, &body).await?;
                }
                Ok::<_, io::Error>(())
            });
        }
        while let Some(lane) = running.join_next().await {
            lane??;
        }
        let mut latencies = Vec::new();
        while latencies.len() < jobs {
            let next = tokio::time::timeout(Duration::from_secs(60), self.latencies.recv()).await;
            latencies.push(next.map_err(|_| "a job was not delivered in 60 s")?.ok_or("no agents")?);
        }
        Ok(latencies)
    }

    /// The service's processor time for one job, from queueing to its end, in microseconds, without what idle agents
    /// cost meanwhile whose poll came to its end: `poll` each.
    pub(crate) async fn cost(&mut self, poll: f64) -> Outcome<f64> {
        const JOBS: usize = 2_000;
        let (polls, before) = (self.empty.load(Ordering::Relaxed), self.server.watched.worked()?);
        self.dispatch(JOBS, 400.0).await?;
        let worked = (self.server.watched.worked()? - before) * 1000.0;
        let polls = (self.empty.load(Ordering::Relaxed) - polls) as f64;
        Ok((worked - polls * poll) / JOBS as f64)
    }
}

/// Megabytes a second of a log's pages, and of the same pages to a bare route.
async fn uploads(server: &Server, key: &KeyPair) -> Outcome<(f64, f64)> {
    let mut connection = Connection::open(&server.host).await?;
    let body = registration(0, key);
    let path = format!("{POOL}/agents");
    let registered = connection.json(("POST", &path), &server.user, &body).await?;
    let agent = listen(&mut connection, key, &registered).await?;
    let job = json!({"pool": "Default", "steps": [{"script": "true"}]});
    connection.json(("POST", "/control/jobs"), &server.user, &job).await?;
    let poll = format!("{POOL}/messages?sessionId={}", agent.session);
    let (_, message) = connection.call(("GET", &poll), &agent.token, ("text/plain", b"")).await?;
    let job = decrypt(&agent.key, &serde_json::from_slice(&message)?)?;
    let token = &job["resources"]["endpoints"][0]["authorization"]["parameters"]["AccessToken"];
    let (token, plan) = (format!("Bearer {}", text(token)), plan_path(&job));
    let log = connection.json(("POST", &format!("{plan}/logs")), &token, &json!({"path": "logs\\1"})).await?;
    let page = "2026-01-02T03:04:05.6789012Z a line of a log as builds write them, neither long nor short\n";
    let page = page.repeat(PAGE / page.len());
    let mut rates = Vec::new();
    for path in [format!("{plan}/logs/{}", log["id"]), "/bare".to_owned()] {
        let begun = Instant::now();
        for _ in 0..PAGES {
            let body = ("application/octet-stream", page.as_bytes());
            let (status, _) = connection.call(("POST", &path), &token, body).await?;
            if status != 200 {
                return Err(format!("{path}: {status}").into());
            }
        }
        rates.push((page.len() * PAGES) as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    Ok((rates[0], rates[1]))
}

pub(crate) fn say(line: &str) {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{line}\n"));
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    let started = |_| {
        let begun = Instant::now();
        Server::start().map(|server| (begun.elapsed(), server).0)
    };
    let starts: Vec<Duration> = (0..5).map(started).collect::<Result<_, _>>()?;
    figures.push(Figure::new("process start to ready", percentile(&starts, 50), "ms").aim("< 50"));

    let made = (0..4).map(|_| KeyPair::generate(KeySize::Rsa2048)).collect::<Result<_, _>>();
    let keys = Arc::new(Keys(made.map_err(failed)?));
    say("log pages");
    match uploads(&Server::start()?, keys.of(0)).await {
        Ok((rate, bare)) => {
            figures
                .push(Figure::new("log upload, pages of 1 MiB, to a bare route", rate, "MB/s").against(bare));
        }
        Err(error) => say(&format!("no figure for log pages: {error}")),
    }

    figures.extend(growth::run(&keys).await?);
    Ok(figures)
}
