//! Files and folders, with the checks of owner and mode that only root on Linux can rely on.

use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use fs_err as fs;

use crate::layout::Layout;
use crate::platform::SecretFile;

/// Longest token file that is read.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// Reads a file that must belong to root and be closed to everybody else. The error tells what to change.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretFile, String> {
    // Opening a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if metadata.file_type().is_fifo() {
        return of_root_alone(&metadata).map(|()| SecretFile::Pipe);
    }
    let file = fs::File::open(path).map_err(|error| format!("cannot be read: {}", error.kind()))?;
    // Of the open file, so that what is checked is what is read.
    let metadata = file.metadata().map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    of_root_alone(&metadata)?;
    let mut text = String::new();
    file.take(TOKEN_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {}", error.kind()))?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(SecretFile::Text(text))
}

fn of_root_alone(metadata: &std::fs::Metadata) -> Result<(), String> {
    if metadata.uid() == 0 && metadata.mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(format!(
        "must be readable by root alone (owner 0, mode 0400 or 0600), but has owner {} and mode {:04o}",
        metadata.uid(),
        metadata.mode() & 0o7777
    ))
}

/// Reads what the image declares; nothing where the image has no such file.
pub(crate) fn read_image_file(path: &Path) -> Result<Option<String>, String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {}", error.kind())),
    };
    if !metadata.is_file() || metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Err("must be a regular file of root that nobody else may write".to_owned());
    }
    fs::read_to_string(path).map(Some).map_err(|error| format!("cannot be read: {}", error.kind()))
}

/// Whether the agent's user can put another agent in the place of this one.
pub(crate) fn may_replace(layout: &Layout) -> bool {
    // The owner of a folder moves whatever is in it, sticky or not.
    layout.uid == 0
        || fs::metadata(&layout.agent_directory).is_ok_and(|metadata| metadata.uid() == layout.uid)
}

/// A folder that only root may even look into.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Makes the work folder the agent's. A folder with content, baked in or mounted, is taken as it is if the agent can use it.
pub(crate) fn prepare_work_folder(path: &Path, layout: &Layout) -> Result<(), String> {
    let explain = |error: io::Error| format!("work folder `{}`: {error}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(explain)?;
    }
    match std::fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => return chown(path, Some(layout.uid), Some(layout.gid)).map_err(explain),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(explain(error)),
    }
    let metadata = fs::symlink_metadata(path).map_err(explain)?;
    if !metadata.is_dir() {
        return Err(format!("work folder `{}` is not a folder", path.display()));
    }
    if metadata.uid() == layout.uid {
        return Ok(());
    }
    if fs::read_dir(path).map_err(explain)?.next().is_none() {
        return chown(path, Some(layout.uid), Some(layout.gid)).map_err(explain);
    }
    let mode = metadata.mode();
    if mode & 0o003 == 0o003 || metadata.gid() == layout.gid && mode & 0o030 == 0o030 {
        return Ok(());
    }
    Err(format!(
        "work folder `{}` has content and belongs to user {}, so the agent (user {}) cannot write into it",
        path.display(),
        metadata.uid(),
        layout.uid
    ))
}
