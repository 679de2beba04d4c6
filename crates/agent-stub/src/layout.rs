//! Where things are in the agent's folder (azure-pipelines-agent: HostContext.cs, docs of the layout).

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The agent's root folder: the parent of `bin`.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Found from where the running program lies: `<root>/bin/Agent.Listener`.
    pub(crate) fn of_program() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program's own path")?;
        let root =
            program.parent().and_then(Path::parent).context("the program must lie in a `bin` folder")?;
        Ok(Self { root: root.to_path_buf() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }
    pub(crate) fn worker_program(&self) -> PathBuf {
        self.bin().join(if cfg!(windows) { "Agent.Worker.exe" } else { "Agent.Worker" })
    }
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join(".agent")
    }
    pub(crate) fn credentials(&self) -> PathBuf {
        self.root.join(".credentials")
    }
    pub(crate) fn key(&self) -> PathBuf {
        self.root.join(".credentials_rsaparams")
    }
    pub(crate) fn certificates(&self) -> PathBuf {
        self.root.join(".certificates")
    }
    pub(crate) fn environment(&self) -> PathBuf {
        self.root.join(".env")
    }
    pub(crate) fn user_capabilities(&self) -> PathBuf {
        self.root.join(".capabilities")
    }
    pub(crate) fn diagnostics(&self) -> PathBuf {
        self.root.join("_diag")
    }
    /// The work folder; a relative name in the settings is relative to the root.
    pub(crate) fn work(&self, folder: &str) -> PathBuf {
        self.root.join(folder)
    }

    /// The version of the package this program came in: the first line of `bin/agent.version`.
    pub(crate) fn agent_version(&self) -> String {
        fs_err::read_to_string(self.bin().join("agent.version"))
            .ok()
            .and_then(|text| text.lines().next().map(|line| line.trim().to_owned()))
            .filter(|version| !version.is_empty())
            .unwrap_or_else(|| crate::pack::DEFAULT_VERSION.to_owned())
    }
}

/// The package platform of this program, e.g. `linux-x64`.
pub(crate) fn platform() -> &'static str {
    match (cfg!(windows), cfg!(target_arch = "aarch64")) {
        (true, true) => "win-arm64",
        (true, false) => "win-x64",
        (false, true) => "linux-arm64",
        (false, false) => "linux-x64",
    }
}

/// `X64` or `ARM64`, as .NET names the architecture.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" }
}

/// `Linux` or `Windows_NT`, as variables and capabilities name the system.
pub(crate) fn os_name() -> &'static str {
    if cfg!(windows) { "Windows_NT" } else { "Linux" }
}

/// One line that describes the system, as in the agent's registration.
pub(crate) fn os_description() -> String {
    if cfg!(windows) {
        return "Microsoft Windows".to_owned();
    }
    let read = |name: &str| {
        fs_err::read_to_string(format!("/proc/sys/kernel/{name}"))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    format!("Linux {} {}", read("osrelease"), read("version"))
}

/// The machine's name: the host name, on Windows `COMPUTERNAME`.
pub(crate) fn machine_name(environment: &crate::environment::Environment) -> String {
    if cfg!(windows) {
        return environment.get("COMPUTERNAME").unwrap_or("localhost").to_owned();
    }
    fs_err::read_to_string("/proc/sys/kernel/hostname")
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
