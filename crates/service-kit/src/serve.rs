//! The only callers of `bind`.
//!
//! HTTP/1.1 alone. Over TLS the handshake offers no other, and on a plain connection the service's own web server speaks
//! no HTTP/2 (MicrosoftDocs/iis-docs: iis/get-started/whats-new-in-iis-10/http2-on-iis.md). To tell the two apart a server
//! has to read ahead, which doubles the buffer that each open poll holds.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::connection::{ClientStream, Connection, EndSeenBy};
use crate::shutdown::Shutdown;
use crate::tls::ServerTls;
use crate::unread::{PATIENCE, ReadOut};

/// How long open requests may take to end once the shutdown began.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a client may take to send a request's head, also the next one on a connection that is kept. Agents ask
/// again after 30 to 60 s, so it is above that.
const SILENCE: Duration = Duration::from_secs(75);

/// How long a client may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long nobody is let in after that failed, mostly for want of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Binds `address` (port 0: any free port), serves HTTP in the background, returns the bound address.
pub async fn serve_http(address: SocketAddr, router: Router, shutdown: &Shutdown) -> io::Result<SocketAddr> {
    serve(address, router, None, SILENCE, shutdown)
}

/// Binds `address` (port 0: any free port), serves HTTPS in the background, returns the bound address.
pub async fn serve_https(
    address: SocketAddr,
    router: Router,
    tls: &ServerTls,
    shutdown: &Shutdown,
) -> io::Result<SocketAddr> {
    serve(address, router, Some(TlsAcceptor::from(tls.0.clone())), SILENCE, shutdown)
}

fn serve(
    address: SocketAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    silence: Duration,
    shutdown: &Shutdown,
) -> io::Result<SocketAddr> {
    let (listener, bound) = bind(address)?;
    let mut http = http1::Builder::new();
    // On a plain connection the stream sees the client's end, see `EndSeenBy`.
    http.timer(TokioTimer::new()).header_read_timeout(silence).half_close(tls.is_none());
    let server = Server { router, tls, http, shutdown: shutdown.clone() };
    shutdown.spawn(async move { server.accept(&listener).await });
    Ok(bound)
}

/// Whether something could be served there now.
///
/// # Errors
/// Why not: somebody else is, or it is not allowed.
pub fn port_is_free(address: SocketAddr) -> io::Result<()> {
    std::net::TcpListener::bind(address).map(|_| ()).map_err(|source| refused(address, &source))
}

fn refused(address: SocketAddr, source: &io::Error) -> io::Error {
    io::Error::new(source.kind(), format!("listen on `{address}`: {source}"))
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address).map_err(|source| refused(address, &source))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// What serves the connections of one listener.
struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    http: http1::Builder,
    shutdown: Shutdown,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.open(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Serves a connection in a task of its own. What it holds is held for each agent that waits, so nothing is moved
    /// into a future that could stay where it is.
    fn open(&self, stream: TcpStream, peer: SocketAddr) {
        let connection = Connection::default();
        let answers = Answers { router: self.router.clone(), connection: connection.clone(), peer };
        let stopped = self.shutdown.token().clone();
        let Some(tls) = self.tls.clone() else {
            let stream = ClientStream { stream, connection, end: EndSeenBy::Stream };
            let served = self.http.serve_connection(TokioIo::new(stream), answers).with_upgrades();
            return self.shutdown.spawn_graceful(drained(served, stopped));
        };
        let stream = ClientStream { stream, connection, end: EndSeenBy::Reader };
        let http = self.http.clone();
        self.shutdown.spawn_graceful(async move {
            let sealed = tokio::select! {
                sealed = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => sealed,
                () = stopped.cancelled() => return,
            };
            match sealed {
                Ok(Ok(sealed)) => {
                    let served = http.serve_connection(TokioIo::new(sealed), answers).with_upgrades();
                    drained(served, stopped).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        });
    }
}

/// A connection to its end; once the service stops, that comes after the request that is being answered.
async fn drained<I>(mut served: http1::UpgradeableConnection<TokioIo<I>, Answers>, stopped: CancellationToken)
where
    TokioIo<I>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    // How it ends is the client's business.
    tokio::select! {
        _ = &mut served => return,
        () = stopped.cancelled() => {}
    }
    Pin::new(&mut served).graceful_shutdown();
    let _ = tokio::time::timeout(DRAIN, &mut served).await;
}

/// Answers the requests of one connection.
struct Answers {
    router: Router,
    connection: Connection,
    peer: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Answers {
    type Response = Response;
    type Error = Infallible;
    type Future = <ReadOut<Router> as tower::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if request.headers().contains_key(header::UPGRADE) {
            self.connection.upgrade();
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.connection.clone());
        ReadOut { inner: self.router.clone(), patience: PATIENCE }.call(request)
    }
}

#[cfg(test)]
mod tests;
