//! The places that a job can write to, by the route on which the next job would meet them.

use std::path::PathBuf;

use super::Leave;

/// Folders that differ from agent to agent.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) home: PathBuf,
    /// Where the agent's programs are.
    pub(crate) agent: PathBuf,
    /// Where jobs work.
    pub(crate) work: PathBuf,
    pub(crate) temporary: PathBuf,
    /// The folders in which programs are looked for.
    pub(crate) path: Vec<PathBuf>,
}

impl Places {
    /// As the environment of a job tells them, else as images commonly have them.
    pub(crate) fn here() -> Self {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME").or_else(|| variable("USERPROFILE"));
        let root = PathBuf::from(if cfg!(windows) { r"C:\azp" } else { "/azp" });
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            home: home.unwrap_or_else(std::env::temp_dir),
            agent: variable("AGENT_HOMEDIRECTORY").unwrap_or_else(|| root.join("agent")),
            work: variable("AGENT_WORKFOLDER").unwrap_or_else(|| root.join("work")),
            temporary: std::env::temp_dir(),
            path: std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect(),
        }
    }
}

/// One route: what is left on it, and where the next job looks.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) route: &'static str,
    pub(crate) leave: Vec<Leave>,
    /// Files and folders with all that is below.
    pub(crate) look: Vec<PathBuf>,
}

impl Spot {
    fn new(route: &'static str, leave: Vec<Leave>, further: Vec<PathBuf>) -> Self {
        let left = leave.iter().map(|one| match one {
            Leave::File(place) | Leave::Line(place, _) | Leave::Program(place) | Leave::SetUserId(place) => {
                place.clone()
            }
        });
        let mut look: Vec<PathBuf> = left.chain(further).collect();
        look.sort();
        look.dedup();
        Self { route, leave, look }
    }
}

/// All routes on which something stays in files.
pub(crate) fn spots(places: &Places) -> Vec<Spot> {
    let home = |name: &str| places.home.join(name);
    let agent = |name: &str| places.agent.join(name);
    let absolute = PathBuf::from;
    let mut spots = vec![
        Spot::new(
            "agent-diagnostics",
            vec![Leave::File(agent("_diag"))],
            vec![agent("_diag/pages"), places.work.join("_diag")],
        ),
        Spot::new(
            "agent-folder",
            vec![
                Leave::File(places.agent.clone()),
                Leave::File(agent("bin")),
                Leave::Line(agent(".env"), "LEFT_BEHIND={}"),
                Leave::Line(agent("run.sh"), "# {}"),
                Leave::Line(agent("config.sh"), "# {}"),
            ],
            vec![],
        ),
        Spot::new(
            "agent-work-folder",
            vec![
                Leave::File(places.work.clone()),
                Leave::File(places.work.join("_tasks")),
                Leave::File(places.work.join("_temp")),
            ],
            vec![],
        ),
        Spot::new(
            "home-folder",
            vec![Leave::File(places.home.clone()), Leave::File(home(".config"))],
            vec![],
        ),
        Spot::new(
            "temporary-files",
            vec![
                Leave::File(places.temporary.clone()),
                Leave::File(absolute("/tmp")),
                Leave::File(absolute("/var/tmp")),
            ],
            vec![],
        ),
        Spot::new(
            "shell-history",
            vec![Leave::Line(home(".bash_history"), "echo {}")],
            [".zsh_history", ".python_history", ".lesshst", ".wget-hsts"]
                .into_iter()
                .map(home)
                .chain([absolute("/root/.bash_history")])
                .collect(),
        ),
        Spot::new(
            "profile-scripts",
            vec![
                Leave::Line(home(".bashrc"), "export LEFT_BEHIND={}"),
                Leave::Line(home(".profile"), "export LEFT_BEHIND={}"),
                Leave::Line(home(".bash_profile"), "export LEFT_BEHIND={}"),
                Leave::Line(home("Documents/PowerShell/profile.ps1"), "$env:LEFT_BEHIND = '{}'"),
                Leave::File(absolute("/etc/profile.d")),
                Leave::Line(absolute("/etc/environment"), "LEFT_BEHIND={}"),
            ],
            vec![absolute("/etc/profile"), absolute("/etc/bash.bashrc"), absolute("/etc/skel")],
        ),
        Spot::new(
            "preloaded-libraries",
            vec![
                Leave::Line(absolute("/etc/ld.so.conf.d/left.conf"), "/tmp/{}"),
                Leave::Line(home(".config/environment.d/left.conf"), "LD_PRELOAD=/tmp/{}.so"),
                Leave::Line(home(".pam_environment"), "LD_PRELOAD=/tmp/{}.so"),
            ],
            vec![absolute("/etc/ld.so.preload"), absolute("/etc/ld.so.conf")],
        ),
        Spot::new(
            "git-configuration",
            vec![
                Leave::Line(home(".gitconfig"), "[credential]\n\thelper = /tmp/{}"),
                Leave::Line(home(".git-credentials"), "https://{}@example.invalid"),
                Leave::Line(absolute("/etc/gitconfig"), "[user]\n\tname = {}"),
            ],
            vec![home(".config/git")],
        ),
        Spot::new(
            "package-caches",
            vec![
                Leave::File(home(".npm/_cacache")),
                Leave::Line(home(".npmrc"), "registry=https://{}.example.invalid/"),
                Leave::File(home(".cache/pip")),
                Leave::Line(
                    home(".config/pip/pip.conf"),
                    "[global]\nindex-url = https://{}.example.invalid/",
                ),
                Leave::File(home(".nuget/packages")),
                Leave::File(home(".m2/repository")),
                Leave::File(home(".cargo/registry")),
                Leave::File(places.work.join("_tool")),
            ],
            vec![absolute("/usr/local/lib/node_modules"), absolute("/opt"), home(".local/lib")],
        ),
        Spot::new(
            "credential-stores",
            vec![
                Leave::Line(home(".netrc"), "machine example.invalid login x password {}"),
                Leave::Line(home(".docker/config.json"), "{}"),
                Leave::Line(home(".ssh/config"), "# {}"),
                Leave::File(home(".azure")),
            ],
            vec![
                home(".aws"),
                home(".kube"),
                home(".gnupg"),
                absolute("/root/.docker"),
                absolute("/root/.azure"),
            ],
        ),
        Spot::new(
            "scheduled-jobs",
            vec![
                Leave::Line(home(".config/systemd/user/left.service"), "# {}"),
                Leave::Line(home(".config/autostart/left.desktop"), "# {}"),
                Leave::File(home("AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup")),
                Leave::Line(absolute("/etc/cron.d/left"), "# {}"),
                Leave::File(absolute("/var/spool/cron/crontabs")),
            ],
            vec![absolute("/etc/crontab"), absolute("/var/spool/cron"), absolute("/etc/init.d")],
        ),
        Spot::new(
            "program-path",
            places
                .path
                .iter()
                .cloned()
                .chain([home(".local/bin"), home("bin")])
                .map(Leave::Program)
                .collect(),
            vec![],
        ),
    ];
    if cfg!(unix) {
        spots.push(Spot::new("shared-memory-files", vec![Leave::File(absolute("/dev/shm"))], vec![]));
        spots.push(Spot::new(
            "names",
            vec![Leave::Line(absolute("/etc/hosts"), "127.0.0.1 {}")],
            vec![absolute("/etc/resolv.conf"), absolute("/etc/hostname"), absolute("/etc/nsswitch.conf")],
        ));
    } else {
        spots.push(Spot::new(
            "names",
            vec![Leave::Line(absolute(r"C:\Windows\System32\drivers\etc\hosts"), "127.0.0.1 {}")],
            vec![],
        ));
    }
    spots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_leaves_something_and_looks_there() {
        let spots = spots(&Places::here());
        assert!(spots.len() >= 14);
        for spot in &spots {
            assert!(!spot.leave.is_empty() && spot.look.len() >= spot.leave.len().min(1), "{}", spot.route);
        }
        let mut names: Vec<_> = spots.iter().map(|spot| spot.route).collect();
        names.dedup();
        assert_eq!(names.len(), spots.len());
    }
}
