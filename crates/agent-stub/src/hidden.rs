//! The hidden attribute of configuration files: a dot in front of the name does it on Linux.

use std::path::Path;

/// Marks a file as hidden, where the system has such a mark. Failure is of no consequence.
pub(crate) fn hide(file: &Path) {
    if cfg!(windows) {
        drop(std::process::Command::new("attrib").arg("+h").arg(file).status());
    }
}

/// Takes the mark away again: Windows refuses to overwrite a hidden file.
pub(crate) fn unhide(file: &Path) {
    if cfg!(windows) && file.exists() {
        drop(std::process::Command::new("attrib").arg("-h").arg(file).status());
    }
}
