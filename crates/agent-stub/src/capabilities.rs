//! What the agent tells the pool about its machine: its whole environment, the tools it finds, and itself
//! (azure-pipelines-agent: EnvironmentCapabilitiesProvider.cs, AgentCapabilitiesProvider.cs).

use std::{collections::BTreeMap, path::PathBuf};

use crate::{environment::Environment, layout, layout::Layout, masking::Masker};

/// Names the vendor's agent never uploads.
const NEVER: &[&str] = &[
    "comp_wordbreaks",
    "ls_colors",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "SHLVL",
    "PSMODULEPATH",
    "SYSTEM_ACCESSTOKEN",
];
/// Values of this many characters or more are left out.
const LONGEST: usize = 1024;
/// A small part of the vendor's tool list: capability and program.
const TOOLS: &[(&str, &str)] = &[
    ("ant", "ant"),
    ("clang", "clang"),
    ("cmake", "cmake"),
    ("curl", "curl"),
    ("docker", "docker"),
    ("git", "git"),
    ("java", "java"),
    ("make", "make"),
    ("maven", "mvn"),
    ("node.js", "node"),
    ("npm", "npm"),
    ("python", "python"),
    ("python3", "python3"),
    ("rake", "rake"),
    ("ruby", "ruby"),
    ("sh", "sh"),
    ("subversion", "svn"),
];

/// Collects all capabilities of this agent.
pub(crate) fn scan(
    environment: &Environment,
    layout: &Layout,
    agent_name: &str,
    masker: &Masker,
) -> BTreeMap<String, String> {
    let mut found = of_environment(environment);
    for (capability, program) in TOOLS {
        if let Some(path) = which(environment, program) {
            found.insert((*capability).to_owned(), path.display().to_string());
        }
    }
    if cfg!(windows) {
        if let Some(shell) = environment.get("ComSpec") {
            found.insert("Cmd".to_owned(), shell.to_owned());
        }
        found.insert("InteractiveSession".to_owned(), "False".to_owned());
    }
    // Lines `name=value` of the user.
    if let Ok(text) = fs_err::read_to_string(layout.user_capabilities()) {
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            found.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    let own = [
        ("Agent.Name", agent_name.to_owned()),
        ("Agent.OS", layout::os_name().to_owned()),
        ("Agent.OSArchitecture", layout::architecture().to_owned()),
        ("Agent.OSVersion", os_version()),
        ("Agent.Version", layout.agent_version()),
        ("Agent.ComputerName", layout::machine_name(environment)),
        ("Agent.HomeDirectory", layout.root().display().to_string()),
    ];
    found.extend(own.map(|(name, value)| (name.to_owned(), value)));
    for value in found.values_mut() {
        *value = masker.mask(value);
    }
    found
}

/// The environment without what is never uploaded and what `VSO_AGENT_IGNORE` lists.
fn of_environment(environment: &Environment) -> BTreeMap<String, String> {
    let ignored: Vec<&str> = environment
        .get("VSO_AGENT_IGNORE")
        .map(|list| list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
        .unwrap_or_default();
    let listed = |names: &[&str], name: &str| {
        names
            .iter()
            .any(|other| if cfg!(windows) { other.eq_ignore_ascii_case(name) } else { *other == name })
    };
    environment
        .iter()
        .filter(|(name, value)| {
            !listed(NEVER, name) && !listed(&ignored, name) && value.chars().count() < LONGEST
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn which(environment: &Environment, program: &str) -> Option<PathBuf> {
    let extensions: &[&str] = if cfg!(windows) { &["exe", "cmd", "bat"] } else { &[""] };
    environment.search_path().into_iter().find_map(|folder| {
        extensions
            .iter()
            .map(|extension| folder.join(program).with_extension(extension))
            .find(|path| is_program(path))
    })
}

fn is_program(path: &std::path::Path) -> bool {
    let Ok(metadata) = fs_err::metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

fn os_version() -> String {
    fs_err::read_to_string("/proc/sys/kernel/osrelease")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::of_environment;
    use crate::environment::Environment;

    #[test]
    fn the_whole_environment_goes_up_but_for_the_ignored() {
        let long = "x".repeat(1024);
        let nearly = "x".repeat(1023);
        let environment = Environment::from_pairs(&[
            ("PATH", "/bin"),
            ("MY_SECRET", "visible"),
            ("AZP_TOKEN", "t"),
            ("azp_token", "other case"),
            ("TERM", "xterm"),
            ("LONG", &long),
            ("NEARLY", &nearly),
            ("VSO_AGENT_IGNORE", "AZP_TOKEN, OTHER"),
            ("OTHER", "o"),
        ]);
        let names: Vec<String> = of_environment(&environment).into_keys().collect();
        let mut expected = vec!["MY_SECRET", "NEARLY", "PATH", "VSO_AGENT_IGNORE"];
        if !cfg!(windows) {
            expected.push("azp_token");
        }
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
