//! Another version of the agent: what the server offers, and what happens when it wants it.
//!
//! An update in the middle of `--once` is one more way to lose a job and one more program that nobody has checked. So the
//! agent is told to ignore the request, and the log says that a newer image is due.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde::Deserialize;

use crate::layout::Layout;
use crate::platform::{self, Signals};
use crate::settings::Problem;
use crate::variables;

/// Any value makes the agent drop requests to update itself; the name is compared with its case
/// (azure-pipelines-agent: Agent.cs, `disableAutoUpdate`).
pub(crate) const DISABLED: (&str, &str) = ("agent.disableupdate", "true");

/// How `run.sh` waits for the update to land: for this file, and not for ever (azure-pipelines-agent: Misc/layoutroot/run.sh).
const LANDED: &str = "update.finished";
const LANDING: Duration = Duration::from_secs(20);

/// A version of the agent; its parts compare by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The platform in the names of agent packages (azure-pipelines-agent: assets.json).
pub(crate) const fn platform() -> &'static str {
    match (cfg!(windows), cfg!(target_arch = "aarch64")) {
        (false, false) => "linux-x64",
        (false, true) => "linux-arm64",
        (true, false) => "win-x64",
        (true, true) => "win-arm64",
    }
}

#[derive(Deserialize)]
struct Packages {
    value: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    version: Version,
}

/// The newest version in a list of packages. Which order the server gives them in is not documented.
pub(crate) fn newest(body: &[u8]) -> Option<Version> {
    let packages: Packages = serde_json::from_slice(body).ok()?;
    packages.value.into_iter().map(|package| package.version).max()
}

/// What to say about the version in the image.
pub(crate) fn advice(baked: Option<&str>, offered: Option<Version>, follow: bool) -> Option<String> {
    let (baked, offered) = (Version::parse(baked?)?, offered?);
    if offered <= baked {
        return None;
    }
    let then = if follow {
        "the agent will update itself where the server asks for it, in every container again"
    } else {
        "jobs and tasks that demand it will not come to this agent"
    };
    Some(format!(
        "the server offers agent {offered} and this image has {baked}; until a new image is built, {then}"
    ))
}

/// An agent can replace only what belongs to its user, and then a job can do so as well.
pub(crate) fn check_folder(layout: &Layout) -> Result<(), Problem> {
    let folder = &layout.agent_directory;
    if platform::may_replace(layout) {
        return Ok(());
    }
    Err(Problem::new(
        variables::AGENT_UPDATE.name,
        format!(
            "follow needs an agent that its own user can replace, and `{}` is closed to user {}; build a new image instead, \
             or one in which the agent's folder belongs to that user: any job can then replace the agent too",
            folder.display(),
            layout.uid
        ),
    ))
}

/// Waits for an update to land. False where a stop came first.
pub(crate) fn wait(agent_directory: &Path, signals: &Signals) -> bool {
    let landed = agent_directory.join(LANDED);
    let deadline = Instant::now() + LANDING;
    while Instant::now() < deadline {
        if signals.stop_requested() {
            return false;
        }
        if fs::remove_file(&landed).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[cfg(test)]
mod tests;
