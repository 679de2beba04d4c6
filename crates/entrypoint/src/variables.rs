//! Every environment variable the entrypoint reads, by name, and the environment it was started with.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// One variable: its name, Microsoft's name for the same thing, and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) alias: Option<&'static str>,
    pub(crate) meaning: &'static str,
    pub(crate) default: &'static str,
}

const fn variable(
    name: &'static str,
    alias: Option<&'static str>,
    meaning: &'static str,
    default: &'static str,
) -> Variable {
    Variable { name, alias, meaning, default }
}

pub(crate) const URL: Variable =
    variable("AZDO_URL", Some("AZP_URL"), "organization URL, https://dev.azure.com/NAME", "required");
pub(crate) const TOKEN: Variable =
    variable("AZDO_TOKEN", Some("AZP_TOKEN"), "token that may register agents", "this or another credential");
pub(crate) const TOKEN_FILE: Variable = variable(
    "AZDO_TOKEN_FILE",
    Some("AZP_TOKEN_FILE"),
    "file with that token, readable by root alone, or a named pipe, or - for standard input",
    "none",
);
pub(crate) const CLIENT_ID: Variable = variable(
    "AZDO_CLIENT_ID",
    None,
    "application id of a service principal that may register agents (else AZURE_CLIENT_ID)",
    "none",
);
pub(crate) const TENANT_ID: Variable =
    variable("AZDO_TENANT_ID", None, "Entra tenant of the service principal (else AZURE_TENANT_ID)", "none");
pub(crate) const CLIENT_SECRET: Variable =
    variable("AZDO_CLIENT_SECRET", None, "secret of the service principal", "none");
pub(crate) const CLIENT_SECRET_FILE: Variable = variable(
    "AZDO_CLIENT_SECRET_FILE",
    None,
    "file with the secret of the service principal, readable by root alone",
    "none",
);
pub(crate) const FEDERATED_TOKEN_FILE: Variable = variable(
    "AZDO_FEDERATED_TOKEN_FILE",
    None,
    "file with a token the service principal trusts, readable by root alone (else AZURE_FEDERATED_TOKEN_FILE)",
    "none",
);
pub(crate) const AUTHORITY_HOST: Variable = variable(
    "AZDO_AUTHORITY_HOST",
    None,
    "base URL of Entra ID (else AZURE_AUTHORITY_HOST)",
    "https://login.microsoftonline.com",
);
pub(crate) const IDENTITY: Variable = variable(
    "AZDO_IDENTITY",
    None,
    "managed identity that registers agents: system or a client id; refused without the next one",
    "none",
);
pub(crate) const ALLOW_IDENTITY: Variable = variable(
    "AZDO_ALLOW_JOB_READABLE_IDENTITY",
    None,
    "1 accepts an identity that registers agents and that every job can use",
    "0",
);
pub(crate) const CA_FILE: Variable = variable(
    "AZDO_CA_FILE",
    None,
    "PEM file of authorities to be trusted beside the public ones (Linux)",
    "this, the next one, or none",
);
pub(crate) const CA_CERTIFICATE: Variable =
    variable("AZDO_CA_CERTIFICATE", None, "the text of such a file", "none");
pub(crate) const POOL: Variable = variable("AZDO_POOL", Some("AZP_POOL"), "pool to register in", "required");
pub(crate) const AGENT_NAME: Variable = variable(
    "AZDO_AGENT_NAME",
    Some("AZP_AGENT_NAME"),
    "name of the agent; one of this name is replaced",
    "required",
);
pub(crate) const WORK: Variable =
    variable("AZDO_WORK", Some("AZP_WORK"), "work folder, an absolute path", "what the image declares");
pub(crate) const PASS_ENV: Variable = variable(
    "AZDO_PASS_ENV",
    None,
    "names of further variables the agent and its job may see, separated by commas",
    "none",
);
pub(crate) const FATAL_HOLD: Variable =
    variable("AZDO_FATAL_HOLD", None, "seconds to wait before exit 64 and 77", "300");
pub(crate) const SERVER_WAIT: Variable = variable(
    "AZDO_SERVER_WAIT",
    None,
    "seconds a server that is away, or a token from a pipe, is waited for",
    "300",
);
pub(crate) const CONFIG_TIMEOUT: Variable =
    variable("AZDO_CONFIG_TIMEOUT", None, "seconds the registration of the agent may take", "180");
pub(crate) const RUN_AS: Variable =
    variable("AZDO_RUN_AS", None, "user of the agent and its job: agent or root (in the container)", "agent");
pub(crate) const STOP_LIMIT: Variable =
    variable("AZDO_STOP_LIMIT", None, "seconds a running job may go on after a stop signal", "15");
pub(crate) const HEALTH: Variable = variable(
    "AZDO_HEALTH",
    None,
    "port or address:port at which GET /healthz tells whether the agent listens",
    "none",
);
pub(crate) const AGENT_UPDATE: Variable = variable(
    "AZDO_AGENT_UPDATE",
    None,
    "what the agent does when the server wants a newer one: refuse or follow",
    "refuse",
);
pub(crate) const IMAGE: Variable =
    variable("MAYFLY_IMAGE", None, "image reference to report; set by the deployer", "none");

/// All of them, in the order of `--help`. None of them reaches the agent.
pub(crate) const ALL: &[Variable] = &[
    URL,
    TOKEN,
    TOKEN_FILE,
    CLIENT_ID,
    TENANT_ID,
    CLIENT_SECRET,
    CLIENT_SECRET_FILE,
    FEDERATED_TOKEN_FILE,
    AUTHORITY_HOST,
    IDENTITY,
    ALLOW_IDENTITY,
    CA_FILE,
    CA_CERTIFICATE,
    POOL,
    AGENT_NAME,
    WORK,
    PASS_ENV,
    FATAL_HOLD,
    SERVER_WAIT,
    CONFIG_TIMEOUT,
    RUN_AS,
    STOP_LIMIT,
    HEALTH,
    AGENT_UPDATE,
    IMAGE,
];

/// Prefix of the variables that stand for arguments of the agent (azure-pipelines-agent: CommandSettings.cs).
pub(crate) const AGENT_INPUT_PREFIX: &str = "VSTS_AGENT_INPUT_";

/// Variable with the names that the agent does not upload as capabilities
/// (azure-pipelines-agent: EnvironmentCapabilitiesProvider.cs).
pub(crate) const AGENT_IGNORE: &str = "VSO_AGENT_IGNORE";

/// Proxy variables, ours to pass on: without them the agent cannot reach its server.
pub(crate) const PROXY: [&str; 11] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "VSTS_HTTP_PROXY",
    "VSTS_HTTP_PROXY_USERNAME",
    "VSTS_HTTP_PROXY_PASSWORD",
];

/// What every process on Windows needs from the system to start at all.
pub(crate) const WINDOWS_SYSTEM: [&str; 23] = [
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMMONPROGRAMFILES",
    "COMMONPROGRAMFILES(X86)",
    "COMMONPROGRAMW6432",
    "COMPUTERNAME",
    "COMSPEC",
    "LOCALAPPDATA",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMW6432",
    "PUBLIC",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERPROFILE",
];

/// Whether a name is one of the entrypoint's own or an argument of the agent, and so never for a job.
pub(crate) fn is_ours(name: &str) -> bool {
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    ALL.iter().any(|variable| same(variable.name) || variable.alias.is_some_and(same))
        || name.len() >= AGENT_INPUT_PREFIX.len()
            && name.is_char_boundary(AGENT_INPUT_PREFIX.len())
            && name[..AGENT_INPUT_PREFIX.len()].eq_ignore_ascii_case(AGENT_INPUT_PREFIX)
}

/// The environment the container was started with.
///
/// It may hold the token, so it has no `Debug` that shows a value.
#[derive(Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, OsString>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Names that are not Unicode can be none of ours and are dropped here, which also keeps them from the agent.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(pairs.into_iter().filter_map(|(name, value)| Some((normal(name.to_str()?), value))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(&normal(name)).map(OsString::as_os_str)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Windows compares names without regard to case.
fn normal(name: &str) -> String {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() }
}
