//! Files and folders. Owners and modes as on Linux do not exist here; the image sets access by its access control lists.

use std::io;
use std::path::Path;

use fs_err as fs;

use crate::layout::Layout;
use crate::platform::SecretFile;

/// Secret volumes exist for Linux containers only, and a file that the job's user can read is no place for the token.
pub(crate) fn read_secret_file(_path: &Path) -> Result<SecretFile, String> {
    Err("is for Linux alone: a Windows container has no file that its own user cannot read; give a variable or standard input".to_owned())
}

/// Reads what the image declares; nothing where the image has no such file.
pub(crate) fn read_image_file(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot be read: {}", error.kind())),
    }
}

/// Access control lists decide, and the agent's own attempt is the only test of them.
pub(crate) fn may_replace(_layout: &Layout) -> bool {
    true
}

pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(crate) fn prepare_work_folder(path: &Path, _layout: &Layout) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("work folder: {error}"))
}
