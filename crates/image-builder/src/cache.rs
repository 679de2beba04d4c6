//! The folder for what is made or downloaded once, and the lock that lets one process at a time make it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::report::Reporter;

/// Holds a lock file until dropped. The operating system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the lock; while another process holds it, says so and waits.
pub(crate) async fn lock(path: &Path, what: &str, reporter: &dyn Reporter) -> io::Result<Lock> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?.into_parts().0;
    match file.try_lock() {
        Ok(()) => return Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    reporter.step(&format!("another process is at work on {what}; waiting for it"));
    tokio::task::spawn_blocking(move || file.lock().map(|()| Lock { _file: file }))
        .await
        .map_err(io::Error::other)?
}

/// SHA-256 of a file in lower-case hexadecimal, and its length in bytes.
pub(crate) fn sha256_of(path: &Path) -> io::Result<(String, u64)> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let length = io::copy(&mut file, &mut hash)?;
    Ok((hex::encode(hash.finalize()), length))
}
