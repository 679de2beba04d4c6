//! The only callers of `bind`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

use crate::connection::Cuttable;
use crate::shutdown::Shutdown;
use crate::tls::ServerTls;

/// How long open requests may take to end once the shutdown began.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a client may take to send a request's head, also the next one on a connection that is kept. Agents ask
/// again after 30 to 60 s, so it is above that.
const SILENCE: Duration = Duration::from_secs(75);

/// Binds `address` (port 0: any free port), serves HTTP in the background, returns the bound address.
pub async fn serve_http(address: SocketAddr, router: Router, shutdown: &Shutdown) -> io::Result<SocketAddr> {
    serve_http_with(address, router, SILENCE, shutdown)
}

fn serve_http_with(
    address: SocketAddr,
    router: Router,
    silence: Duration,
    shutdown: &Shutdown,
) -> io::Result<SocketAddr> {
    let (listener, bound) = bind(address)?;
    let handle = drained(shutdown);
    let mut server =
        axum_server::from_tcp(listener)?.acceptor(Cuttable).handle(handle).first_request_timeout(silence);
    server.http_builder().http1().header_read_timeout(silence);
    shutdown.spawn_graceful(async move {
        if let Err(error) = server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(%bound, %error, "http server ended");
        }
    });
    Ok(bound)
}

/// Binds `address` (port 0: any free port), serves HTTPS in the background, returns the bound address.
pub async fn serve_https(
    address: SocketAddr,
    router: Router,
    tls: &ServerTls,
    shutdown: &Shutdown,
) -> io::Result<SocketAddr> {
    let (listener, bound) = bind(address)?;
    let handle = drained(shutdown);
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls.0.clone())).acceptor(Cuttable);
    let mut server =
        axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle).first_request_timeout(SILENCE);
    server.http_builder().http1().header_read_timeout(SILENCE);
    shutdown.spawn_graceful(async move {
        if let Err(error) = server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(%bound, %error, "https server ended");
        }
    });
    Ok(bound)
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .map_err(|source| io::Error::new(source.kind(), format!("listen on `{address}`: {source}")))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

fn drained(shutdown: &Shutdown) -> Handle<SocketAddr> {
    let handle = Handle::new();
    let (token, stopped) = (shutdown.token().clone(), handle.clone());
    shutdown.spawn_graceful(async move {
        token.cancelled().await;
        stopped.graceful_shutdown(Some(DRAIN));
    });
    handle
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Authority, SystemClock};

    #[tokio::test]
    async fn https_answers_those_who_trust_the_authority_and_nobody_else() {
        let authority = Authority::create(&SystemClock::shared()).unwrap();
        let again = Authority::from_pem(
            authority.cert_pem().into(),
            authority.key_pem().into(),
            &SystemClock::shared(),
        );
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
        use axum::Extension;
        use axum::response::IntoResponse as _;

        let authority = Authority::create(&SystemClock::shared()).unwrap();
        let tls = authority.issue(&["127.0.0.1".into()]).unwrap();
        let root = reqwest::Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
        let shutdown = Shutdown::new();
        let cut = |Extension(connection): Extension<crate::Connection>| async move {
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
        let address = serve_http_with(([127, 0, 0, 1], 0).into(), router, silence, &shutdown).unwrap();
        for said in ["", "GET / HTTP/1.1\r\nHost: "] {
            let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
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
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
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
}
