//! Giving a checked file the name of its content.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::holds;
use crate::digest::Digest;

/// How often a file is moved before the refusal is final, and the pause before each further try.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);

/// Moves a file to where its digest says. It blocks.
///
/// Windows refuses to move a file onto one that somebody reads, or that another push moves there at the same moment. What
/// is there then is named after its content: if the content is right, both pushes have succeeded. While the last reader of
/// a removed file has not closed it yet, the name is neither free nor readable, which passes.
pub(super) fn put(from: &Path, to: &Path, digest: &Digest) -> io::Result<()> {
    put_by(from, to, digest, |from, to| fs_err::rename(from, to))
}

fn put_by(
    from: &Path,
    to: &Path,
    digest: &Digest,
    mut rename: impl FnMut(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut tries = 1;
    loop {
        let Err(refusal) = rename(from, to) else { return Ok(()) };
        let passes = match holds(to, digest) {
            Ok(true) => {
                discard(from);
                return Ok(());
            }
            Ok(false) => false,
            // What keeps it from being read is told by the refusal.
            Err(_) => refusal.kind() == io::ErrorKind::PermissionDenied && tries < TRIES,
        };
        if !passes {
            return Err(refusal);
        }
        tries += 1;
        std::thread::sleep(PAUSE);
    }
}

/// Removes what is not needed after all. If that fails, the sweep finds it.
fn discard(upload: &Path) {
    if let Err(error) = fs_err::remove_file(upload) {
        tracing::warn!(%error, "remove an upload whose content is there already");
    }
}

#[cfg(test)]
mod tests;
