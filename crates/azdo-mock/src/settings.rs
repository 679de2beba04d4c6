//! What the service is started with.

use std::path::PathBuf;
use std::time::Duration;

use entra_tokens::Entra;
use secrecy::SecretString;
use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};
use url::Url;

use crate::state::members::Member;

/// What an access token that was issued to a replaced key may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OldToken {
    /// It is taken until it expires, but opens no session. The default, since it hurts more.
    #[default]
    Valid,
    /// It is refused from the replacement on.
    Refused,
}

/// What happens to an agent's session when its key is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionAfterReplace {
    /// It stays until it expires or is deleted, and blocks a new one. The default, since it hurts more.
    #[default]
    Kept,
    /// It ends with the replacement.
    Dropped,
}

/// How a bad credential is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadCredential {
    /// 401 with challenges.
    #[default]
    Unauthorized,
    /// 302 to a sign-in page.
    SignInRedirect,
    /// 203 with a sign-in page as HTML.
    SignInPage,
}

/// Facts about Azure DevOps that are not published, and times that tests shorten.
#[derive(Debug, Clone, Copy)]
pub struct Switches {
    /// See [`OldToken`].
    pub old_token_after_replace: OldToken,
    /// See [`SessionAfterReplace`].
    pub session_after_replace: SessionAfterReplace,
    /// See [`BadCredential`].
    pub bad_credential: BadCredential,
    /// How long a poll is held before it is answered with nothing.
    pub poll_hold: Duration,
    /// How long a session lives after its agent stopped polling.
    pub session_expiry: Duration,
    /// How long a job is locked to its agent after each renewal.
    pub job_lock: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            old_token_after_replace: OldToken::default(),
            session_after_replace: SessionAfterReplace::default(),
            bad_credential: BadCredential::default(),
            poll_hold: Duration::from_secs(50),
            session_expiry: Duration::from_mins(5),
            job_lock: Duration::from_mins(10),
        }
    }
}

/// What the service is started with.
#[derive(Debug)]
pub struct Settings {
    /// The organization's address, for example `http://172.30.0.1:4080/acme`: every address that the service gives
    /// out begins with it, whatever the `Host` header says. [`crate::AzureDevOps::at`] adds further ones.
    pub base: Url,
    /// The organization's name: the path of `base`.
    pub organization: String,
    /// Pools that exist. A pool that the store knows stays.
    pub pools: Vec<String>,
    /// Tokens of users. One that was revoked stays revoked.
    pub personal_access_tokens: Vec<SecretString>,
    /// The directory whose access tokens are taken from members of the organization; `None`: none are.
    pub entra: Option<Entra>,
    /// Principals of that directory that are members from the start, beside those that were added.
    pub members: Vec<Member>,
    /// Agent packages: `vsts-agent-<platform>-<version>.tar.gz` or `.zip`.
    pub packages: Vec<PathBuf>,
    /// Unpublished facts and times.
    pub switches: Switches,
    /// Where everything but logs is kept.
    pub store: Store,
    /// Where logs, console lines and attachments are kept.
    pub logs_dir: PathBuf,
    /// The time. Long polls, expiry of sessions and locks, time limits and the latency of faults wait on it: with a
    /// [`service_kit::VirtualClock`] they pass when it is moved, by its owner or by `POST clock/advance` of the control
    /// API. A client that dates its assertions by another clock is refused once the two are ten minutes apart.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Owner of the background tasks.
    pub shutdown: Shutdown,
}

#[cfg(test)]
impl Settings {
    /// An organization `acme` in memory, whose time and randomness are the same every time.
    pub(crate) fn for_tests(folder: &std::path::Path) -> Self {
        Self {
            base: "http://azdo.invalid/acme".parse().expect("it is an address"),
            organization: "acme".into(),
            pools: vec!["Default".into()],
            personal_access_tokens: vec!["pat".into()],
            entra: None,
            members: Vec::new(),
            packages: Vec::new(),
            switches: Switches::default(),
            store: Store::in_memory(),
            logs_dir: folder.join("logs"),
            clock: service_kit::ManualClock::at("2026-11-24T12:00:00Z".parse().expect("it is a time"))
                .shared(),
            entropy: service_kit::SeededEntropy::shared(1),
            shutdown: Shutdown::new(),
        }
    }
}
