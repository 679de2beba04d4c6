//! The load: agents that register, open sessions and poll, jobs that are queued, pages of logs.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use service_kit::{Clock as _, SystemClock, SystemEntropy};
use testkit::Watched;
use testkit::figures::{Figure, percentile};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::wire::Connection;

type Outcome<T> = Result<T, Box<dyn Error>>;

const POOL: &str = "/acme/_apis/distributedtask/pools/1";
const LANES: usize = 8;
const PAGE: usize = 1 << 20;
const PAGES: usize = 128;
/// How long the service holds a poll, and a little more.
const POLL_HOLD: Duration = Duration::from_secs(51);

/// The service in a process of its own; it ends with this.
struct Server {
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
    fn start(on_disk: bool) -> Outcome<(Self, Duration)> {
        let begun = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        if on_disk {
            command.env("BENCH_STATE", "file");
        }
        let mut process = command.spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let took = begun.elapsed();
        let said: Value = serde_json::from_str(&line)?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let user = format!("Basic {}", STANDARD.encode(format!(":{}", text("token"))));
        let watched = Watched(process.id());
        Ok((Self { process, watched, host: text("host"), user }, took))
    }
}

/// Few keys for many agents: making one costs more than all the rest.
struct Keys(Vec<KeyPair>);

impl Keys {
    fn of(&self, agent: usize) -> &KeyPair {
        &self.0[agent % self.0.len()]
    }
}

struct Agent {
    token: String,
    session: String,
    key: Vec<u8>,
}

/// When a job was queued, and who wants to know that it was delivered and ended.
type Waiting = Arc<Mutex<HashMap<String, Instant>>>;

struct Field {
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
    fn new(server: Server, keys: Arc<Keys>) -> Self {
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

    /// Registers agents until there are so many, and leaves each with an open poll; registrations per second.
    async fn grow(&mut self, to: usize) -> Outcome<f64> {
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
    async fn polls_cost(&self) -> Outcome<f64> {
        let (before, worked) = (self.empty.load(Ordering::Relaxed), self.server.watched.worked()?);
        tokio::time::sleep(POLL_HOLD).await;
        let ended = self.empty.load(Ordering::Relaxed) - before;
        Ok((self.server.watched.worked()? - worked) * 1000.0 / ended.max(1) as f64)
    }

    /// Queues jobs, `rate` a second, and waits until all were delivered; their latencies.
    async fn dispatch(&mut self, jobs: usize, rate: f64) -> Outcome<Vec<Duration>> {
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
    async fn cost(&mut self, poll: f64) -> Outcome<f64> {
        const JOBS: usize = 2_000;
        let (polls, before) = (self.empty.load(Ordering::Relaxed), self.server.watched.worked()?);
        self.dispatch(JOBS, 400.0).await?;
        let worked = (self.server.watched.worked()? - before) * 1000.0;
        let polls = (self.empty.load(Ordering::Relaxed) - polls) as f64;
        Ok((worked - polls * poll) / JOBS as f64)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn registration(number: usize, key: &KeyPair) -> Value {
    let public = key.public_key();
    let mut capabilities: HashMap<String, String> =
        (0..30).map(|n| (format!("Capability.{n}"), format!("/usr/bin/tool-{n}"))).collect();
    capabilities.insert("Agent.Version".to_owned(), "4.270.0".to_owned());
    json!({
        "name": format!("agent-{number}"), "version": "4.270.0", "osDescription": "Linux", "maxParallelism": 1,
        "systemCapabilities": capabilities,
        "authorization": {"publicKey": {
            "modulus": STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
            "exponent": STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
        }},
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Token and session of an agent.
async fn listen(connection: &mut Connection, key: &KeyPair, agent: &Value) -> io::Result<Agent> {
    let (client, audience) =
        (&agent["authorization"]["clientId"], &agent["authorization"]["authorizationUrl"]);
    let now = SystemClock.now().as_second();
    let claims = json!({"iss": client, "sub": client, "aud": audience, "nbf": now, "exp": now + 300,
        "jti": SystemEntropy::shared().uuid()});
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(failed)?;
    let form = format!(
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A\
         jwt-bearer&client_assertion={signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    );
    let kind = "application/x-www-form-urlencoded";
    let path = "/acme/_apis/oauth2/token";
    let (_, answer) = connection.call(("POST", path), "none", (kind, form.as_bytes())).await?;
    let issued: Value = serde_json::from_slice(&answer)?;
    let token = format!("Bearer {}", text(&issued["access_token"]));
    let body = json!({"ownerName": "host", "agent": {"id": agent["id"], "name": agent["name"]}});
    let opened = connection.json(("POST", &format!("{POOL}/sessions")), &token, &body).await?;
    let wrapped = STANDARD.decode(text(&opened["encryptionKey"]["value"])).map_err(failed)?;
    let der = key.as_der().map_err(failed)?;
    let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(failed)?;
    let private = OaepPrivateDecryptingKey::new(private).map_err(failed)?;
    let mut out = vec![0; private.min_output_size()];
    let plain = private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut out, None).map_err(failed)?.to_vec();
    Ok(Agent { token, session: text(&opened["sessionId"]).to_owned(), key: plain })
}

/// Polls, takes jobs and ends them at once.
async fn work(
    host: &str,
    agent: &Agent,
    (waiting, empty): (&Waiting, &AtomicUsize),
    told: &mpsc::UnboundedSender<Duration>,
) -> io::Result<()> {
    let mut connection = Connection::open(host).await?;
    let poll = format!("{POOL}/messages?sessionId={}", agent.session);
    loop {
        let (status, answer) = connection.call(("GET", &poll), &agent.token, ("text/plain", b"")).await?;
        if status != 200 {
            empty.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let here = Instant::now();
        let message: Value = serde_json::from_slice(&answer)?;
        let job = decrypt(&agent.key, &message)?;
        if let Some(queued) = lock(waiting).remove(text(&job["jobDisplayName"])) {
            let _ = told.send(here - queued);
        }
        let taken = format!("{POOL}/messages/{}?sessionId={}", message["messageId"], agent.session);
        connection.call(("DELETE", &taken), &agent.token, ("text/plain", b"")).await?;
        let token = &job["resources"]["endpoints"][0]["authorization"]["parameters"]["AccessToken"];
        let end = json!({"name": "JobCompleted", "jobId": job["jobId"], "requestId": job["requestId"],
            "result": "succeeded", "outputs": {}, "agentShuttingDown": false});
        let path = format!("{}/events", plan_path(&job));
        connection.json(("POST", &path), &format!("Bearer {}", text(token)), &end).await?;
    }
}

fn plan_path(job: &Value) -> String {
    let plan = &job["plan"];
    let (scope, hub, id) = (text(&plan["scopeIdentifier"]), text(&plan["planType"]), text(&plan["planId"]));
    format!("/acme/{scope}/_apis/distributedtask/hubs/{hub}/plans/{id}")
}

fn decrypt(key: &[u8], message: &Value) -> io::Result<Value> {
    let iv = STANDARD.decode(text(&message["iv"])).map_err(failed)?;
    let iv: [u8; 16] = iv.try_into().map_err(|_| failed("the IV has 16 bytes"))?;
    let mut body = STANDARD.decode(text(&message["body"])).map_err(failed)?;
    let cipher = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let cipher = cipher.map_err(failed)?;
    let iv = DecryptionContext::Iv128(FixedLength::from(&iv));
    Ok(serde_json::from_slice(cipher.decrypt(&mut body, iv).map_err(failed)?)?)
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

fn say(line: &str) {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{line}\n"));
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    let starts: Vec<Duration> =
        (0..5).map(|_| Server::start(false).map(|(_, took)| took)).collect::<Result<_, _>>()?;
    figures.push(Figure::new("process start to ready", percentile(&starts, 50), "ms").aim("< 50"));

    let made = (0..4).map(|_| KeyPair::generate(KeySize::Rsa2048)).collect::<Result<_, _>>();
    let keys = Arc::new(Keys(made.map_err(failed)?));
    say("log pages");
    match uploads(&Server::start(false)?.0, keys.of(0)).await {
        Ok((rate, bare)) => {
            figures
                .push(Figure::new("log upload, pages of 1 MiB, to a bare route", rate, "MB/s").against(bare));
        }
        Err(error) => say(&format!("no figure for log pages: {error}")),
    }

    let mut field = Field::new(Server::start(false)?.0, Arc::clone(&keys));
    let mut costs = Vec::new();
    for agents in [100, 1_000, 10_000] {
        say(&format!("{agents} agents"));
        // Before and after these agents came: what jobs leave behind is not theirs.
        let (before, known) = (field.server.watched.resident()?, field.agents);
        let rate = field.grow(agents).await?;
        let each = (field.server.watched.resident()? - before) / (agents - known) as f64;
        if agents >= 1_000 {
            let name = format!("resident memory per idle agent, from {known} to {agents} agents");
            figures.push(Figure::new(name, each, "KiB").aim("< 20"));
        }
        if agents == 1_000 {
            figures.push(Figure::new("registrations", rate, "/s"));
            let latencies = field.dispatch(5_000, 500.0).await?;
            for (percent, aim) in [(50, None), (99, Some("< 50"))] {
                let name = format!("queueing to delivery at 500 jobs/s, 1,000 agents, p{percent}");
                let figure = Figure::new(name, percentile(&latencies, percent), "ms");
                figures.push(aim.into_iter().fold(figure, Figure::aim));
            }
        }
        let poll = if agents < 1_000 { 0.0 } else { field.polls_cost().await? };
        if poll > 0.0 {
            figures.push(Figure::new(
                format!("processor time of an empty poll, {agents} agents"),
                poll,
                "us",
            ));
        }
        costs.push((agents, field.cost(poll).await?));
    }
    for (agents, cost) in costs {
        figures.push(Figure::new(format!("processor time of a job, {agents} idle agents"), cost, "us"));
    }
    drop(field);

    let mut field = Field::new(Server::start(false)?.0, keys);
    field.grow(100).await?;
    let mut finished = 0;
    for jobs in [100, 1_000, 10_000] {
        say(&format!("{jobs} finished jobs"));
        if jobs > finished {
            field.dispatch(jobs - finished, 1_000.0).await?;
            finished = jobs;
        }
        let cost = field.cost(0.0).await?;
        figures.push(Figure::new(
            format!("processor time of a job, {finished} finished jobs before"),
            cost,
            "us",
        ));
        finished += 2_000;
    }
    Ok(figures)
}
