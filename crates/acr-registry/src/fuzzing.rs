//! Doors for the fuzz targets alone, behind the feature `fuzzing`. They panic where a law is broken.

use axum::Router;
use service_kit::Store;

use crate::Registries;
use crate::acr_path::AcrTarget;
use crate::manifest::Manifest;
use crate::path::Target;
use crate::registries::signing::{KEYS, SIGNING_KEY};
use crate::routes::{self, Door};

/// What is printed of a path is read as the same path.
pub fn path(text: &str) {
    let Ok(target) = Target::parse(text) else { return };
    assert_eq!(Target::parse(&target.to_string()), Ok(target));
}

/// The same of the paths of ACR's own API.
pub fn acr_path(text: &str) {
    let Ok(target) = AcrTarget::parse(text) else { return };
    assert_eq!(AcrTarget::parse(&target.to_string()), Ok(target));
}

/// Any bytes are a manifest or are refused.
pub fn manifest(media_type: &str, content: &[u8]) {
    let _ = Manifest::parse(media_type, content);
}

/// The routes of a registry, as its listener serves them.
pub fn router(registries: &Registries, name: &str) -> Option<Router> {
    let door = Door::default();
    door.open(registries.find(name)?);
    Some(routes::router(door))
}

/// A store whose registries sign with this key (base64 of PKCS#8): to draw one takes longer than a whole conversation.
pub fn store(key: &str) -> Store {
    let store = Store::in_memory();
    store.put(KEYS, SIGNING_KEY, &key).expect("memory takes everything");
    store
}
