//! A large layer into the registry and out of it, against the same bytes through a bare route.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::{Client, Method, Url, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::figures::Figure;

use crate::sandbox::{Sandbox, trusting};
use crate::{Outcome, say, succeeded};

const PIECE: usize = 1 << 20;
/// Each is measured so often, in turns; the best counts.
const ROUNDS: usize = 2;

pub(crate) async fn run(mayfly: &Path, bytes: u64) -> Outcome<Vec<Figure>> {
    say("layers");
    let sandbox = Sandbox::start(mayfly)?;
    let (mut bare, bare_client, bare_url) = bare()?;
    let mut best = [0.0_f64; 4];
    let (mut growth, mut result) = ([0.0_f64; 2], Ok(()));
    for round in 0..ROUNDS {
        let layer = Layer::new(bytes, round as u64);
        let registry = Registry { sandbox: &sandbox, layer: &layer };
        let turn = async {
            let before = settled(&sandbox)?;
            best[0] = best[0].max(layer.rate(registry.push()).await?);
            growth[0] = growth[0].max(sandbox.watched().peak()? - before);
            let push = bare_client.put(bare_url.clone()).body(layer.body()).send();
            best[1] = best[1].max(layer.rate(async { succeeded(push.await?).await.map(drop) }).await?);
            let before = settled(&sandbox)?;
            best[2] = best[2].max(layer.rate(registry.pull()).await?);
            growth[1] = growth[1].max(sandbox.watched().peak()? - before);
            let pull = bare_client.get(bare_url.clone()).send();
            best[3] = best[3].max(layer.rate(async { layer.arrives(pull.await?).await }).await?);
            Outcome::Ok(())
        };
        result = turn.await;
    }
    drop(bare.stdin.take());
    bare.wait()?;
    result?;
    let size = bytes >> 20;
    Ok(vec![
        Figure::new(format!("registry push of {size} MiB, to a bare route"), best[0], "MB/s")
            .aim(">= 0.7x")
            .against(best[1]),
        Figure::new(format!("registry pull of {size} MiB, to a bare route"), best[2], "MB/s")
            .aim(">= 0.7x")
            .against(best[3]),
        Figure::new("sandbox, resident memory more while a layer comes", growth[0] / 1024.0, "MiB")
            .aim("flat"),
        Figure::new("sandbox, resident memory more while a layer goes", growth[1] / 1024.0, "MiB")
            .aim("flat"),
    ])
}

/// Resident memory in KiB before something that is watched for its peak.
fn settled(sandbox: &Sandbox) -> Outcome<f64> {
    sandbox.watched().forget_peak()?;
    Ok(sandbox.watched().resident()?)
}

/// Bytes that no other layer has, never all in memory.
struct Layer {
    piece: Bytes,
    pieces: u64,
    digest: String,
}

impl Layer {
    fn new(bytes: u64, salt: u64) -> Self {
        let mut word = salt.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word.to_le_bytes()
        };
        let piece: Bytes = (0..PIECE / 8).flat_map(|_| next()).collect();
        let pieces = bytes / PIECE as u64;
        let mut hash = Sha256::new();
        (0..pieces).for_each(|_| hash.update(&piece));
        Self { piece, pieces, digest: format!("sha256:{}", hex::encode(hash.finalize())) }
    }

    fn body(&self) -> reqwest::Body {
        let (piece, pieces) = (self.piece.clone(), self.pieces as usize);
        let all = std::iter::repeat_n(piece, pieces).map(Ok::<_, std::io::Error>);
        reqwest::Body::wrap_stream(futures_util::stream::iter(all))
    }

    async fn arrives(&self, answer: reqwest::Response) -> Outcome<()> {
        let (mut got, mut body) = (0, succeeded(answer).await?.bytes_stream());
        while let Some(piece) = body.next().await {
            got += piece?.len() as u64;
        }
        if got == self.pieces * PIECE as u64 { Ok(()) } else { Err(format!("{got} bytes came").into()) }
    }

    /// Megabytes a second of something that moves the layer.
    async fn rate(&self, moved: impl Future<Output = Outcome<()>>) -> Outcome<f64> {
        let begun = Instant::now();
        moved.await?;
        Ok((self.pieces * PIECE as u64) as f64 / 1e6 / begun.elapsed().as_secs_f64())
    }
}

struct Registry<'a> {
    sandbox: &'a Sandbox,
    layer: &'a Layer,
}

impl Registry<'_> {
    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        let (user, password) = (self.sandbox.variable("ACR_USERNAME"), self.sandbox.variable("ACR_PASSWORD"));
        self.sandbox.client.request(method, url).basic_auth(user, Some(password))
    }

    fn url(&self, path: &str) -> Outcome<Url> {
        Ok(format!("https://{}/v2/bench/{path}", self.sandbox.variable("ACR_LOGIN_SERVER")).parse()?)
    }

    async fn push(&self) -> Outcome<()> {
        let begun = succeeded(self.request(Method::POST, self.url("blobs/uploads/")?).send().await?).await?;
        let upload = location(&begun)?;
        let sent = self.request(Method::PATCH, upload).body(self.layer.body()).send().await?;
        let mut end = location(&succeeded(sent).await?)?;
        end.query_pairs_mut().append_pair("digest", &self.layer.digest);
        succeeded(self.request(Method::PUT, end).send().await?).await.map(drop)
    }

    async fn pull(&self) -> Outcome<()> {
        let url = self.url(&format!("blobs/{}", self.layer.digest))?;
        self.layer.arrives(self.request(Method::GET, url).send().await?).await
    }
}

fn location(answer: &reqwest::Response) -> Outcome<Url> {
    let path = answer.headers().get(header::LOCATION).ok_or("no location")?.to_str()?;
    Ok(answer.url().join(path)?)
}

/// The bare server in a process of its own, a client that trusts it, and its one route.
fn bare() -> Outcome<(Child, Client, Url)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line)?;
    let text = |name: &str| said[name].as_str().unwrap_or_default();
    Ok((process, trusting(text("authority").as_bytes())?, text("url").parse()?))
}
