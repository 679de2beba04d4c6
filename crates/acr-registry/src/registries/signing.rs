//! The key that tokens are signed with.

use entra_tokens::{KeyError, SigningKey};
use service_kit::{Store, StoreError};

pub(crate) const KEYS: &str = "acr-keys";
pub(crate) const SIGNING_KEY: &str = "tokens";

/// The key that signs the tokens of all registries whose state is in `store`, drawn where there is none yet: one for all,
/// since the audience tells their tokens apart. Drawing takes a tenth of a second, so whoever has something to wait for
/// meanwhile may ask before the first registry does.
///
/// # Errors
/// The store could not be read or written, or what it holds is no key.
pub fn signing_key(kept_in: &Store) -> Result<SigningKey, SigningKeyError> {
    if let Some(kept) = kept_in.get::<String>(KEYS, SIGNING_KEY)? {
        return Ok(SigningKey::from_pkcs8(&kept)?);
    }
    let key = SigningKey::generate()?;
    kept_in.put(KEYS, SIGNING_KEY, &key.to_pkcs8()?)?;
    Ok(key)
}

/// Why there is no key to sign tokens with.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The store could not be read or written.
    #[error("keep the key that signs the tokens of registries")]
    Store(#[from] StoreError),
    /// It could not be drawn, or what was kept is none.
    #[error("make the key that signs the tokens of registries")]
    Key(#[from] KeyError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_drawn_once_for_a_state() {
        let (one, other) = (Store::in_memory(), Store::in_memory());
        let drawn = signing_key(&one).unwrap();
        assert_eq!(signing_key(&one).unwrap().id(), drawn.id());
        assert_ne!(signing_key(&other).unwrap().id(), drawn.id(), "control: another state, another key");
        other.put(KEYS, SIGNING_KEY, &"no key").unwrap();
        assert!(matches!(signing_key(&other), Err(SigningKeyError::Key(_))), "it is not replaced");
    }
}
