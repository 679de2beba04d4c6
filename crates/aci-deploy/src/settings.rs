//! Where the fleet lives and with what credentials it is managed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::environment as names;
use crate::fleet::FleetName;

/// What the endpoints are meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Microsoft's cloud.
    Azure,
    /// A running sandbox of this machine.
    Sandbox,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Azure => "azure",
            Self::Sandbox => "sandbox",
        })
    }
}

/// Operating system of the agents' containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OsType {
    /// Linux containers.
    #[default]
    Linux,
    /// Windows containers.
    Windows,
}

impl OsType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
        }
    }
}

/// The endpoints of one running sandbox, as that sandbox states them. The target guard compares with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxEndpoints {
    /// Its organization URL.
    pub organization: Url,
    /// Its Azure Resource Manager.
    pub resource_manager: Url,
    /// Its Entra ID.
    pub authority: Url,
}

/// How often is asked, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Between two looks at something that is awaited.
    pub poll: Duration,
    /// Wait before the first retry of a failed call; doubles with each.
    pub retry: Duration,
    /// How often a call is tried in all.
    pub attempts: u32,
    /// The longest `Retry-After` that is obeyed.
    pub longest_retry_after: Duration,
    /// How long a deployment or another operation of Azure may take.
    pub operation: Duration,
    /// How long a group that has just started may take to register its agent before it is taken for one that never will.
    pub registration: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            retry: Duration::from_secs(1),
            attempts: 5,
            longest_retry_after: Duration::from_secs(120),
            operation: Duration::from_secs(45 * 60),
            registration: Duration::from_secs(60),
        }
    }
}

/// Everything that must be known before anything is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the endpoints are meant to be.
    pub target: Target,
    /// Organization URL, without a trailing slash.
    pub organization: Url,
    /// Token for Azure DevOps; the agents register with it too.
    pub token: SecretString,
    /// Pool name.
    pub pool: String,
    /// Entra tenant.
    pub tenant_id: String,
    /// Service principal.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// Subscription of the fleet.
    pub subscription_id: Uuid,
    /// Entra ID's base URL.
    pub authority: Url,
    /// Azure Resource Manager's base URL.
    pub resource_manager: Url,
    /// PEM file of the only trusted authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM text of the authorities that the agents' containers are to trust beside the public ones.
    pub container_authorities: Option<String>,
    /// Resource group of the fleet.
    pub resource_group: String,
    /// Region; by default the one of the resource group.
    pub location: Option<String>,
    /// Fleet.
    pub fleet: FleetName,
    /// For `Target::Sandbox`: what the running sandbox says its endpoints are.
    pub sandbox: Option<SandboxEndpoints>,
    /// Poll intervals and limits.
    pub timing: Timing,
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the settings: {}", problems.join("; "))]
pub struct SettingsError {
    /// One text per variable.
    pub problems: Vec<String>,
}

impl Settings {
    /// Default resource group of a fleet.
    pub const DEFAULT_RESOURCE_GROUP: &'static str = "mayfly-agents";
    /// Default fleet.
    pub const DEFAULT_FLEET: &'static str = "mayfly";

    /// Reads the settings through `lookup`, which the caller makes from flags and environment.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let target = match reader.optional(names::MAYFLY_TARGET).as_deref() {
            None | Some("azure") => Target::Azure,
            Some("sandbox") => Target::Sandbox,
            Some(other) => {
                reader.problem(format!(
                    "{} is `{other}`; it may be `azure` or `sandbox`",
                    names::MAYFLY_TARGET
                ));
                Target::Azure
            }
        };
        let settings = Self {
            target,
            organization: reader.url(names::AZDO_URL, None),
            token: reader.required(names::AZDO_TOKEN).into(),
            pool: reader.required(names::AZDO_POOL),
            tenant_id: reader.identifier(names::AZURE_TENANT_ID),
            client_id: reader.identifier(names::AZURE_CLIENT_ID),
            client_secret: reader.required(names::AZURE_CLIENT_SECRET).into(),
            subscription_id: reader.uuid(names::AZURE_SUBSCRIPTION_ID),
            authority: reader.url(names::AZURE_AUTHORITY_HOST, Some("https://login.microsoftonline.com")),
            resource_manager: reader.url(names::ARM_ENDPOINT, Some("https://management.azure.com")),
            ca_file: reader.optional(names::MAYFLY_CA_FILE).map(PathBuf::from),
            container_authorities: reader.authorities(names::AZDO_CA_FILE),
            resource_group: reader.resource_group(),
            location: reader.optional(names::MAYFLY_LOCATION),
            fleet: reader.fleet(),
            sandbox: None,
            timing: Timing::default(),
        };
        if reader.problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError { problems: reader.problems })
        }
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// An empty variable counts as absent, as pipelines set undefined secrets to nothing.
    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(format!("{name} is not set"));
            String::new()
        })
    }

    fn url(&mut self, name: &str, default: Option<&str>) -> Url {
        let placeholder = || Url::parse("https://invalid.invalid").expect("a constant URL parses");
        let Some(text) = self.optional(name).or_else(|| default.map(str::to_owned)) else {
            self.problem(format!("{name} is not set"));
            return placeholder();
        };
        match Url::parse(text.trim().trim_end_matches('/')) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if url.username().is_empty() && url.password().is_none() {
                    return url;
                }
                self.problem(format!("{name} carries credentials; put the token into {}", names::AZDO_TOKEN));
            }
            _ => self.problem(format!("{name} is not an absolute http or https URL")),
        }
        placeholder()
    }

    /// The text of a PEM file that is sent along. It goes into a deployment and a container's environment, so nothing but
    /// certificates may be in it.
    fn authorities(&mut self, name: &str) -> Option<String> {
        let path = self.optional(name)?;
        match fs_err::read_to_string(&path) {
            Ok(text) if text.contains("PRIVATE KEY-----") => {
                self.problem(format!(
                    "{name}: `{path}` holds a private key, which no container may be given"
                ));
            }
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(text),
            Ok(_) => self.problem(format!("{name}: there is no PEM certificate in `{path}`")),
            Err(error) => self.problem(format!("{name}: {error}")),
        }
        None
    }

    /// A tenant or an application: a UUID or a domain; it becomes part of a path.
    fn identifier(&mut self, name: &str) -> String {
        let value = self.required(name);
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            self.problem(format!("{name} is neither a UUID nor a domain"));
        }
        value
    }

    fn uuid(&mut self, name: &str) -> Uuid {
        let value = self.required(name);
        match value.parse() {
            Ok(uuid) => uuid,
            Err(_) if value.is_empty() => Uuid::nil(),
            Err(_) => {
                self.problem(format!("{name} is not a UUID"));
                Uuid::nil()
            }
        }
    }

    /// 1 to 90 letters, digits and `_-.()`, not ending in a full stop.
    fn resource_group(&mut self) -> String {
        let name = self
            .optional(names::MAYFLY_RESOURCE_GROUP)
            .unwrap_or(Settings::DEFAULT_RESOURCE_GROUP.to_owned());
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '(' | ')');
        if name.chars().count() > 90 || name.ends_with('.') || !name.chars().all(allowed) {
            self.problem(format!("`{name}` is no resource group name"));
        }
        name
    }

    fn fleet(&mut self) -> FleetName {
        let name = self.optional(names::MAYFLY_FLEET).unwrap_or(Settings::DEFAULT_FLEET.to_owned());
        name.parse().unwrap_or_else(|error: crate::NameError| {
            self.problem(error.to_string());
            Settings::DEFAULT_FLEET.parse().expect("the default name is valid")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn complete() -> HashMap<&'static str, &'static str> {
        HashMap::from([
            (names::AZDO_URL, "https://dev.azure.com/contoso/"),
            (names::AZDO_TOKEN, "canary-token"),
            (names::AZDO_POOL, "linux"),
            (names::AZURE_TENANT_ID, "8f0f7d0e-6a57-4a5e-9a53-8b0d0f5f8a01"),
            (names::AZURE_CLIENT_ID, "8f0f7d0e-6a57-4a5e-9a53-8b0d0f5f8a02"),
            (names::AZURE_CLIENT_SECRET, "canary-secret"),
            (names::AZURE_SUBSCRIPTION_ID, "8f0f7d0e-6a57-4a5e-9a53-8b0d0f5f8a03"),
        ])
    }

    fn read(values: &HashMap<&'static str, &'static str>) -> Result<Settings, SettingsError> {
        Settings::from_lookup(&|name| values.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn defaults_are_the_public_cloud() {
        let settings = read(&complete()).unwrap();
        assert_eq!(settings.target, Target::Azure);
        assert_eq!(settings.organization.as_str(), "https://dev.azure.com/contoso");
        assert_eq!(settings.resource_manager.as_str(), "https://management.azure.com/");
        assert_eq!(settings.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(settings.resource_group, "mayfly-agents");
        assert_eq!(settings.fleet.as_str(), "mayfly");
    }

    #[test]
    fn containers_get_certificates_and_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs_err::write(&path, text).unwrap();
            path.display().to_string()
        };
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let good = file("ca.pem", certificate);
        let read = |path: &str| {
            let values = complete();
            let path = path.to_owned();
            Settings::from_lookup(&|name| match name {
                names::AZDO_CA_FILE => Some(path.clone()),
                name => values.get(name).map(|value| (*value).to_owned()),
            })
        };
        assert_eq!(read(&good).unwrap().container_authorities.as_deref(), Some(certificate));
        let key = file("both.pem", &format!("{certificate}-----BEGIN PRIVATE KEY-----\n"));
        let empty = file("empty.pem", "");
        let absent = folder.path().join("absent.pem").display().to_string();
        for (path, says) in
            [(key, "holds a private key"), (empty, "no PEM certificate"), (absent, "AZDO_CA_FILE: ")]
        {
            let error = read(&path).unwrap_err();
            assert!(error.problems.len() == 1 && error.problems[0].contains(says), "{error}");
        }
    }

    #[test]
    fn no_secret_is_in_the_debug_text() {
        let text = format!("{:?}", read(&complete()).unwrap());
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let mut values = complete();
        values.remove(names::AZDO_TOKEN);
        values.insert(names::AZDO_POOL, " ");
        values.insert(names::AZDO_URL, "https://me:canary@dev.azure.com/contoso");
        values.insert(names::AZURE_TENANT_ID, "../etc");
        values.insert(names::AZURE_SUBSCRIPTION_ID, "x");
        values.insert(names::MAYFLY_TARGET, "cloud");
        values.insert(names::MAYFLY_FLEET, "Bad");
        values.insert(names::MAYFLY_RESOURCE_GROUP, "a/b");
        let error = read(&values).unwrap_err();
        assert!(!error.to_string().contains("canary"));
        insta::assert_snapshot!(error.problems.join("\n"), @r"
        MAYFLY_TARGET is `cloud`; it may be `azure` or `sandbox`
        AZDO_URL carries credentials; put the token into AZDO_TOKEN
        AZDO_TOKEN is not set
        AZDO_POOL is not set
        AZURE_TENANT_ID is neither a UUID nor a domain
        AZURE_SUBSCRIPTION_ID is not a UUID
        `a/b` is no resource group name
        `Bad` is no fleet name: 1 to 50 lowercase letters, digits and `-`, starting with a letter and not ending in `-`, without `--`
        ");
    }
}
