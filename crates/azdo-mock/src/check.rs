//! A look at a request before it goes on, for looks that wait for nothing.
//!
//! axum's `middleware::from_fn` does the same and keeps over a kilobyte until the answer is there. An agent's poll is
//! held for most of its life, and each of them would hold that.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use tower::{Layer, Service};

/// A layer that lets a request pass, or answers it instead with what the look at it says.
#[derive(Debug, Clone)]
pub(crate) struct Check<F>(pub(crate) F);

impl<S, F: Clone> Layer<S> for Check<F> {
    type Service = Checked<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Checked { inner, look: self.0.clone() }
    }
}

/// The service behind a [`Check`].
#[derive(Debug, Clone)]
pub(crate) struct Checked<S, F> {
    inner: S,
    look: F,
}

impl<S, F> Service<Request> for Checked<S, F>
where
    S: Service<Request, Response = Response>,
    F: Fn(&Request) -> Result<(), Box<Response>>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match (self.look)(&request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(answer) => Either::Right(ready(Ok(*answer))),
        }
    }
}
