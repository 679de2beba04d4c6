//! A request whose body nobody wanted is answered all the same.
//!
//! hyper answers, sees that there is more to come and closes the connection: a client that is still sending is cut off and
//! never reads why. So the rest is read and thrown away before the answer goes, for as long as the service's own web
//! server would, which is five seconds (dotnet/AspNetCore.Docs: servers/kestrel/request-draining).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::http::{Request, header};
use futures_util::future::{BoxFuture, Either};
use futures_util::{Stream, StreamExt as _};
use tower::Service;

/// How long a client may take to send what nobody wants.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Reads what the service left of a request's body.
#[derive(Debug, Clone)]
pub(crate) struct ReadOut<S> {
    pub(crate) inner: S,
    pub(crate) patience: Duration,
}

impl<S, B> Service<Request<B>> for ReadOut<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A client that asks before it sends is to be told no, not to send.
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return Either::Left(self.inner.call(request.map(Body::new)));
        }
        let (left, patience) = (Left::default(), self.patience);
        let kept = |body| Kept { stream: Some(Body::new(body).into_data_stream()), left: Arc::clone(&left) };
        let answer = self.inner.call(request.map(|body| Body::from_stream(kept(body))));
        Either::Right(Box::pin(async move {
            let answer = answer.await;
            let rest = left.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(rest) = rest {
                // Whether it came to its end or not, this is the time to answer.
                let _ = tokio::time::timeout(patience, rest.for_each(async |_| ())).await;
            }
            answer
        }))
    }
}

/// Where a body is left by whoever had enough of it.
type Left = Arc<Mutex<Option<BodyDataStream>>>;

/// A body that is left behind when it is dropped before its end.
struct Kept {
    stream: Option<BodyDataStream>,
    left: Left,
}

impl Stream for Kept {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let next = stream.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.stream = None;
        }
        next
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// Ten pieces, and how many of them were asked for.
    fn pieces() -> (Body, Arc<AtomicUsize>) {
        let read: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&read);
        let pieces = stream::iter(0..10).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>("piece")
        });
        (Body::from_stream(pieces), read)
    }

    async fn answer(request: Request<Body>, wanted: usize) -> usize {
        let service = service_fn(move |request: Request<Body>| async move {
            let taken = request.into_body().into_data_stream().take(wanted).count().await;
            Ok::<_, Infallible>(taken)
        });
        let service = ReadOut { inner: service, patience: Duration::from_millis(50) };
        service.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_the_service_leaves_is_read_before_it_answers() {
        for wanted in [0, 3, 10, 99] {
            let (body, read) = pieces();
            assert_eq!(answer(Request::new(body), wanted).await, wanted.min(10));
            assert_eq!(read.load(Ordering::Relaxed), 10);
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_first_is_not_told_to_send() {
        let (body, read) = pieces();
        let request = Request::builder().header("expect", "100-continue").body(body).unwrap();
        assert_eq!(answer(request, 0).await, 0);
        assert_eq!(read.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_client_that_never_sends_is_answered_too() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(answer(Request::new(body), 0).await, 0);
    }
}
