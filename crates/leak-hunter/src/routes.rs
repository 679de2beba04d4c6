//! All routes, in the order in which they are followed: memory first, while little of what is found was copied about.

mod agent;
mod environment;
mod files;
#[cfg(unix)]
mod kernel;
#[cfg(unix)]
mod memory;
mod network;
#[cfg(unix)]
mod processes;

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::brief::Brief;
use crate::look::Look;
use crate::needles::Needles;
use crate::plant::{self, Places, Spot};
use crate::report;

/// What every route may use.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) brief: Brief,
    pub(crate) own_mark: String,
    pub(crate) places: Places,
    pub(crate) spots: Vec<Spot>,
    /// The process that holds the hunter's canary.
    #[cfg_attr(windows, expect(dead_code, reason = "only routes of Unix look into processes"))]
    pub(crate) sitter: u32,
    /// The hunter's own processes but the sitter, which are not looked into: they hold what was read.
    #[cfg_attr(windows, expect(dead_code, reason = "only routes of Unix look into processes"))]
    pub(crate) own: Vec<u32>,
}

type Follow = fn(&Scene, &mut Look<'_>);

/// Routes that exist on every system.
const EVERYWHERE: &[(&str, &str, Follow)] = &[
    ("own-environment", "variables", environment::own),
    ("shell-environment", "shells", environment::shells),
    ("agent-settings", "files", agent::settings),
    ("job-token", "requests", agent::job_token),
    ("identity-endpoint", "endpoints", network::identity),
    ("loopback-listeners", "listeners", network::loopback),
    ("open-ports", "ports", network::open_ports),
    ("neighbours", "containers", network::neighbours),
];

#[cfg(unix)]
const HERE: &[(&str, &str, Follow)] = &[
    ("memory-of-first-process", "processes", memory::first),
    ("memory-of-all", "processes", memory::all),
    ("process-vm-read", "processes", memory::vm_read),
    ("ptrace", "processes", memory::ptrace),
    ("core-dumps", "places", memory::core_dumps),
    ("parents-environment", "processes", environment::parents),
    ("all-environments", "processes", environment::all),
    ("hook-environment", "environments", environment::over_time),
    ("command-lines", "processes", processes::command_lines),
    ("command-lines-over-time", "command lines", processes::command_lines_over_time),
    ("first-process-details", "files", processes::first),
    ("open-files", "descriptors", processes::open_files),
    ("deleted-files", "descriptors", processes::deleted_files),
    ("taken-descriptors", "descriptors", processes::taken_descriptors),
    ("background-process", "processes", processes::survivors),
    ("other-roots", "processes", processes::roots),
    ("mounts", "files", files::mounts),
    ("named-pipes", "pipes", files::named_pipes),
    ("setuid-programs", "programs", files::setuid),
    ("abstract-sockets", "sockets", network::abstract_sockets),
    ("container-engine", "sockets", network::engine),
    ("engine-traces", "files", kernel::engine_traces),
    ("system-v-ipc", "objects", kernel::system_v),
    ("message-queues", "queues", kernel::message_queues),
    ("kernel-keyring", "keyrings", kernel::keyring),
    ("raw-devices", "devices", kernel::raw_devices),
    ("kernel-log", "logs", kernel::log),
    ("kernel-instruments", "calls", kernel::instruments),
    ("user-namespace", "attempts", kernel::user_namespace),
    ("privileges", "marks", kernel::privileges),
    ("clock", "attempts", kernel::clock),
];

#[cfg(windows)]
const HERE: &[(&str, &str, Follow)] = &[];

/// Follows every route; one line of the report each.
pub(crate) fn follow_all(mut brief: Brief) -> Result<Vec<String>> {
    let places = Places::here();
    brief.needles.extend(agent::own_keys(&places));
    let needles = Needles::new(brief.needles.clone());
    let own_mark = brief.own_mark();
    let mut sitter = start_sitter(&own_mark)?;
    plant::start_survivor(&own_mark).context("start the hunter's own survivor")?;
    let spots = plant::spots(&places);
    let scene = Scene { own: own_processes(), brief, own_mark, places, spots, sitter: sitter.id() };
    let mut rows = Vec::new();
    let mut follow = |route: &str, unit: &'static str, step: &dyn Fn(&mut Look<'_>)| {
        let mut look = Look::new(&needles, unit);
        step(&mut look);
        rows.push(report::row(route, &look));
    };
    for (route, unit, step) in HERE.iter().chain(EVERYWHERE) {
        follow(route, unit, &|look| step(&scene, look));
    }
    for spot in &scene.spots {
        follow(spot.route, "files", &|look| files::spot(&scene, spot, look));
    }
    // Last, since by now every other route has left the canary somewhere.
    follow("files-everywhere", "files", &|look| files::everywhere(&scene, look));
    let _ = sitter.kill();
    let _ = sitter.wait();
    Ok(rows)
}

fn start_sitter(mark: &str) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["sit", mark]).env(crate::SELF_VARIABLE, mark).stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().context("start the process that holds the hunter's canary")
}

/// This process and the two that started it.
fn own_processes() -> Vec<u32> {
    let all = crate::process::all();
    let parents = crate::process::parents(&all);
    std::iter::once(std::process::id()).chain(parents.iter().take(2).map(|parent| parent.id)).collect()
}
