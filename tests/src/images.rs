//! What is in an image, and files searched for secrets.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{PushImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder};
use flate2::read::GzDecoder;
use futures_util::TryStreamExt;

use crate::{Engine, Stack};

/// An image as one byte string: configuration, history and every file of every layer, unpacked.
pub async fn everything_in(engine: &Engine, image: &str) -> Result<Vec<u8>> {
    let chunks: Vec<_> = engine.0.export_image(image).try_collect().await?;
    let export = chunks.concat();
    let mut all = Vec::new();
    unpack(&export, &mut all)?;
    Ok(all)
}

impl Stack {
    /// Pushes an image of this host into the sandbox's registry; here no new name of it is left.
    pub async fn push(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let engine = &self.engine().0;
        let named = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
        engine.tag_image(image, Some(named)).await?;
        let member = DockerCredentials {
            username: Some(self.variable("ACR_USERNAME").to_owned()),
            password: Some(self.variable("ACR_PASSWORD").to_owned()),
            serveraddress: Some(self.variable("ACR_LOGIN_SERVER").to_owned()),
            ..DockerCredentials::default()
        };
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let pushed: Result<Vec<_>, _> =
            engine.push_image(repository, Some(options), Some(member)).try_collect().await;
        let name = format!("{repository}:{tag}");
        engine.remove_image(&name, None::<RemoveImageOptions>, None).await?;
        pushed.map(drop).with_context(|| format!("push {name}"))
    }
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
