use std::sync::Arc;

use axum::Extension;
use axum::response::IntoResponse as _;
use axum::routing::get;
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::{Authority, SystemClock};

#[tokio::test]
async fn https_answers_those_who_trust_the_authority_and_nobody_else() {
    let authority = Authority::create(&SystemClock::shared()).unwrap();
    let again =
        Authority::from_pem(authority.cert_pem().into(), authority.key_pem().into(), &SystemClock::shared());
    let tls = again.unwrap().issue(&["localhost".into(), "127.0.0.1".into()]).unwrap();
    let shutdown = Shutdown::new();
    let router = Router::new().route("/", get(|| async { "here" }));
    let address = serve_https(([127, 0, 0, 1], 0).into(), router, &tls, &shutdown).await.unwrap();

    let root = reqwest::Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", address.port());
        assert_eq!(trusting.get(url).send().await.unwrap().text().await.unwrap(), "here");
    }
    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(stranger.get(format!("https://{address}/")).send().await.is_err());

    assert!(shutdown.stop(Duration::from_secs(5)).await, "the server ends with its shutdown");
    assert!(trusting.get(format!("https://{address}/")).send().await.is_err());
}

#[tokio::test]
async fn a_connection_is_cut_before_its_answer_with_and_without_tls() {
    let authority = Authority::create(&SystemClock::shared()).unwrap();
    let tls = authority.issue(&["127.0.0.1".into()]).unwrap();
    let root = reqwest::Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let shutdown = Shutdown::new();
    let cut = |Extension(connection): Extension<Connection>| async move {
        connection.cut();
        "never seen".into_response()
    };
    let router = Router::new().route("/cut", get(cut)).route("/", get(|| async { "here" }));
    let plain = serve_http(([127, 0, 0, 1], 0).into(), router.clone(), &shutdown).await.unwrap();
    let sealed = serve_https(([127, 0, 0, 1], 0).into(), router, &tls, &shutdown).await.unwrap();
    for base in [format!("http://{plain}"), format!("https://{sealed}")] {
        client.get(format!("{base}/cut")).send().await.unwrap_err();
        let other = client.get(&base).send().await.unwrap();
        assert_eq!(other.text().await.unwrap(), "here", "other connections go on");
    }
    assert!(shutdown.stop(Duration::from_secs(5)).await);
}

/// The control is the server's other client: it sends a head and gets its answer.
#[tokio::test]
async fn who_connects_and_says_nothing_is_let_go() {
    let shutdown = Shutdown::new();
    let router = Router::new().route("/", get(|| async { "here" }));
    let silence = Duration::from_millis(100);
    let address = serve(([127, 0, 0, 1], 0).into(), router, None, silence, &shutdown).unwrap();
    for said in ["", "GET / HTTP/1.1\r\nHost: "] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "the connection is still open after `{said}`");
    }
    let answer = reqwest::get(format!("http://{address}/")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "here");
}

/// The control is the answer itself: before the body was read out, it was lost with the connection.
#[tokio::test]
async fn who_still_sends_what_nobody_wants_reads_the_answer_and_keeps_the_connection() {
    let shutdown = Shutdown::new();
    let router = Router::new().route("/", get(|| async { "here" }).post(|| async { "unread" }));
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let body = vec![b'x'; 8 << 20];
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(answers.contains("unread") && answers.ends_with("here"), "{answers}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let shutdown = Shutdown::new();
    let taken = serve_http(([127, 0, 0, 1], 0).into(), Router::new(), &shutdown).await.unwrap();
    let error = serve_http(taken, Router::new(), &shutdown).await.unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

/// A router whose `/held` and `/parked` answer when they are told to, and say when they begin (`true`) and when they are
/// given up or done (`false`).
fn holding(release: &Arc<Notify>) -> (Router, mpsc::UnboundedReceiver<bool>) {
    struct Held(mpsc::UnboundedSender<bool>);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.send(false);
        }
    }
    let (tell, told) = mpsc::unbounded_channel();
    let release = Arc::clone(release);
    let answer = move || {
        let (tell, release) = (tell.clone(), Arc::clone(&release));
        async move {
            tell.send(true).unwrap();
            let _held = Held(tell);
            release.notified().await;
            "released"
        }
    };
    let held = answer.clone();
    let parked = async move |parking: Option<Extension<Parking>>| {
        let answer = answer();
        match parking {
            Some(Extension(parking)) => {
                parking.park(async { ([("x-parked", "yes")], answer.await).into_response() }.boxed())
            }
            None => answer.await.into_response(),
        }
    };
    let router = Router::new().route("/held", get(held)).route("/parked", get(parked));
    (router.route("/", get(|| async { "here" })), told)
}

const WAITING: [&str; 2] = ["held", "parked"];

async fn next(told: &mut mpsc::UnboundedReceiver<bool>) -> Option<bool> {
    tokio::time::timeout(Duration::from_secs(30), told.recv()).await.ok().flatten()
}

/// The control is the client that stays: its request is not given up.
#[tokio::test]
async fn a_client_that_goes_while_its_request_is_held_is_noticed_with_and_without_tls() {
    let authority = Authority::create(&SystemClock::shared()).unwrap();
    let tls = authority.issue(&["127.0.0.1".into()]).unwrap();
    let root = reqwest::Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
    let (shutdown, release) = (Shutdown::new(), Arc::default());
    let (router, mut told) = holding(&release);
    let plain = serve_http(([127, 0, 0, 1], 0).into(), router.clone(), &shutdown).await.unwrap();
    let sealed = serve_https(([127, 0, 0, 1], 0).into(), router, &tls, &shutdown).await.unwrap();
    let bases = [format!("http://{plain}"), format!("https://{sealed}")];
    for (base, path) in bases.iter().flat_map(|base| WAITING.map(|path| (base, path))) {
        let client = || reqwest::Client::builder().tls_certs_only([root.clone()]).build().unwrap();
        let (goes, stays) = (client(), client());
        // On a connection that was used before, as those of agents are.
        assert_eq!(goes.get(base).send().await.unwrap().text().await.unwrap(), "here");
        let url = format!("{base}/{path}");
        let staying = tokio::spawn(stays.get(&url).send());
        assert_eq!(next(&mut told).await, Some(true));
        let going = tokio::spawn(goes.get(&url).send());
        assert_eq!(next(&mut told).await, Some(true));
        going.abort();
        drop(goes);
        assert_eq!(next(&mut told).await, Some(false), "{url}: a client that is gone is still waited for");
        assert!(told.try_recv().is_err(), "{url}: only that one is given up");
        release.notify_one();
        assert_eq!(staying.await.unwrap().unwrap().text().await.unwrap(), "released");
        assert_eq!(next(&mut told).await, Some(false));
    }
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let (shutdown, release) = (Shutdown::new(), Arc::default());
    let (router, mut told) = holding(&release);
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    for path in WAITING {
        let mut client = TcpStream::connect(address).await.unwrap();
        let ahead = format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n{LAST_FOR_ROOT}");
        client.write_all(ahead.as_bytes()).await.unwrap();
        assert_eq!(next(&mut told).await, Some(true));
        release.notify_one();
        let answers = read_all(&mut client).await;
        assert!(answers.find("released") < answers.find("here") && answers.contains("released"), "{answers}");
        assert_eq!(next(&mut told).await, Some(false));
    }
}

const LAST_FOR_ROOT: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// What a client that is connected by hand reads until the connection ends.
async fn read_all(client: &mut TcpStream) -> String {
    let mut answers = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), client.read_to_string(&mut answers)).await;
    read.expect("the connection ends").unwrap();
    answers
}

#[tokio::test]
async fn a_connection_whose_answer_was_parked_goes_on_and_what_came_meanwhile_is_kept() {
    let (shutdown, release) = (Shutdown::new(), Arc::default());
    let (router, mut told) = holding(&release);
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        client.write_all(b"GET /parked HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_eq!(next(&mut told).await, Some(true));
        client.write_all(b"GET /par").await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(b"ked HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        release.notify_one();
        assert_eq!(next(&mut told).await, Some(false));
        assert_eq!(next(&mut told).await, Some(true), "the next request is read");
        release.notify_one();
        assert_eq!(next(&mut told).await, Some(false));
    }
    client.write_all(LAST_FOR_ROOT.as_bytes()).await.unwrap();
    let answers = read_all(&mut client).await;
    assert_eq!(answers.matches("x-parked: yes").count(), 4, "{answers}");
    assert_eq!(answers.matches("released").count(), 4, "{answers}");
    assert!(answers.ends_with("here"), "{answers}");
}

/// The control is the request that may be parked, in the same words but for what keeps the others from it.
#[tokio::test]
async fn an_answer_whose_form_depends_on_its_request_is_not_parked() {
    let (shutdown, release) = (Shutdown::new(), Arc::default());
    let (router, mut told) = holding(&release);
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    for (head, parked) in [
        ("GET /parked HTTP/1.1\r\nconnection: keep-alive\r\n\r\n", true),
        ("GET /parked HTTP/1.1\r\nconnection: Close\r\n\r\n", false),
        ("GET /parked HTTP/1.1\r\nconnection: close, te\r\n\r\n", false),
        ("GET /parked HTTP/1.0\r\n\r\n", false),
        ("GET /parked HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", false),
        ("HEAD /parked HTTP/1.1\r\n\r\n", false),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(next(&mut told).await, Some(true), "{head}");
        release.notify_one();
        assert_eq!(next(&mut told).await, Some(false), "{head}");
        let _ = client.write_all(LAST_FOR_ROOT.as_bytes()).await;
        let answers = read_all(&mut client).await;
        assert_eq!(answers.contains("x-parked"), parked, "{head}: {answers}");
        assert_eq!(answers.contains("released"), !head.starts_with("HEAD"), "{head}: {answers}");
    }
}

/// Ahead of the answer that is parked is one that fits into no buffer of the machine, and the client does not read it.
#[tokio::test]
async fn what_a_client_has_not_read_yet_is_not_lost_to_an_answer_that_is_parked() {
    const LONG: usize = 32 << 20;
    let (shutdown, release) = (Shutdown::new(), Arc::default());
    let (router, mut told) = holding(&release);
    let router = router.route("/long", get(|| async { "~".repeat(LONG) }));
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let ahead = format!(
        "GET /long HTTP/1.1\r\nhost: x\r\n\r\nGET /parked HTTP/1.1\r\nhost: x\r\n\r\n{LAST_FOR_ROOT}"
    );
    client.write_all(ahead.as_bytes()).await.unwrap();
    release.notify_one();
    let answers = read_all(&mut client).await;
    assert_eq!(answers.matches('~').count(), LONG);
    assert!(answers.contains("released") && answers.ends_with("here"));
    assert_eq!(next(&mut told).await, Some(true));
}

#[tokio::test]
async fn a_connection_is_cut_while_its_answer_is_parked() {
    let shutdown = Shutdown::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let parked = async move |Extension(parking): Extension<Parking>,
                             Extension(connection): Extension<Connection>| {
        tell.send(connection).unwrap();
        parking.park(std::future::pending().boxed())
    };
    let router = Router::new().route("/", get(parked));
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let mut asking = tokio::spawn(reqwest::get(format!("http://{address}/")));
    let connection = told.recv().await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), &mut asking).await;
    assert!(early.is_err(), "control: without the cut it waits");
    connection.cut();
    asking.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_stop_waits_for_an_answer_and_not_for_ever() {
    for (ends, path) in [true, false].into_iter().flat_map(|ends| WAITING.map(|path| (ends, path))) {
        let (shutdown, release) = (Shutdown::new(), Arc::default());
        let (router, mut told) = holding(&release);
        let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
        let asking = tokio::spawn(reqwest::get(format!("http://{address}/{path}")));
        assert_eq!(next(&mut told).await, Some(true));
        let stopping = shutdown.clone();
        let stopped = tokio::spawn(async move { stopping.stop(DRAIN * 10).await });
        shutdown.token().cancelled().await;
        if ends {
            release.notify_one();
            let answer = asking.await.unwrap().unwrap();
            let last = answer.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
            assert!(last, "{path}: the client is told that there will be no other: {answer:?}");
            assert_eq!(answer.text().await.unwrap(), "released");
        } else {
            assert!(asking.await.unwrap().is_err());
        }
        assert!(stopped.await.unwrap(), "the server ends with its shutdown");
    }
}

/// The control is the same request in HTTP/1.1.
#[tokio::test]
async fn nobody_is_served_http_2_who_takes_it_for_granted() {
    let shutdown = Shutdown::new();
    let router = Router::new().route("/", get(|| async { "here" }));
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let knowing = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert!(knowing.get(format!("http://{address}/")).send().await.is_err());
    assert_eq!(reqwest::get(format!("http://{address}/")).await.unwrap().text().await.unwrap(), "here");
}

#[tokio::test]
async fn another_protocol_has_the_connection_to_its_own_end() {
    let shutdown = Shutdown::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let upgrade = move |request: Request<axum::body::Body>| async move {
        tokio::spawn(async move {
            let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            stream.write_all(format!("{said}, too").as_bytes()).await.unwrap();
            tell.send(stream.flush().await.is_ok()).unwrap();
        });
        let head = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
        (axum::http::StatusCode::SWITCHING_PROTOCOLS, head)
    };
    let router = Router::new().route("/", get(upgrade));
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).await.unwrap();
    client.write_all(b"me").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("TTP/1.1 101") && answer.ends_with("me, too"), "{answer}");
    assert_eq!(next(&mut told).await, Some(true), "who said all it has may still be answered");
}
