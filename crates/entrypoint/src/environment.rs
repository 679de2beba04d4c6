//! The environment of the agent: an allow-list. What the image declares, proxies, what the operator names; nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::layout::Layout;
use crate::settings::Life;
use crate::update;
use crate::variables::{self, AGENT_IGNORE, Variables};

const UNIX_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Builds the environment that the agent, and so every job, sees.
///
/// Whatever was injected and is not named here stays out, because the agent uploads all it sees as capabilities and gives it
/// to every step (azure-pipelines-agent: EnvironmentCapabilitiesProvider.cs, ProcessInvoker.cs).
pub(crate) fn of_agent(
    layout: &Layout,
    injected: &Variables,
    pass: &[String],
    life: Life,
) -> BTreeMap<String, String> {
    let mut environment = basics(layout, injected);
    environment.extend(layout.environment.clone());
    let named = variables::PROXY.iter().copied().chain(pass.iter().map(String::as_str));
    for name in named {
        if let Some(value) = injected.get(name).and_then(|value| value.to_str()) {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    environment.retain(|name, _| !variables::is_ours(name) && name != update::DISABLED.0);
    if !life.follow_updates {
        environment.insert(update::DISABLED.0.to_owned(), update::DISABLED.1.to_owned());
    }
    if life.as_root {
        // The vendor's scripts refuse to run as root without it (azure-pipelines-agent: Misc/layoutroot/run.sh).
        environment.insert("AGENT_ALLOW_RUNASROOT".to_owned(), "1".to_owned());
    }
    let ignored = ignored(environment.get(AGENT_IGNORE).map(String::as_str));
    environment.insert(AGENT_IGNORE.to_owned(), ignored);
    environment
}

fn basics(layout: &Layout, injected: &Variables) -> BTreeMap<String, String> {
    let mut basics = BTreeMap::new();
    if cfg!(windows) {
        for name in variables::WINDOWS_SYSTEM {
            if let Some(value) = injected.get(name).and_then(|value| value.to_str()) {
                basics.insert(name.to_owned(), value.to_owned());
            }
        }
    } else {
        basics.insert("PATH".to_owned(), UNIX_PATH.to_owned());
        basics.insert("HOME".to_owned(), layout.home.display().to_string());
        basics.insert("USER".to_owned(), layout.user.clone());
        basics.insert("LOGNAME".to_owned(), layout.user.clone());
        basics.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    }
    basics
}

/// The second line of defence: should one of our names ever reach the agent, it is not uploaded.
fn ignored(declared: Option<&str>) -> String {
    let ours = variables::ALL.iter().flat_map(|variable| [Some(variable.name), variable.alias]).flatten();
    let inputs = INPUTS.iter().map(|input| format!("{}{input}", variables::AGENT_INPUT_PREFIX));
    let names: BTreeSet<String> = declared
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .chain(ours.map(str::to_owned))
        .chain(inputs)
        .chain([AGENT_IGNORE.to_owned()])
        .collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

const INPUTS: [&str; 11] = [
    "URL",
    "AUTH",
    "TOKEN",
    "POOL",
    "AGENT",
    "WORK",
    "REPLACE",
    "UNATTENDED",
    "ACCEPTTEEEULA",
    "PASSWORD",
    "SSLCACERT",
];

/// A variable of the agent's environment whose value holds the token, if there is one.
pub(crate) fn holding<'a>(environment: &'a BTreeMap<String, String>, token: &str) -> Option<&'a str> {
    // A shorter text would be found in ordinary words.
    const SHORTEST: usize = 8;
    if token.len() < SHORTEST {
        return None;
    }
    environment.iter().find(|(_, value)| value.contains(token)).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests;
