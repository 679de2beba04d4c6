//! The connection that a request came on, as far as a handler may have a hand in it: it can be cut, as by a network that
//! fails.

use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::Layer as _;

use crate::unread::{PATIENCE, ReadOut};

/// In the extensions of every request that [`serve_http`](crate::serve_http) and [`serve_https`](crate::serve_https)
/// take: its connection.
#[derive(Debug, Clone)]
pub struct Connection(CancellationToken);

impl Connection {
    /// Ends the connection without another byte, whatever is answered on it.
    pub fn cut(&self) {
        self.0.cancel();
    }
}

/// Accepts connections that can be cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cuttable;

impl<I, S> Accept<I, S> for Cuttable {
    type Stream = CuttableStream<I>;
    type Service = ReadOut<AddExtension<S, Connection>>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let token = CancellationToken::new();
        let cut = Box::pin(token.clone().cancelled_owned());
        let service = Extension(Connection(token)).layer(service);
        ready(Ok((CuttableStream { stream, cut }, ReadOut { inner: service, patience: PATIENCE })))
    }
}

/// A stream that fails once it was cut.
pub(crate) struct CuttableStream<I> {
    stream: I,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<I> CuttableStream<I> {
    /// Fails if the stream was cut; makes sure that a later cut is noticed.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for CuttableStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for CuttableStream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
