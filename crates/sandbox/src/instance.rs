//! One sandbox among several on the same machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name and the state folder of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    name: Name,
    folder: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(String);

/// Why a name or a folder will not do.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Not a name.
    #[error("`{0}` is no instance name: use 1 to 40 of a-z, 0-9 and `-`, starting with a letter or digit")]
    Name(String),
    /// The folder could not be made.
    #[error("make the state folder `{}`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Instance {
    /// The instance `name` with its state under `home`.
    pub fn new(name: &str, home: &Path) -> Result<Self, InstanceError> {
        let name: Name = name.parse()?;
        Ok(Self { folder: home.join(&name.0), name })
    }

    /// The name, which is also the value of the label `mayfly.instance` on every Docker object.
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What other processes read to find the running sandbox.
    pub fn record_file(&self) -> PathBuf {
        self.folder.join("sandbox.json")
    }

    /// Where a detached sandbox writes its log.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("sandbox.log")
    }

    /// Makes the state folder, readable by its owner alone.
    pub(crate) fn make_folder(&self) -> Result<(), InstanceError> {
        make_private(&self.folder)
    }
}

/// Makes a folder, readable by its owner alone.
pub(crate) fn make_private(folder: &Path) -> Result<(), InstanceError> {
    let failed = |source| InstanceError::Folder { folder: folder.to_owned(), source };
    fs_err::create_dir_all(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

impl FromStr for Name {
    type Err = InstanceError;

    fn from_str(text: &str) -> Result<Self, InstanceError> {
        let fits = (1..=40).contains(&text.len())
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InstanceError::Name(text.to_owned())) }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_home_folder_or_break_a_label_are_refused() {
        let home = Path::new("home");
        for bad in ["", "..", "a/b", "-x", "Über", "UPPER", "a b", &"x".repeat(41)] {
            assert!(Instance::new(bad, home).is_err(), "{bad}");
        }
        let instance = Instance::new("demo-12", home).unwrap();
        assert_eq!(instance.folder(), Path::new("home").join("demo-12"));
    }
}
