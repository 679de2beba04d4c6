//! What `/proc` shows of processes: arguments, descriptors, roots; and who is still there.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use super::Scene;
use crate::look::Look;
use crate::process;

pub(super) fn command_lines(_scene: &Scene, look: &mut Look<'_>) {
    for process in process::all() {
        if let Ok(bytes) = fs_err::read(process.file("cmdline")) {
            look.at(&format!("arguments of {}", process.shown()), &bytes);
        }
    }
}

pub(super) fn command_lines_over_time(scene: &Scene, look: &mut Look<'_>) {
    let mut seen = HashSet::new();
    let end = Instant::now() + Duration::from_millis(800);
    while Instant::now() < end {
        // One that lives for a moment shows that such are seen at all.
        let short = super::start_sitter(&scene.own_mark);
        for process in process::all().into_iter().filter(|one| one.id != scene.sitter) {
            let Ok(bytes) = fs_err::read(process.file("cmdline")) else { continue };
            if seen.insert((process.id, bytes.clone())) {
                look.at(&format!("arguments of {}", process.shown()), &bytes);
            }
        }
        if let Ok(mut child) = short {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All that is told of PID 1 beside its memory.
pub(super) fn first(_scene: &Scene, look: &mut Look<'_>) {
    const FILES: [&str; 14] = [
        "cmdline",
        "environ",
        "status",
        "maps",
        "smaps",
        "stack",
        "auxv",
        "io",
        "mountinfo",
        "cgroup",
        "limits",
        "comm",
        "task/1/environ",
        "task/1/cmdline",
    ];
    let mut refused = Vec::new();
    for name in FILES {
        match fs_err::read(format!("/proc/1/{name}")) {
            Ok(bytes) => look.at(&format!("/proc/1/{name}"), &bytes),
            Err(_) => refused.push(name),
        }
    }
    for link in ["exe", "cwd", "root"] {
        match fs_err::read_link(format!("/proc/1/{link}")) {
            Ok(target) => look.at(&format!("/proc/1/{link}"), target.as_os_str().as_encoded_bytes()),
            Err(_) => refused.push(link),
        }
    }
    if !refused.is_empty() {
        look.note(&format!("refused: {}", refused.join(", ")));
    }
    // Its arguments are always readable; that they were is the proof.
    if look.looked > 0 {
        look.held();
    }
}

pub(super) fn open_files(scene: &Scene, look: &mut Look<'_>) {
    descriptors(scene, look, |_| true);
}

pub(super) fn deleted_files(scene: &Scene, look: &mut Look<'_>) {
    descriptors(scene, look, |target| target.ends_with(" (deleted)") || target.starts_with("/memfd:"));
}

fn descriptors(scene: &Scene, look: &mut Look<'_>, wanted: fn(&str) -> bool) {
    let (mut refused, mut pipes) = (0, 0);
    for process in process::all().into_iter().filter(|one| !scene.own.contains(&one.id)) {
        let Ok(entries) = fs_err::read_dir(process.file("fd")) else {
            refused += 1;
            continue;
        };
        for entry in entries.flatten() {
            let Ok(target) = fs_err::read_link(entry.path()) else { continue };
            let target = target.display().to_string();
            if !wanted(&target) {
                continue;
            }
            // Opening a pipe would take from another what was meant for it, and may wait for ever.
            if !fs_err::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                pipes += 1;
                continue;
            }
            if let Ok(mut file) = fs_err::File::open(entry.path()) {
                look.looked += 1;
                look.stream(&format!("{target} held open by {}", process.shown()), &mut file);
            }
        }
    }
    look.note(&format!("{refused} processes refuse; {pipes} pipes and sockets not read"));
}

/// Takes descriptors over instead of opening what they name.
pub(super) fn taken_descriptors(scene: &Scene, look: &mut Look<'_>) {
    let mut first = None;
    for process in process::all().into_iter().filter(|one| !scene.own.contains(&one.id)) {
        for number in 0..32 {
            match crate::system::take_descriptor(process.id, number) {
                Ok(taken) => {
                    let mut file = std::fs::File::from(taken);
                    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                        look.looked += 1;
                        continue;
                    }
                    // The offset is shared with the owner, so it is put back to the beginning.
                    let _ = std::io::Seek::rewind(&mut file);
                    look.looked += 1;
                    look.stream(&format!("descriptor {number} of {}", process.shown()), &mut file);
                }
                Err(error) if error.raw_os_error() == Some(nix::libc::EBADF) => {}
                Err(error) => {
                    look.looked += 1;
                    if process.id == scene.sitter {
                        first.get_or_insert(error.to_string());
                    }
                    break;
                }
            }
        }
    }
    if let Some(why) = first {
        look.closed(format!("pidfd_getfd: {why}"));
    }
}

/// Who is there that should not be: by name, arguments or environment.
pub(super) fn survivors(_scene: &Scene, look: &mut Look<'_>) {
    for process in process::all() {
        let mut all = process.name.clone().into_bytes();
        all.extend(fs_err::read(process.file("cmdline")).unwrap_or_default());
        all.extend(fs_err::read(process.file("environ")).unwrap_or_default());
        look.at(&process.shown(), &all);
    }
}

/// File systems that other processes see.
pub(super) fn roots(scene: &Scene, look: &mut Look<'_>) {
    let own = fs_err::metadata("/").map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let (mut same, mut refused) = (0, 0);
    let _ = std::io::stdout().flush();
    for process in process::all() {
        let root = process.file("root");
        match fs_err::metadata(&root) {
            Ok(metadata) if Some((metadata.dev(), metadata.ino())) == own => {
                look.looked += 1;
                same += 1;
                if process.id == scene.sitter {
                    look.held();
                }
            }
            Ok(_) => super::files::walk(&root, &mut |path| look.find(path)),
            Err(_) => {
                look.looked += 1;
                refused += 1;
            }
        }
    }
    look.note(&format!("{same} have this file system, {refused} refuse"));
}
