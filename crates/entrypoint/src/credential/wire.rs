//! Asking for a token over HTTP: one request, its answer, and the wait for a server that is away.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::preflight::{Verdict, causes, unanswered};
use crate::report::log;

/// No answer with a token comes near this size.
const BODY_LIMIT: usize = 256 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The one thing wanted of an answer.
#[derive(Deserialize)]
pub(super) struct Issued {
    pub(super) access_token: SecretString,
}

/// Asks until there is an answer, or no time left; then the last answer is `Away`.
pub(super) async fn patiently<T>(
    who: &str,
    deadline: Instant,
    request: impl Fn() -> RequestBuilder,
    read: impl Fn(u16, &[u8]) -> Verdict<T>,
) -> Verdict<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        let (reason, retry_after) = match once(request(), &read).await {
            (Verdict::Away(reason), retry_after) => (reason, retry_after),
            (verdict, _) => return verdict,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Verdict::Away(reason);
        }
        let next = retry_after.unwrap_or(pause).clamp(FIRST_PAUSE, LONGEST_PAUSE).min(left);
        log(format_args!("{who} is away ({reason}); next try in {:.1} s", next.as_secs_f32()));
        tokio::time::sleep(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

pub(super) async fn once<T>(
    request: RequestBuilder,
    read: &impl Fn(u16, &[u8]) -> Verdict<T>,
) -> (Verdict<T>, Option<Duration>) {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (unanswered(error), None),
    };
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let mut body = Zeroizing::new(Vec::new());
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_LIMIT => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return (Verdict::Wrong("its answer is far too long".to_owned()), None),
            Ok(None) => return (read(status, &body), retry_after),
            Err(error) => {
                let reason = format!("its answer broke off: {}", causes(&error.without_url()));
                return (Verdict::Away(reason), None);
            }
        }
    }
}
