//! An answer that is not there yet, and a connection that holds next to nothing until it is.
//!
//! An agent's poll is held for most of the agent's life. hyper keeps two buffers of 8 KiB for a connection whose request is
//! being answered, and each layer of the router keeps its part of the way back. Whoever parks the answer gives all of that
//! up: what remains is the stream, and the answer as far as it is known.

use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::response::{IntoResponse as _, Response};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// In the extensions of every request whose answer may be parked. Clones stand for the same connection, which has one
/// request at a time.
///
/// A request that still has a body, or asks for another protocol, needs its connection as it is, and has none.
#[derive(Clone, Default)]
pub struct Parking(Arc<Mutex<Option<BoxFuture<'static, Response>>>>);

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking").finish_non_exhaustive()
    }
}

impl Parking {
    /// The request is answered with this once it is there. What is returned stands for it on the way through the layers
    /// and is sent to nobody: a layer that has something to add takes the answer out ([`Self::take`]) and parks it anew.
    pub fn park(&self, answer: BoxFuture<'static, Response>) -> Response {
        *self.lock() = Some(answer);
        ().into_response()
    }

    /// The answer that was parked.
    pub fn take(&self) -> Option<BoxFuture<'static, Response>> {
        self.lock().take()
    }

    /// Never ends where the answer was parked: it is not given by whoever has the request.
    pub(crate) async fn pass(&self, answer: Response) -> Response {
        if self.lock().is_some() {
            return pending().await;
        }
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BoxFuture<'static, Response>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that was read from already: `before` comes first.
#[derive(Debug)]
pub(crate) struct Rewound<I> {
    pub(crate) before: Bytes,
    pub(crate) stream: I,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Rewound<I> {
    /// The answer, or `None` when the client is gone first. What the client sends meanwhile is kept.
    pub(crate) async fn unless_gone<T>(&mut self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = pin!(answer);
        poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => self.poll_gone(context).map(|()| None),
        })
        .await
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = Pin::new(&mut self.stream).poll_flush(context) {
            return Poll::Ready(());
        }
        // One byte tells that more is to be read when the answer went; its end is hidden behind that as it is for hyper.
        if !self.before.is_empty() {
            return Poll::Pending;
        }
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {
                self.before = Bytes::copy_from_slice(buffer.filled());
                Poll::Pending
            }
            Ok(()) | Err(_) => Poll::Ready(()),
        }
    }

    /// Puts this before all that is still to be read.
    pub(crate) fn put_first(&mut self, head: &[u8]) {
        let mut before = BytesMut::from(head);
        before.extend_from_slice(&self.before);
        self.before = before.freeze();
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.before.len().min(buffer.remaining());
        buffer.put_slice(&self.before[..count]);
        self.before.advance(count);
        if self.before.is_empty() {
            self.before = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewound<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
