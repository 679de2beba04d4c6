//! Keys that snapshots are sealed with, where it is not a sandbox's own.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use service_kit::{StoreError, StoreKey, SystemEntropy};

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there.
    #[error("there is no key file `{}`", .0.display())]
    Missing(PathBuf),
    /// It cannot be read or made, or holds no key.
    #[error("use a key file")]
    Unusable(#[from] StoreError),
}

/// The key in a file, which is made where there is none, for its owner alone. As the control API takes it.
pub fn make_or_read_key(file: &Path) -> Result<SecretString, KeyFileError> {
    Ok(StoreKey::load_or_create(file, &SystemEntropy::shared())?.to_hex())
}

/// The key in a file that is there.
pub fn read_key(file: &Path) -> Result<SecretString, KeyFileError> {
    if file.exists() { make_or_read_key(file) } else { Err(KeyFileError::Missing(file.to_owned())) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_to_read_with() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let missing = read_key(&file).unwrap_err();
        assert!(matches!(missing, KeyFileError::Missing(_)), "{missing}");
        assert!(!file.exists());
        let made = make_or_read_key(&file).unwrap();
        assert_eq!(made.expose_secret(), read_key(&file).unwrap().expose_secret());
        assert_eq!(made.expose_secret().len(), 64);
        fs_err::write(&file, "short").unwrap();
        read_key(&file).unwrap_err();
    }
}
