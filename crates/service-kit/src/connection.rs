//! The connection that a request came on: a handler can cut it, as a network does that fails, and its end is noticed
//! while a handler works.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// In the extensions of every request that [`serve_http`](crate::serve_http) and [`serve_https`](crate::serve_https)
/// take: its connection.
#[derive(Debug, Clone, Default)]
pub struct Connection(Arc<Marks>);

#[derive(Debug, Default)]
struct Marks {
    cut: AtomicBool,
    /// What is read is another protocol's.
    upgraded: AtomicBool,
    /// Of the task that serves it.
    task: AtomicWaker,
}

impl Connection {
    /// Ends the connection without another byte, whatever is answered on it.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.task.wake();
    }

    /// From here on whoever has the stream sees to its end.
    pub(crate) fn upgrade(&self) {
        self.0.upgraded.store(true, Ordering::Release);
    }
}

/// Who notices that the client is gone while its request is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndSeenBy {
    /// The stream itself. hyper would read to see it, and so keep a buffer of 8 KiB for nothing while a poll is held.
    Stream,
    /// Whoever reads it. Below TLS an end comes after the client's last record, so it has to be read.
    Reader,
}

/// A client's stream. It fails once it was cut and, where that is its task, once the client is gone.
#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
    pub(crate) end: EndSeenBy,
}

impl ClientStream {
    /// Fails if the stream was cut; makes sure that a later cut is noticed.
    fn check_cut(&self, context: &Context<'_>) -> io::Result<()> {
        self.connection.0.task.register(context.waker());
        if self.connection.0.cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Fails if the client is gone; makes sure that a later end is noticed. What the client sent already hides its end
    /// until it is read.
    fn check_end(&self, context: &mut Context<'_>) -> io::Result<()> {
        if self.end == EndSeenBy::Reader || self.connection.0.upgraded.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.stream.poll_peek(context, &mut ReadBuf::new(&mut [0])) {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_cut(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes whenever it looks at a connection, also while it waits for an answer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_cut(context)?;
        self.check_end(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
