//! The message queue: the long poll, and the second poller that keeps the session alive and throws away what
//! it gets (azure-pipelines-agent: MessageListener.cs GetNextMessageAsync, KeepAlive).

use std::{sync::Arc, time::Duration};

use tokio::sync::RwLock;

use crate::{
    clock,
    console::Console,
    error::{ClientError, kind},
    session::{OpenSession, SessionMaker},
    wire::Message,
};

/// Gap of the second poller after each answer.
const KEEP_ALIVE_GAP: Duration = Duration::from_secs(30);
/// So many errors in a row have the shorter back-off.
const FEW_ERRORS: u32 = 5;

/// The session in use; replaced when the server lets it expire.
pub(crate) type LiveSession = Arc<RwLock<Arc<OpenSession>>>;

/// The reader of the queue.
#[derive(Debug)]
pub(crate) struct Poller<'a> {
    pub(crate) live: LiveSession,
    pub(crate) maker: SessionMaker<'a>,
    pub(crate) pool: i64,
    last_message: Option<i64>,
    errors: u32,
}

impl<'a> Poller<'a> {
    pub(crate) fn new(live: LiveSession, maker: SessionMaker<'a>, pool: i64) -> Self {
        Self { live, maker, pool, last_message: None, errors: 0 }
    }

    /// Waits for the next message; an error is one that ends the listener.
    pub(crate) async fn next(&mut self) -> Result<Message, ClientError> {
        let console: &Console = &self.maker.agent.console;
        loop {
            let session = self.live.read().await.clone();
            let error = match session.server.message(self.pool, &session.id, self.last_message).await {
                Ok(Some(message)) => {
                    self.errors = 0;
                    self.last_message = Some(message.message_id);
                    return Ok(message);
                }
                Ok(None) => {
                    self.errors = 0;
                    clock::sleep(clock::random_between(5, 15)).await;
                    continue;
                }
                Err(error) => error,
            };
            console.diagnostics().error(&format!("The message could not be read: {error}"));
            if error.is(kind::SESSION_EXPIRED) {
                let Ok(session) = self.maker.open().await else { return Err(error) };
                *self.live.write().await = Arc::new(session);
                self.last_message = None;
                continue;
            }
            if error.is(kind::AGENT_NOT_FOUND)
                || error.is(kind::POOL_NOT_FOUND)
                || error.is(kind::ACCESS_DENIED)
                || error.is(kind::ACCESS_TOKEN_EXPIRED)
                || matches!(error, ClientError::Unauthorized(_))
            {
                return Err(error);
            }
            self.errors += 1;
            if self.errors == 1 {
                console.error(&format!(
                    "{}: Agent connect error: {error} Retrying until reconnected.",
                    clock::console_time()
                ));
            }
            clock::sleep(back_off(self.errors)).await;
            if let Err(error) = session.server.rebuild_messages().await {
                console.diagnostics().error(&format!("The message connection could not be rebuilt: {error}"));
            }
        }
    }
}

fn back_off(errors: u32) -> Duration {
    if errors <= FEW_ERRORS { clock::random_between(15, 30) } else { clock::random_between(30, 60) }
}

/// Polls beside the reader until it is dropped. What it receives is thrown away, as in the vendor's agent.
pub(crate) async fn keep_alive(live: LiveSession, pool: i64) {
    loop {
        let session = live.read().await.clone();
        drop(session.server.message(pool, &session.id, None).await);
        clock::sleep(KEEP_ALIVE_GAP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::back_off;

    #[test]
    fn errors_in_a_row_lengthen_the_wait() {
        for _ in 0..50 {
            assert!((15..=30).contains(&back_off(5).as_secs()));
            assert!((30..=60).contains(&back_off(6).as_secs()));
        }
    }
}
