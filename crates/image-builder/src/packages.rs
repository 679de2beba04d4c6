//! The packages API: which agent an organization offers, and where.
//!
//! `GET {organization}/_apis/distributedtask/packages/agent?platform=…&$top=1`; the answer is a wrapper
//! `{"count", "value": [{"version": {"major", "minor", "patch"}, "downloadUrl", "hashValue", "filename"}]}`
//! (azure-pipelines-agent: SelfUpdater.cs; vsts-agent REST: PackageMetadata).

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::http::{ClientError, client};
use crate::options::TargetOs;
use crate::unpack::ArchiveKind;
use crate::version::AgentVersion;

/// A package that can be downloaded and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPackage {
    /// The agent's version.
    pub version: AgentVersion,
    /// The archive's name, without folders.
    pub file_name: String,
    /// Where the archive is. Public: no credentials are sent there.
    pub download_url: Url,
    /// SHA-256 of the archive, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why no package was found.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The URL has no host to ask.
    #[error("ask `{0}` for agent packages: not the URL of an organization")]
    NotAnOrganization(Url),
    /// No answer.
    #[error("ask `{url}` for agent packages")]
    Unreachable {
        /// The organization.
        url: Url,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The token is not accepted. Azure DevOps says so with 401 or 403, with 203 and a page, or with a redirect to one.
    #[error("ask `{url}` for agent packages: the token was refused ({told})")]
    Refused {
        /// The organization.
        url: Url,
        /// What the service answered.
        told: String,
    },
    /// Some other status.
    #[error("ask `{url}` for agent packages: the service answered {status}: {message}")]
    Status {
        /// The organization.
        url: Url,
        /// The status.
        status: StatusCode,
        /// The service's own words, shortened.
        message: String,
    },
    /// Not the documented answer.
    #[error("read the list of agent packages from `{url}`: {reason}")]
    Shape {
        /// The organization.
        url: Url,
        /// What is wrong.
        reason: String,
    },
    /// The list is empty.
    #[error("`{url}` offers no agent package for `{platform}`")]
    None {
        /// The organization.
        url: Url,
        /// The platform asked for.
        platform: &'static str,
    },
}

impl PackagesError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => Some(
                "check that AZDO_TOKEN is of this organization, has not expired and has the scope `Agent Pools (read)`",
            ),
            Self::Unreachable { .. } => {
                Some("check AZDO_URL and the network, or give a package with --agent-package")
            }
            Self::None { .. } => Some("download a package yourself and give it with --agent-package"),
            Self::NotAnOrganization(_) => Some("AZDO_URL looks like https://dev.azure.com/NAME"),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    value: Vec<Metadata>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    version: AgentVersion,
    download_url: Option<String>,
    hash_value: Option<String>,
    filename: Option<String>,
}

/// Asks the organization for its newest package.
pub async fn newest_package(
    organization: &Url,
    token: &SecretString,
    os: TargetOs,
    ca_file: Option<&std::path::Path>,
) -> Result<AgentPackage, PackagesError> {
    // The redirect of a refused token leads to a sign-in page with status 200.
    let client = client(ca_file, Policy::none())?;
    let text = ask(&client, organization, token, os).await?;
    read(&text, organization, os)
}

/// Asks the organization for one version; `None` where it offers that no more.
///
/// `GET {organization}/_apis/distributedtask/packages/agent/{platform}/{version}`: one object without a wrapper, or 404
/// (vsts-agent REST: TaskAgentHttpClient.GetPackageAsync).
pub(crate) async fn offered_package(
    organization: &Url,
    token: &SecretString,
    os: TargetOs,
    version: AgentVersion,
    ca_file: Option<&std::path::Path>,
) -> Result<Option<AgentPackage>, PackagesError> {
    let client = client(ca_file, Policy::none())?;
    let url = address(organization, &[os.platform(), &version.to_string()])?;
    let text = match get(&client, organization, token, url).await {
        Err(PackagesError::Status { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
        answer => answer?,
    };
    let shape = |reason: String| PackagesError::Shape { url: organization.clone(), reason };
    let metadata: Metadata = serde_json::from_str(&text).map_err(|error| shape(error.to_string()))?;
    package(metadata, organization).map(Some)
}

async fn ask(
    client: &Client,
    organization: &Url,
    token: &SecretString,
    os: TargetOs,
) -> Result<String, PackagesError> {
    let mut url = address(organization, &[])?;
    url.set_query(Some(&format!("platform={}&$top=1", os.platform())));
    get(client, organization, token, url).await
}

fn address(organization: &Url, below: &[&str]) -> Result<Url, PackagesError> {
    let mut url = organization.clone();
    {
        let mut segments =
            url.path_segments_mut().map_err(|()| PackagesError::NotAnOrganization(organization.clone()))?;
        segments.pop_if_empty().extend(["_apis", "distributedtask", "packages", "agent"]).extend(below);
    }
    Ok(url)
}

async fn get(
    client: &Client,
    organization: &Url,
    token: &SecretString,
    url: Url,
) -> Result<String, PackagesError> {
    let unreachable = |source: reqwest::Error| PackagesError::Unreachable {
        url: organization.clone(),
        source: source.without_url(),
    };
    let answer = client
        .get(url)
        .basic_auth("", Some(token.expose_secret()))
        .header(header::ACCEPT, "application/json")
        .send()
        .await
        .map_err(unreachable)?;
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let page = kind.starts_with("text/html");
    let refused = |told: &str| PackagesError::Refused { url: organization.clone(), told: told.to_owned() };
    match status.as_u16() {
        401 | 403 => return Err(refused(&format!("status {status}"))),
        203 => return Err(refused("status 203 with a sign-in page")),
        300..=399 => return Err(refused(&format!("status {status}, a redirect to a sign-in page"))),
        200 if page => return Err(refused("a sign-in page in place of JSON")),
        200 => {}
        _ => {
            let message = answer.text().await.map_err(unreachable)?;
            return Err(PackagesError::Status {
                url: organization.clone(),
                status,
                message: shortened(&message),
            });
        }
    }
    answer.text().await.map_err(unreachable)
}

pub(crate) fn read(text: &str, organization: &Url, os: TargetOs) -> Result<AgentPackage, PackagesError> {
    let shape = |reason: String| PackagesError::Shape { url: organization.clone(), reason };
    let answer: Answer = serde_json::from_str(text).map_err(|error| shape(error.to_string()))?;
    let newest = answer.value.into_iter().max_by_key(|package| package.version);
    let Some(newest) = newest else {
        return Err(PackagesError::None { url: organization.clone(), platform: os.platform() });
    };
    package(newest, organization)
}

fn package(newest: Metadata, organization: &Url) -> Result<AgentPackage, PackagesError> {
    let shape = |reason: String| PackagesError::Shape { url: organization.clone(), reason };
    let url = newest.download_url.ok_or_else(|| shape("`downloadUrl` is missing".into()))?;
    let download_url: Url =
        url.parse().map_err(|error| shape(format!("`downloadUrl` is no URL: {error}")))?;
    if !matches!(download_url.scheme(), "http" | "https") {
        return Err(shape(format!("`downloadUrl` is neither http nor https: `{download_url}`")));
    }
    let sha256 = newest.hash_value.unwrap_or_default().to_ascii_lowercase();
    if !is_sha256(&sha256) {
        return Err(shape("`hashValue` is not a SHA-256, so a download could not be checked".into()));
    }
    let file_name = newest
        .filename
        .or_else(|| Some(download_url.path_segments()?.next_back()?.to_owned()))
        .filter(|name| is_plain_name(name))
        .ok_or_else(|| shape("`filename` is not the name of an archive".into()))?;
    Ok(AgentPackage { version: newest.version, file_name, download_url, sha256 })
}

/// Whether a text is a SHA-256 in lower-case hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name becomes a file name in the cache, so nothing that could be a path is accepted.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !name.starts_with('.') && name.bytes().all(plain) && ArchiveKind::of(name).is_some()
}

fn shortened(message: &str) -> String {
    let line: String = message.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
