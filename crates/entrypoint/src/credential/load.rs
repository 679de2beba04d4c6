//! From where the settings point to what is there: files at once, pipes last, since they can be read only once.

use std::io::Read;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use fs_err as fs;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Credential, Evidence, Pipe, Principal, Proof, Source};
use crate::platform::{self, SecretFile};
use crate::settings::{Problem, check_token};
use crate::variables;

/// Longest token that is read from a pipe.
const LIMIT: u64 = 64 * 1024;
/// How often a wait looks up.
const LOOK: Duration = Duration::from_millis(100);

/// Opens what the settings name. A pipe is left for [`read_pipe`].
pub(crate) fn load(source: Source) -> Result<Credential, Problem> {
    let credential = match source {
        Source::Inline(token) => Credential::Token(token),
        Source::StandardInput => Credential::Pipe(Pipe::StandardInput),
        Source::Identity(client) => Credential::Identity(client),
        Source::File(path) => {
            let name = variables::TOKEN_FILE.name;
            match platform::read_secret_file(&path).map_err(|text| Problem::new(name, text))? {
                SecretFile::Text(text) => Credential::Token(checked(name, text)?),
                SecretFile::Pipe => Credential::Pipe(Pipe::Named(path)),
            }
        }
        Source::Principal(Principal { client, tenant, authority, proof }) => {
            let proof = match proof {
                Proof::Secret(secret) => Evidence::Secret(secret),
                Proof::SecretFile(path) => {
                    Evidence::Secret(regular(variables::CLIENT_SECRET_FILE.name, &path)?)
                }
                Proof::FederatedFile(path) => {
                    Evidence::Assertion(regular(variables::FEDERATED_TOKEN_FILE.name, &path)?)
                }
            };
            Credential::Principal(Principal { client, tenant, authority, proof })
        }
    };
    if let Some(secret) = credential.secret() {
        platform::lock_memory(secret.as_bytes());
    }
    Ok(credential)
}

fn regular(name: &str, path: &std::path::Path) -> Result<SecretString, Problem> {
    match platform::read_secret_file(path).map_err(|text| Problem::new(name, text))? {
        SecretFile::Text(text) => checked(name, text),
        SecretFile::Pipe => Err(Problem::new(name, "is not a regular file")),
    }
}

fn checked(name: &str, text: String) -> Result<SecretString, Problem> {
    let text = SecretString::from(text);
    check_token(text.expose_secret())
        .map_err(|problem| Problem::new(name, format!("its content {problem}")))?;
    Ok(text)
}

/// Reads a token from a pipe to its end, within a limit of size and time. `None` where a stop was asked for.
pub(crate) fn read_pipe(
    pipe: Pipe,
    limit: Duration,
    stop_requested: impl Fn() -> bool,
) -> Result<Option<SecretString>, Problem> {
    let problem = |text: String| Problem::new(variables::TOKEN_FILE.name, text);
    if matches!(pipe, Pipe::StandardInput) && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(problem(
            "standard input is a terminal; give the token through a pipe (docker run -i)".to_owned(),
        ));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    // The wait for somebody who writes has no other end. The next image of this process is without this thread.
    std::thread::spawn(move || sender.send(read_all(&pipe)));
    let deadline = Instant::now() + limit;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(Ok(text)) => return text_of_pipe(&text).map(Some).map_err(problem),
            Ok(Err(error)) => return Err(problem(format!("cannot be read: {error}"))),
            Err(RecvTimeoutError::Disconnected) => return Err(problem("cannot be read".to_owned())),
            Err(RecvTimeoutError::Timeout) if stop_requested() => return Ok(None),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(problem(format!(
                    "nobody wrote a whole token into the pipe within {} s and closed it; {AGAIN}",
                    limit.as_secs()
                )));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

const AGAIN: &str =
    "a token from a pipe is gone once it is read, so a container that is restarted needs it written again";

fn read_all(pipe: &Pipe) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // As large as it can get, so that no copy is left behind by a reallocation.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LIMIT).unwrap_or_default() + 1));
    match pipe {
        Pipe::StandardInput => std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)?,
        Pipe::Named(path) => fs::File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn text_of_pipe(bytes: &[u8]) -> Result<SecretString, String> {
    if bytes.len() as u64 > LIMIT {
        return Err(format!("the pipe holds more than {} KiB", LIMIT / 1024));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the pipe's content is not valid UTF-8".to_owned())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("the pipe ended without a token; {AGAIN}"));
    }
    check_token(text).map_err(|problem| format!("the pipe's content {problem}"))?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests;
