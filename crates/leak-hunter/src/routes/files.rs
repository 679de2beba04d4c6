//! Files: in the places where something stays, on every mount, pipes and programs that lend rights.

use std::path::Path;

use super::Scene;
use crate::look::Look;
use crate::plant::{self, Spot};

/// Calls `visit` for every regular file and every link below a path, without following links.
pub(crate) fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    walk_all(path, &[], &mut |path, kind| {
        if !kind.is_dir() {
            visit(path);
        }
    });
}

fn walk_all(path: &Path, without: &[&Path], visit: &mut dyn FnMut(&Path, std::fs::FileType)) {
    let Ok(metadata) = fs_err::symlink_metadata(path) else { return };
    let mut waiting = vec![(path.to_owned(), metadata.file_type())];
    while let Some((path, kind)) = waiting.pop() {
        if without.contains(&&*path) {
            continue;
        }
        visit(&path, kind);
        if kind.is_dir() {
            let entries = fs_err::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.filter_map(|entry| Some((entry.path(), entry.file_type().ok()?))));
        }
    }
}

/// A place where something stays: leaves the canary there and searches it.
pub(super) fn spot(scene: &Scene, spot: &Spot, look: &mut Look<'_>) {
    let planted = plant::leave_all(&spot.leave, &scene.own_mark);
    for place in &spot.look {
        // Of folders full of programs only what bears a mark as its name matters; their contents are looked at elsewhere.
        let names_only = spot.route == "program-path";
        look.looked += 1;
        walk(place, &mut |path| {
            let is_regular = fs_err::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
            if names_only || !is_regular {
                let name = path.display().to_string();
                look.at(&name, name.as_bytes());
            } else {
                look.file(path);
            }
        });
    }
    if spot.route == "agent-folder" {
        look.note(&changeable(scene));
    }
    if let Err(why) = planted {
        look.closed(format!("nothing can be left there: {why}"));
    }
}

/// How many of the agent's own programs a job could change.
fn changeable(scene: &Scene) -> String {
    let (mut all, mut writable) = (0, 0);
    for folder in ["bin", "externals", "run.sh", "config.sh", "run.cmd", "config.cmd"] {
        walk(&scene.places.agent.join(folder), &mut |path| {
            all += 1;
            writable += usize::from(fs_err::OpenOptions::new().append(true).open(path).is_ok());
        });
    }
    format!("{writable} of {all} programs of the agent can be changed")
}

/// Every file that can be read.
pub(super) fn everywhere(scene: &Scene, look: &mut Look<'_>) {
    // The hunter's own program and brief hold nothing unmasked, and are searched like all else.
    let without = ["/proc", "/sys", "/dev"].map(Path::new);
    let _ = plant::leave_all(&[plant::Leave::File(scene.places.temporary.clone())], &scene.own_mark);
    let root = if cfg!(windows) { Path::new(r"C:\azp") } else { Path::new("/") };
    let mut refused = 0;
    walk_all(root, &without, &mut |path, kind| {
        if kind.is_file() {
            refused += u32::from(!look.file(path));
        } else {
            let name = path.display().to_string();
            look.at(&name, name.as_bytes());
        }
    });
    look.note(&format!("{refused} files refuse"));
}

#[cfg(unix)]
mod unix {
    use std::io::Read as _;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use super::{Look, Scene, plant, walk, walk_all};

    /// Everything that is mounted beside the root: secret volumes, memory, what the engine puts over files.
    pub(in crate::routes) fn mounts(scene: &Scene, look: &mut Look<'_>) {
        let planted = plant::leave_all(&[plant::Leave::File(PathBuf::from("/dev/shm"))], &scene.own_mark);
        if let Err(why) = planted {
            look.closed(why);
        }
        let table = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut names = Vec::new();
        for line in table.lines() {
            // proc(5): the mount point is the fifth word, the type follows a lone dash.
            let point = line.split_whitespace().nth(4).unwrap_or_default();
            let kind =
                line.split(" - ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
            let empty = ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue"];
            if point == "/"
                || point == "/dev"
                || point.starts_with("/proc")
                || point.starts_with("/sys")
                || empty.contains(&kind)
            {
                continue;
            }
            names.push(point.to_owned());
            walk(Path::new(point), &mut |path| {
                if fs_err::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
                    look.file(path);
                }
            });
        }
        for usual in ["/run/secrets", "/var/run/secrets", "/mnt"] {
            walk(Path::new(usual), &mut |path| look.find(path));
        }
        look.note(&names.join(" "));
    }

    pub(in crate::routes) fn named_pipes(scene: &Scene, look: &mut Look<'_>) {
        let folders = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/azp"].map(PathBuf::from);
        let folders: Vec<PathBuf> =
            folders.into_iter().chain([scene.places.home.clone(), scene.places.temporary.clone()]).collect();
        // The canary's pipe is made by a process that has just been started.
        let end = Instant::now() + Duration::from_secs(3);
        loop {
            for folder in &folders {
                walk_all(folder, &[], &mut |path, kind| {
                    if kind.is_fifo() {
                        let content = read_pipe(path);
                        look.at(&path.display().to_string(), &content);
                        look.at(&path.display().to_string(), path.as_os_str().as_encoded_bytes());
                    }
                });
            }
            if look.check == crate::look::SelfCheck::Held || Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a writer has to say within a moment.
    fn read_pipe(path: &Path) -> Vec<u8> {
        let mut content = Vec::new();
        let opened = std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
        let Ok(mut pipe) = opened else { return content };
        let end = Instant::now() + Duration::from_millis(200);
        while content.is_empty() && Instant::now() < end {
            let _ = pipe.read_to_end(&mut content);
            std::thread::sleep(Duration::from_millis(10));
        }
        content
    }

    /// Programs that lend their owner's rights, whoever left them.
    pub(in crate::routes) fn setuid(scene: &Scene, look: &mut Look<'_>) {
        let leave = [
            plant::Leave::SetUserId(scene.places.temporary.clone()),
            plant::Leave::SetUserId(scene.places.home.clone()),
        ];
        if let Err(why) = plant::leave_all(&leave, &scene.own_mark) {
            look.closed(why);
        }
        walk_all(Path::new("/"), &["/proc", "/sys"].map(Path::new), &mut |path, kind| {
            if !kind.is_file() {
                return;
            }
            let Ok(metadata) = fs_err::symlink_metadata(path) else { return };
            if metadata.mode() & 0o6000 == 0 {
                return;
            }
            look.at(&path.display().to_string(), path.as_os_str().as_encoded_bytes());
            let own = path.to_string_lossy().contains(&scene.own_mark);
            if metadata.uid() == 0 && !own && scene_is_ordinary() {
                look.hit("a program that runs as root", "privilege", &path.display().to_string());
            }
        });
    }

    fn scene_is_ordinary() -> bool {
        !nix::unistd::geteuid().is_root()
    }
}
#[cfg(unix)]
pub(super) use unix::{mounts, named_pipes, setuid};
