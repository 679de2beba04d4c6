//! The routes: what an attacker does on each. Data alone, so that a report with a route missing is known as such.

/// From where a route is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// By a job, in the container.
    Inside,
    /// In what services, engine and commands keep or print.
    Outside,
    /// The same, once: for the target in Container Instances, whose image the others share.
    Group,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) id: &'static str,
    pub(crate) attack: &'static str,
    pub(crate) place: Place,
}

const fn inside(id: &'static str, attack: &'static str) -> Route {
    Route { id, attack, place: Place::Inside }
}

const fn outside(id: &'static str, attack: &'static str) -> Route {
    Route { id, attack, place: Place::Outside }
}

const fn group(id: &'static str, attack: &'static str) -> Route {
    Route { id, attack, place: Place::Group }
}

/// All of them.
pub(crate) const ROUTES: &[Route] = &[
    inside("own-environment", "reads the variables of its own process"),
    inside("parents-environment", "reads /proc/PID/environ of all its parents, up to PID 1"),
    inside("all-environments", "reads /proc/*/environ of every process"),
    inside("hook-environment", "reads the environment of what the agent starts for a moment"),
    inside("shell-environment", "starts login and interactive shells and reads their environment"),
    inside("command-lines", "reads the arguments of every process"),
    inside("command-lines-over-time", "watches arguments of processes that come and go"),
    inside("first-process-details", "reads all other files of /proc/1"),
    inside("memory-of-first-process", "reads /proc/1/mem"),
    inside("memory-of-all", "reads /proc/*/mem of every process"),
    inside("process-vm-read", "reads memory with process_vm_readv"),
    inside("ptrace", "attaches to every process as a debugger and reads it"),
    inside("core-dumps", "lets processes crash and reads core files"),
    inside("open-files", "reads every open file through /proc/*/fd"),
    inside("deleted-files", "reads files that are deleted but still open, and memory files"),
    inside("taken-descriptors", "copies descriptors out of other processes (pidfd_getfd)"),
    inside("files-everywhere", "reads every file that it can read"),
    inside("other-roots", "reads the file systems that other processes see"),
    inside("mounts", "reads all volumes and mounts: secrets, memory, what the engine adds"),
    inside("agent-settings", "reads .agent, .credentials, .credentials_rsaparams, .env"),
    inside("agent-diagnostics", "reads the agent's own logs in _diag"),
    inside("agent-folder", "reads and changes the agent's programs and settings"),
    inside("agent-work-folder", "looks for what is left in the work folder"),
    inside("home-folder", "looks for what is left in the user's home"),
    inside("temporary-files", "looks for what is left in /tmp and /var/tmp"),
    inside("shared-memory-files", "looks for what is left in /dev/shm"),
    inside("shell-history", "reads the histories of shells and tools"),
    inside("profile-scripts", "looks for changed .bashrc, .profile, /etc/profile.d"),
    inside("preloaded-libraries", "looks for LD_PRELOAD, ld.so.preload, library paths"),
    inside("program-path", "looks for programs that were slipped into PATH"),
    inside("git-configuration", "looks for changed git settings, helpers and stored passwords"),
    inside("package-caches", "looks for poisoned npm, pip, NuGet, Maven, Cargo and tool caches"),
    inside("credential-stores", "looks for .netrc, .docker, .ssh, .azure and their like"),
    inside("scheduled-jobs", "looks for cron tables, user services, autostart"),
    inside("setuid-programs", "looks for programs that lend another user's rights"),
    inside("named-pipes", "reads every named pipe"),
    inside("background-process", "looks for processes that outlived their job"),
    inside("loopback-listeners", "connects to every listener in the container"),
    inside("abstract-sockets", "connects to every abstract Unix socket"),
    inside("system-v-ipc", "reads System V shared memory and queues"),
    inside("message-queues", "reads POSIX message queues"),
    inside("kernel-keyring", "reads the keyrings of the kernel"),
    inside("names", "reads host names, hosts file and resolver settings"),
    inside("job-token", "uses System.AccessToken: capabilities, registering, listening"),
    inside("identity-endpoint", "asks the container's identity endpoint for a token and uses it"),
    inside("container-engine", "looks for the socket of a container engine (docker inspect)"),
    inside("engine-traces", "reads what the engine shows of its settings: cgroups, mounts, firmware"),
    inside("open-ports", "tries every port of the host; only Azure DevOps may answer"),
    inside("neighbours", "connects to another container of the network"),
    inside("raw-devices", "opens disks, swap, /dev/mem and /proc/kcore"),
    inside("kernel-log", "reads the log of the kernel"),
    inside("kernel-instruments", "tries bpf, perf, userfaultfd, kcmp and tracing"),
    inside("user-namespace", "becomes root in a namespace of its own and reads PID 1"),
    inside("privileges", "looks for user id 0, capabilities, sudo"),
    inside("clock", "sets the clock back, so that old tokens are valid again"),
    outside("arguments-at-start", "watches arguments on the host from first start to listening"),
    group("image-contents", "reads every file of every layer of the image"),
    group("image-history", "reads history, labels and settings of the image"),
    group("build-cache", "reads history and settings of all other images of the engine"),
    outside("container-files", "reads the container's whole file system, also what only root can"),
    outside("container-log", "reads what the container printed"),
    outside("job-log", "reads the logs of the jobs"),
    outside("uploaded-capabilities", "reads the agent's capabilities as uploaded"),
    outside("service-journal", "reads the record of requests"),
    outside("service-logs", "reads the services' log and all files of their state"),
    outside("exec-probe", "reads the environment of a health check that the engine starts"),
    group("container-group", "reads the container group and the list of groups"),
    group("deployment-history", "reads deployments with parameters and outputs"),
    group("deployment-operations", "reads the operations of the deployment"),
    group("deployer-log", "reads what the deploying command printed with MAYFLY_LOG=debug"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_enough_and_no_two_are_alike() {
        let names: BTreeSet<_> = ROUTES.iter().map(|route| route.id).collect();
        assert!(names.len() == ROUTES.len() && names.len() >= 55, "{}", names.len());
        let inside = ROUTES.iter().filter(|route| route.place == Place::Inside).count();
        assert!(inside >= 40, "{inside}");
        for route in ROUTES {
            assert!(
                route.attack.len() <= 76 && route.id.len() <= 24,
                "{} is too long for the table",
                route.id
            );
        }
    }
}
