//! Environments: the hunter's own, its parents', every process's, those of shells, and those that come and go.

use std::process::Command;

use super::Scene;
use crate::look::Look;
use crate::plant;

pub(super) fn own(_scene: &Scene, look: &mut Look<'_>) {
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        look.at(&format!("variable {name}"), value.as_bytes());
    }
}

/// Shells read files that somebody else may have written before they run the job's script.
pub(super) fn shells(scene: &Scene, look: &mut Look<'_>) {
    let profile = scene.spots.iter().find(|spot| spot.route == "profile-scripts");
    if let Some(Err(why)) = profile.map(|spot| plant::leave_all(&spot.leave, &scene.own_mark)) {
        look.closed(why);
    }
    let shells: &[(&str, &[&str])] = if cfg!(windows) {
        &[("cmd", &["/C", "set"]), ("powershell", &["-Command", "Get-ChildItem env: | Format-Table -Wrap"])]
    } else {
        &[("bash", &["-lc", "env"]), ("bash", &["-ic", "env"]), ("sh", &["-lc", "env"])]
    };
    for (shell, words) in shells {
        let mut command = Command::new(shell);
        command.args(*words).env_remove(crate::SELF_VARIABLE);
        if let Ok(output) = command.output() {
            look.at(&format!("what `{shell} {}` prints", words.join(" ")), &output.stdout);
        }
    }
    if cfg!(windows) {
        // Its profile is not read with -Command from a job; that the shell printed anything is the proof.
        look.held();
    }
}

#[cfg(unix)]
mod unix {
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    use super::{Look, Scene};
    use crate::process::{self, Process};

    pub(in crate::routes) fn parents(_scene: &Scene, look: &mut Look<'_>) {
        read(&process::parents(&process::all()), look);
    }

    pub(in crate::routes) fn all(_scene: &Scene, look: &mut Look<'_>) {
        let own = std::process::id();
        let others: Vec<Process> = process::all().into_iter().filter(|one| one.id != own).collect();
        read(&others, look);
    }

    fn read(processes: &[Process], look: &mut Look<'_>) {
        let mut refused = Vec::new();
        for process in processes {
            match fs_err::read(process.file("environ")) {
                Ok(bytes) => look.at(&format!("environment of {}", process.shown()), &bytes),
                Err(_) => refused.push(process.id.to_string()),
            }
        }
        if !refused.is_empty() {
            look.note(&format!("refused: process {}", refused.join(", ")));
        }
    }

    /// What the agent starts lives for a moment: hooks, shells, tools.
    pub(in crate::routes) fn over_time(scene: &Scene, look: &mut Look<'_>) {
        let own = std::process::id();
        let mut seen = HashSet::new();
        let end = Instant::now() + Duration::from_millis(800);
        let mut started = None;
        while Instant::now() < end {
            let short = started.get_or_insert_with(|| super::super::start_sitter(&scene.own_mark));
            for process in process::all().into_iter().filter(|one| one.id != own && one.id != scene.sitter) {
                let Ok(bytes) = fs_err::read(process.file("environ")) else { continue };
                if seen.insert((process.id, bytes.len())) {
                    look.at(&format!("environment of {}", process.shown()), &bytes);
                }
            }
            if let Ok(child) = short {
                let _ = child.kill();
                let _ = child.wait();
            }
            started = None;
        }
    }
}
#[cfg(unix)]
pub(super) use unix::{all, over_time, parents};
