//! `sandbox.json`: how other processes find a running sandbox. It holds credentials, so it is its owner's alone.

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;
use uuid::Uuid;

use crate::instance::Instance;

/// What a running sandbox says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The instance's name.
    pub instance: String,
    /// The process that serves it.
    pub process_id: u32,
    /// When that process started, UTC.
    pub started: Timestamp,
    /// The organization's URL, reachable from the host and from the containers alike: one of the two that follow.
    pub azdo_url: Url,
    /// The same organization by HTTP.
    pub azdo_http_url: Url,
    /// The same organization by HTTPS, with a certificate of the sandbox's authority.
    pub azdo_https_url: Url,
    /// The pool that agents register in.
    pub azdo_pool: String,
    /// A personal access token that may register agents.
    #[serde(serialize_with = "exposed")]
    pub azdo_token: SecretString,
    /// The directory.
    pub tenant_id: Uuid,
    /// The service principal.
    pub client_id: Uuid,
    /// Its secret.
    #[serde(serialize_with = "exposed")]
    pub client_secret: SecretString,
    /// The subscription.
    pub subscription_id: Uuid,
    /// Entra ID.
    pub authority_host: Url,
    /// Entra ID as containers reach it, where they do.
    #[serde(default)]
    pub container_authority_host: Option<Url>,
    /// Where containers of groups with an identity ask for tokens.
    #[serde(default)]
    pub identity_endpoint: String,
    /// Azure Resource Manager.
    pub arm_endpoint: Url,
    /// The registry's resource group, where `deploy` finds it.
    pub registry_group: String,
    /// The registry's name.
    pub registry_name: String,
    /// `localhost:<port>`.
    pub login_server: String,
    /// The registry's admin user.
    pub registry_username: String,
    /// Its password.
    #[serde(serialize_with = "exposed")]
    pub registry_password: SecretString,
    /// The control API.
    pub control_url: Url,
    /// What the control API wants as bearer token.
    #[serde(serialize_with = "exposed")]
    pub control_token: SecretString,
    /// The sandbox's authority alone.
    pub ca_file: PathBuf,
    /// The sandbox's authority joined with the system's.
    pub ca_bundle_file: PathBuf,
}

/// Why the record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is none.
    #[error("no sandbox named `{instance}` is running: `{}` is not there", file.display())]
    Missing {
        /// The instance.
        instance: String,
        /// The file.
        file: PathBuf,
    },
    /// It is there and cannot be used.
    #[error("read or write `{}`", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The one place where the record's secrets are written out: into a file of mode 0600.
fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl Record {
    /// Reads the record of an instance.
    pub fn read(instance: &Instance) -> Result<Self, RecordError> {
        let file = instance.record_file();
        let text = match fs_err::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecordError::Missing { instance: instance.name().to_owned(), file });
            }
            read => {
                read.map_err(|source| RecordError::Unusable { file: file.clone(), source: source.into() })?
            }
        };
        serde_json::from_slice(&text).map_err(|source| RecordError::Unusable { file, source: source.into() })
    }

    /// Replaces the record of an instance in one step: a reader sees the old one or the new one, never half of one.
    pub(crate) fn write(&self, instance: &Instance) -> Result<(), RecordError> {
        let file = instance.record_file();
        let failed =
            |source: std::io::Error| RecordError::Unusable { file: file.clone(), source: source.into() };
        let new = file.with_extension("json.new");
        let _ = fs_err::remove_file(&new);
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut opened = options.open(&new).map_err(failed)?;
        let text = serde_json::to_vec_pretty(self).map_err(|source| failed(source.into()))?;
        opened.write_all(&text).and_then(|()| opened.sync_all()).map_err(failed)?;
        drop(opened);
        fs_err::rename(&new, &file).map_err(failed)
    }
}
