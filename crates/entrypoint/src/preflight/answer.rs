//! What an answer means. Pure.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The consequence of one answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<T> {
    Good(T),
    /// Asking again may help.
    Away(String),
    /// The token or its rights are the matter; asking again is a login that fails again.
    Refused(String),
    /// This is not the server that was meant.
    Wrong(String),
    /// It is not known whether it is: its certificate is of nobody whom this container trusts, or of another server.
    Distrusted(String),
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
}

impl Answer<'_> {
    /// The verdict where the head alone tells; nothing for a JSON body that is to be read.
    ///
    /// The real service answers an unusable token with 401, with 203 and a sign-in page, or with a redirect to one.
    pub(crate) fn verdict<T>(&self) -> Option<Verdict<T>> {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let verdict = match self.status {
            401 => Verdict::Refused("401 Unauthorized".to_owned()),
            403 => Verdict::Refused("403 Forbidden".to_owned()),
            203 => Verdict::Refused("203, a sign-in page".to_owned()),
            302 | 303 | 307 => Verdict::Refused(format!("{}, a redirect to a sign-in page", self.status)),
            301 | 308 => Verdict::Wrong(format!("it has moved for good ({})", self.status)),
            404 => Verdict::Wrong("404 Not Found".to_owned()),
            407 => Verdict::Wrong("the proxy wants a login (407)".to_owned()),
            200..=299 if kind == "application/json" => return None,
            200..=299 if kind == "text/html" => Verdict::Refused(format!("{}, a sign-in page", self.status)),
            200..=299 => Verdict::Away(format!("status {} without JSON", self.status)),
            status => Verdict::Away(format!("status {status}")),
        };
        Some(verdict)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    instance_id: Option<IgnoredAny>,
    location_service_data: Option<IgnoredAny>,
}

/// Reads the answer to `connectionData`.
pub(crate) fn connection(body: &[u8]) -> Verdict<()> {
    match serde_json::from_slice::<Connection>(body) {
        Ok(Connection { instance_id: None, location_service_data: None }) => {
            Verdict::Wrong("its connection data names no instance".to_owned())
        }
        Ok(_) => Verdict::Good(()),
        Err(error) => Verdict::Away(format!("unreadable connection data: {error}")),
    }
}

/// A pool, as far as it matters here.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pool {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) is_hosted: bool,
    /// Whether the pool tells its agents to update themselves.
    #[serde(default)]
    pub(crate) auto_update: Option<bool>,
}

#[derive(Deserialize)]
struct Pools {
    value: Vec<Pool>,
}

/// Reads a list of pools. The server may match more than the exact name; names are compared without regard to case.
pub(crate) fn pool(body: &[u8], name: &str) -> Verdict<Option<Pool>> {
    match serde_json::from_slice::<Pools>(body) {
        Ok(pools) => {
            let name = name.to_lowercase();
            Verdict::Good(pools.value.into_iter().find(|pool| pool.name.to_lowercase() == name))
        }
        Err(error) => Verdict::Away(format!("unreadable list of pools: {error}")),
    }
}

#[cfg(test)]
mod tests;
