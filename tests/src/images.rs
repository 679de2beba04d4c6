//! What is in an image, and files searched for secrets.

use std::io::Read;
use std::path::Path;

use anyhow::Result;
use flate2::read::GzDecoder;
use futures_util::TryStreamExt;

use crate::Engine;

/// An image as one byte string: configuration, history and every file of every layer, unpacked.
pub async fn everything_in(engine: &Engine, image: &str) -> Result<Vec<u8>> {
    let chunks: Vec<_> = engine.0.export_image(image).try_collect().await?;
    let export = chunks.concat();
    let mut all = Vec::new();
    unpack(&export, &mut all)?;
    Ok(all)
}

/// Writes the names and contents of an archive, and of the archives in it.
fn unpack(archive: &[u8], all: &mut Vec<u8>) -> Result<()> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        all.extend_from_slice(entry.path_bytes().as_ref());
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            GzDecoder::new(content.as_slice()).read_to_end(&mut plain)?;
            content = plain;
        }
        if entry_is_archive(&content) { unpack(&content, all)? } else { all.extend_from_slice(&content) }
    }
    Ok(())
}

fn entry_is_archive(content: &[u8]) -> bool {
    content.get(257..262) == Some(b"ustar")
}

/// Whether `needle` is in `hay`.
pub fn holds(hay: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && hay.windows(needle.len()).any(|window| window == needle)
}

/// Every readable file below a folder, as lossy text.
pub fn texts_below(folder: &Path) -> Result<Vec<(std::path::PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(texts_below(&path)?);
        } else if let Ok(bytes) = fs_err::read(&path) {
            found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(found)
}

/// Letters that no other test has.
pub fn random_word(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut word = String::new();
    while word.len() < length {
        let bytes = sha2_of(&format!("{word}{:?}{}", std::time::Instant::now(), std::process::id()));
        word.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
    }
    word.truncate(length);
    word
}

fn sha2_of(text: &str) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(text).to_vec()
}
