//! The configuration files of an agent (azure-pipelines-agent: ConfigurationStore.cs).

use std::path::Path;

use anyhow::bail;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{hidden, layout::Layout};

/// `.agent`. Fields that hold their default are left out of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AgentSettings {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) accept_tee_eula: bool,
    pub(crate) agent_id: i64,
    pub(crate) agent_name: String,
    pub(crate) pool_id: i64,
    pub(crate) pool_name: String,
    pub(crate) server_url: String,
    pub(crate) work_folder: String,
}

/// `.credentials` of an agent that registered with a key of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredCredentials {
    pub(crate) scheme: String,
    pub(crate) data: CredentialData,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialData {
    pub(crate) client_id: String,
    pub(crate) authorization_url: String,
    pub(crate) oauth_endpoint_url: String,
}

/// `.certificates` (azure-pipelines-agent: AgentCertificateManager.cs).
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CertificateSettings {
    /// For the tools of a job. The agent's own client trusts the system's store and nothing else, as .NET does
    /// (azure-pipelines-agent: docs/design/clientcert.md).
    #[serde(rename = "caCert", skip_serializing_if = "Option::is_none")]
    pub(crate) ca_certificate_file: Option<String>,
    #[serde(rename = "skipServerCertValidation")]
    pub(crate) skip_server_certificate_validation: bool,
}

impl CertificateSettings {
    /// Refuses a file that is not there, as the vendor's agent does whenever it reads the setting.
    pub(crate) fn checked(self) -> anyhow::Result<Self> {
        match &self.ca_certificate_file {
            Some(file) if !Path::new(file).is_file() => bail!("File not found: '{file}'"),
            _ => Ok(self),
        }
    }
}

impl Layout {
    /// Whether `config` has been run here.
    pub(crate) fn is_configured(&self) -> bool {
        self.settings().exists()
    }

    pub(crate) fn read_settings(&self) -> anyhow::Result<AgentSettings> {
        read(&self.settings())
    }
    pub(crate) fn read_credentials(&self) -> anyhow::Result<StoredCredentials> {
        read(&self.credentials())
    }
    pub(crate) fn read_certificates(&self) -> anyhow::Result<CertificateSettings> {
        let file = self.certificates();
        if !file.exists() {
            return Ok(CertificateSettings::default());
        }
        read::<CertificateSettings>(&file)?.checked()
    }

    pub(crate) fn write_settings(&self, settings: &AgentSettings) -> anyhow::Result<()> {
        write(&self.settings(), settings)
    }
    pub(crate) fn write_credentials(&self, credentials: &StoredCredentials) -> anyhow::Result<()> {
        write(&self.credentials(), credentials)
    }
    pub(crate) fn write_certificates(&self, certificates: &CertificateSettings) -> anyhow::Result<()> {
        if *certificates == CertificateSettings::default() {
            return Ok(());
        }
        write(&self.certificates(), certificates)
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = fs_err::read_to_string(file)?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| anyhow::anyhow!("`{}` cannot be read: {error}", file.display()))
}

fn write<T: Serialize>(file: &Path, value: &T) -> anyhow::Result<()> {
    hidden::unhide(file);
    fs_err::write(file, serde_json::to_string_pretty(value)?)?;
    hidden::hide(file);
    Ok(())
}
