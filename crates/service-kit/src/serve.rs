//! Listens and serves.
//!
//! HTTP/1.1 alone. Over TLS the handshake offers no other, and on a plain connection the service's own web server speaks
//! no HTTP/2 (MicrosoftDocs/iis-docs: iis/get-started/whats-new-in-iis-10/http2-on-iis.md). To tell the two apart a server
//! has to read ahead, which doubles the buffer that each open poll holds.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Version, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::connection::{ClientStream, Connection, EndSeenBy};
use crate::parking::{Parking, Rewound};
use crate::ports;
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
    let server = Server { router, tls, http: Arc::new(http), shutdown: shutdown.clone() };
    shutdown.spawn(async move { server.accept(&listener).await });
    Ok(bound)
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = ports::listener(address)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// What serves the connections of one listener.
struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    http: Arc<http1::Builder>,
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
        let parking = Parking::default();
        let answers = Answers {
            router: self.router.clone(),
            connection: connection.clone(),
            peer,
            parking: parking.clone(),
            resumed: Mutex::default(),
        };
        let conversation = Conversation { http: Arc::clone(&self.http), parking };
        let stopped = self.shutdown.token().clone();
        let Some(tls) = self.tls.clone() else {
            let stream = ClientStream { stream, connection, end: EndSeenBy::Stream };
            return self.shutdown.spawn_graceful(conversation.hold(stream, answers, stopped));
        };
        let stream = ClientStream { stream, connection, end: EndSeenBy::Reader };
        self.shutdown.spawn_graceful(async move {
            let sealed = tokio::select! {
                sealed = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => sealed,
                () = stopped.cancelled() => return,
            };
            match sealed {
                Ok(Ok(sealed)) => conversation.hold(sealed, answers, stopped).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        });
    }
}

/// A connection from its first request to its end.
struct Conversation {
    http: Arc<http1::Builder>,
    parking: Parking,
}

type Served<I> = http1::UpgradeableConnection<TokioIo<Rewound<I>>, Answers>;

impl Conversation {
    /// Once the service stops, the end comes after the request that is being answered.
    async fn hold<I>(self, stream: I, mut answers: Answers, stopped: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut stream = Rewound { before: Bytes::new(), stream };
        loop {
            // In a box, which is given back while an answer is parked.
            let mut served =
                Box::new(self.http.serve_connection(TokioIo::new(stream), answers).with_upgrades());
            let Some(answer) = self.until_parked(&mut served, &stopped).await else { return };
            let Some(parts) = served.into_parts() else { return };
            stream = parts.io.into_inner();
            stream.put_first(&parts.read_buf);
            answers = parts.service;
            drop(parts.read_buf);
            let Some(Some(answer)) = stream.unless_gone(in_time(answer, &stopped)).await else { return };
            answers.resume(answer);
            stream.put_first(if stopped.is_cancelled() { LAST } else { AGAIN });
        }
    }

    /// The answer that was parked. `None` when the connection came to its end instead; how is the client's business.
    async fn until_parked<I>(
        &self,
        served: &mut Served<I>,
        stopped: &CancellationToken,
    ) -> Option<BoxFuture<'static, Response>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::select! {
            // First, so that hyper has read what stands for a parked request before it is told to take no other.
            biased;
            parked = self.served(served) => return parked,
            () = stopped.cancelled() => {}
        }
        Pin::new(&mut *served).graceful_shutdown();
        tokio::time::timeout(DRAIN, self.served(served)).await.ok().flatten()
    }

    async fn served<I>(&self, served: &mut Served<I>) -> Option<BoxFuture<'static, Response>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        poll_fn(|context| {
            if Pin::new(&mut *served).poll(context).is_ready() {
                return Poll::Ready(None);
            }
            // Nothing of an earlier answer is left in hyper's buffer: it reads no request before that is written.
            self.parking.take().map_or(Poll::Pending, |answer| Poll::Ready(Some(answer)))
        })
        .await
    }
}

/// What hyper reads of a request whose answer was parked: all that it needs to know to write it.
const AGAIN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// The same for a connection that ends with the answer.
const LAST: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";

/// The answer; `None` when the service stops and it takes too long.
async fn in_time(mut answer: BoxFuture<'static, Response>, stopped: &CancellationToken) -> Option<Response> {
    tokio::select! {
        answer = &mut answer => Some(answer),
        () = stopped.cancelled() => tokio::time::timeout(DRAIN, answer).await.ok(),
    }
}

/// Answers the requests of one connection.
struct Answers {
    router: Router,
    connection: Connection,
    peer: SocketAddr,
    parking: Parking,
    /// What the next request is answered with: it stands for one whose answer was parked.
    resumed: Mutex<Option<Response>>,
}

impl Answers {
    fn resume(&mut self, answer: Response) {
        *self.resumed.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

/// Whether nothing but the line `GET / HTTP/1.1` tells how the answer is to be written.
fn may_park(request: &Request<Incoming>) -> bool {
    let keeps = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && !request.headers().contains_key(header::UPGRADE)
        && request.headers().get_all(header::CONNECTION).iter().all(keeps)
}

impl hyper::service::Service<Request<Incoming>> for Answers {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let resumed = self.resumed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = resumed {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        if request.headers().contains_key(header::UPGRADE) {
            self.connection.upgrade();
        }
        let parking = may_park(&request).then(|| self.parking.clone());
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.connection.clone());
        if let Some(parking) = parking.clone() {
            request.extensions_mut().insert(parking);
        }
        let answer = ReadOut { inner: self.router.clone(), patience: PATIENCE }.call(request);
        Box::pin(async move {
            match parking {
                Some(parking) => Ok(parking.pass(answer.await?).await),
                None => answer.await,
            }
        })
    }
}

#[cfg(test)]
mod tests;
