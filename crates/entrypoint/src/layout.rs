//! Where everything is in the image, and who the agent runs as.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::settings::Problem;

/// The image as the entrypoint sees it.
///
/// All places are relative to the root that the binary itself was installed under, so that a test gets a whole image in a
/// folder by installing the binary there, and no variable or argument can point a real container anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Layout {
    pub(crate) image_file: PathBuf,
    /// Root-only folder for the mark of a used layer.
    pub(crate) state_directory: PathBuf,
    pub(crate) agent_directory: PathBuf,
    pub(crate) work_directory: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) user: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// What the image declares for the agent.
    pub(crate) environment: BTreeMap<String, String>,
    /// Of the agent in the image, if it says.
    pub(crate) agent_version: Option<String>,
}

/// What the image builder recorded. Fields for other readers are left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ImageFile {
    environment: BTreeMap<String, String>,
    agent_version: Option<String>,
    agent_directory: Option<PathBuf>,
    work_directory: Option<PathBuf>,
    home: Option<PathBuf>,
    user: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

const AGENT_ID: u32 = 10001;

impl Layout {
    /// The layout of the image that the executable belongs to, as far as its place tells.
    pub(crate) fn discover(executable: &Path) -> Self {
        if cfg!(windows) { Self::windows(executable) } else { Self::unix(executable) }
    }

    fn unix(executable: &Path) -> Self {
        let root = executable
            .parent()
            .and_then(|folder| {
                folder.ends_with("usr/local/bin").then(|| folder.ancestors().nth(3).map(Path::to_path_buf))
            })
            .flatten()
            .unwrap_or_else(|| PathBuf::from("/"));
        Self {
            image_file: root.join("etc/mayfly/image.json"),
            state_directory: root.join("var/lib/mayfly"),
            agent_directory: root.join("azp/agent"),
            work_directory: root.join("azp/work"),
            home: root.join("home/agent"),
            user: "agent".to_owned(),
            uid: AGENT_ID,
            gid: AGENT_ID,
            environment: BTreeMap::new(),
            agent_version: None,
        }
    }

    fn windows(executable: &Path) -> Self {
        let root = executable.parent().map_or_else(|| PathBuf::from(r"C:\azp"), Path::to_path_buf);
        Self {
            image_file: root.join("image.json"),
            state_directory: root.join("state"),
            agent_directory: root.join("agent"),
            work_directory: root.join("work"),
            home: root.join("home"),
            user: "ContainerUser".to_owned(),
            uid: AGENT_ID,
            gid: AGENT_ID,
            environment: BTreeMap::new(),
            agent_version: None,
        }
    }

    /// Takes over what the image declares. An image without the file is one by its defaults.
    pub(crate) fn with_image_file(mut self, text: Option<&str>) -> Result<Self, Problem> {
        let name = self.image_file.display().to_string();
        let Some(text) = text else { return Ok(self) };
        let file: ImageFile = serde_json::from_str(text)
            .map_err(|error| Problem::new(&name, format!("is not readable: {error}")))?;
        for (field, path) in [
            ("agentDirectory", &file.agent_directory),
            ("workDirectory", &file.work_directory),
            ("home", &file.home),
        ] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                return Err(Problem::new(name, format!("`{field}` must be an absolute path")));
            }
        }
        if file.uid == Some(0) || file.gid == Some(0) {
            return Err(Problem::new(
                name,
                "`uid` and `gid` of the agent must not be 0: a job does not run as root",
            ));
        }
        self.environment = file.environment;
        self.agent_version = file.agent_version;
        self.agent_directory = file.agent_directory.unwrap_or(self.agent_directory);
        self.work_directory = file.work_directory.unwrap_or(self.work_directory);
        self.home = file.home.unwrap_or(self.home);
        self.user = file.user.unwrap_or(self.user);
        self.uid = file.uid.unwrap_or(self.uid);
        self.gid = file.gid.unwrap_or(self.gid);
        Ok(self)
    }

    /// The same image with an agent that is root in its container, because the operator asked for it.
    pub(crate) fn with_root(mut self) -> Self {
        (self.uid, self.gid) = (0, 0);
        "root".clone_into(&mut self.user);
        self.home = PathBuf::from("/root");
        self
    }

    /// The program of the agent, called without the vendor's scripts.
    ///
    /// `config.sh` and `run.sh` would put a shell between PID 1 and the listener: the shell dies of the first SIGTERM and
    /// the listener with it, session and all. `config.sh` also copies variables into `.env`, where they stay
    /// (azure-pipelines-agent: Misc/layoutroot/config.sh, run.sh, env.sh).
    pub(crate) fn listener(&self) -> PathBuf {
        let name = if cfg!(windows) { "Agent.Listener.exe" } else { "Agent.Listener" };
        self.agent_directory.join("bin").join(name)
    }

    /// Files that only a configured agent has (azure-pipelines-agent: ConfigurationStore.cs).
    pub(crate) fn agent_settings(&self) -> PathBuf {
        self.agent_directory.join(".agent")
    }

    pub(crate) fn agent_credentials(&self) -> PathBuf {
        self.agent_directory.join(".credentials")
    }
}

#[cfg(test)]
mod tests;
