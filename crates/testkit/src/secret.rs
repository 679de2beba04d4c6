//! Secrets that are planted in one place and must turn up nowhere else.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret that is unlike any other text: `planted-<what>-<48 random hex digits>`.
pub fn planted_secret(what: &str) -> String {
    let random: Vec<u8> =
        (0_u8..3).flat_map(|part| RandomState::new().hash_one(part).to_be_bytes()).collect();
    let random = hex(&random);
    format!("planted-{what}-{random}")
}

/// Fails when the text holds the secret: plain, in base64 at any alignment, in hex, or as UTF-16.
///
/// # Panics
///
/// When it does. The message names the place and the encoding, not the secret.
#[track_caller]
pub fn assert_no_secret(place: &str, haystack: impl AsRef<[u8]>, secret: &str) {
    let haystack = haystack.as_ref();
    for (encoding, needle) in encodings(secret) {
        assert!(!contains(haystack, &needle), "{place} holds a secret ({encoding})");
    }
}

/// [`assert_no_secret`] for every file below a folder.
///
/// # Panics
///
/// When a file holds the secret or cannot be read, or when there is no file at all: then nothing was checked.
#[track_caller]
pub fn assert_no_secret_in_tree(folder: &Path, secret: &str) {
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            let kind = entry.file_type().expect("the kind of a file can be read");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs_err::read(entry.path()).expect("the file can be read");
                assert_no_secret(&entry.path().display().to_string(), bytes, secret);
                files += 1;
            }
        }
    }
    assert!(files > 0, "no file below `{}`: nothing was checked", folder.display());
}

fn encodings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = vec![
        ("plain", secret.as_bytes().to_vec()),
        ("hex", hex(secret.as_bytes()).into_bytes()),
        ("utf-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ];
    for before in 0..3_usize {
        let padded = [vec![0; before], secret.as_bytes().to_vec()].concat();
        // Characters that also depend on the neighbours are left out at both ends.
        let (first, bits) = ((before * 8).div_ceil(6), padded.len() * 8);
        let last = bits / 6;
        found.push(("base64", STANDARD_NO_PAD.encode(&padded).as_bytes()[first..last].to_vec()));
        found.push(("base64url", URL_SAFE_NO_PAD.encode(&padded).as_bytes()[first..last].to_vec()));
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    let digit =
        |value: u8| char::from_digit(u32::from(value), 16).expect("four bits are a hexadecimal digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(haystack: &[u8], secret: &str) -> bool {
        encodings(secret).iter().any(|(_, needle)| contains(haystack, needle))
    }

    #[test]
    fn a_secret_is_found_in_every_dress() {
        let secret = planted_secret("token");
        assert!(found(format!("a {secret} b").as_bytes(), &secret));
        for before in ["", ":", "u:", "user:", "something:"] {
            for after in ["", "x", "yz", "\n\n\n"] {
                let text =
                    base64::engine::general_purpose::STANDARD.encode(format!("{before}{secret}{after}"));
                assert!(found(text.as_bytes(), &secret), "{before:?} {after:?}");
            }
        }
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(found(&wide, &secret));
        assert!(!found(planted_secret("token").as_bytes(), &secret));
    }

    #[test]
    #[should_panic(expected = "the log holds a secret (plain)")]
    fn the_place_is_named() {
        assert_no_secret("the log", "x abcdefgh", "abcdefgh");
    }

    #[test]
    fn trees_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        fs_err::create_dir_all(&nested).unwrap();
        fs_err::write(nested.join("file"), "nothing").unwrap();
        assert_no_secret_in_tree(folder.path(), "abcdefgh");
        fs_err::write(nested.join("file"), "abcdefgh").unwrap();
        let caught = std::panic::catch_unwind(|| assert_no_secret_in_tree(folder.path(), "abcdefgh"));
        assert!(caught.is_err());
    }
}
