//! What a job could leave for the next one: files wherever it may write, and a process that goes on.
//!
//! The job before plants its mark by these means, and the hunter its own canary by the same, so that a route which finds
//! nothing is known to be able to.

mod places;
mod survivor;

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) use places::{Places, Spot, spots};
pub(crate) use survivor::{serve, sit, start_survivor, survive};

/// One thing to leave.
#[derive(Debug, Clone)]
pub(crate) enum Leave {
    /// A file named and filled with the mark.
    File(PathBuf),
    /// A line in a file that others read; `{}` stands for the mark.
    Line(PathBuf, &'static str),
    /// A program named after the mark.
    Program(PathBuf),
    /// A program that lends its owner's rights.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such programs"))]
    SetUserId(PathBuf),
}

/// Plants all there is, as the job before does.
pub(crate) fn everything(mark: &str) {
    let places = Places::here();
    for spot in spots(&places) {
        let said = match leave_all(&spot.leave, mark) {
            Ok(number) => format!("{} in {number} places", spot.route),
            Err(why) => format!("{} nowhere: {why}", spot.route),
        };
        // A reason names a path, and with it the mark, which must not be in the job's log: that is searched for it.
        crate::report::line(&format!("leakscan-planted {}", said.replace(mark, "*")));
    }
    #[cfg(unix)]
    for (what, result) in [
        ("system-v-ipc", crate::system::leave_in_system_v(mark)),
        ("message-queues", crate::system::leave_in_message_queue(&format!("/{mark}"), mark)),
        ("kernel-keyring", crate::system::leave_key(mark)),
    ] {
        let said =
            result.map_or_else(|why| format!("{what} nowhere: {why}"), |()| format!("{what} in 1 places"));
        crate::report::line(&format!("leakscan-planted {said}"));
    }
    let said =
        start_survivor(mark).map_or_else(|why| format!("nowhere: {why}"), |()| "in 1 places".to_owned());
    crate::report::line(&format!("leakscan-planted background-process {said}"));
    crate::report::line("leakscan-planted-end");
}

/// Leaves a mark in as many of the places as let it; an error is the reason of the first where none did.
pub(crate) fn leave_all(all: &[Leave], mark: &str) -> Result<usize, String> {
    let mut left = 0;
    let mut first = None;
    for one in all {
        match leave(one, mark) {
            Ok(()) => left += 1,
            Err(error) => {
                first.get_or_insert(error.to_string());
            }
        }
    }
    if left > 0 { Ok(left) } else { Err(first.unwrap_or_else(|| "there is no such place".to_owned())) }
}

fn leave(one: &Leave, mark: &str) -> std::io::Result<()> {
    match one {
        Leave::File(folder) => {
            fs_err::create_dir_all(folder)?;
            fs_err::write(folder.join(mark), mark)
        }
        Leave::Line(file, line) => {
            if let Some(folder) = file.parent() {
                fs_err::create_dir_all(folder)?;
            }
            let mut file = fs_err::OpenOptions::new().append(true).create(true).open(file)?;
            writeln!(file, "\n{}", line.replace("{}", mark))
        }
        Leave::Program(folder) => program(folder, mark, 0o755),
        Leave::SetUserId(folder) => program(folder, mark, 0o4755),
    }
}

fn program(folder: &Path, mark: &str, mode: u32) -> std::io::Result<()> {
    let path = folder.join(mark);
    fs_err::write(&path, format!("#!/bin/sh\necho {mark}\n"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(windows)]
    let _ = mode;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_left_where_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a");
        let profile = folder.path().join("b/profile");
        // Below a file there can be no folder, whoever asks.
        let taken = folder.path().join("taken");
        fs_err::write(&taken, "").unwrap();
        let nowhere = taken.join("below");
        let all = [
            Leave::File(inside.clone()),
            Leave::Line(profile.clone(), "export X={}"),
            Leave::Program(folder.path().to_owned()),
            Leave::File(nowhere.clone()),
        ];
        assert_eq!(leave_all(&all, "mark-1").unwrap(), 3);
        assert_eq!(fs_err::read_to_string(inside.join("mark-1")).unwrap(), "mark-1");
        assert_eq!(fs_err::read_to_string(profile).unwrap(), "\nexport X=mark-1\n");
        assert!(leave_all(&[Leave::File(nowhere)], "mark-1").is_err());
    }
}
