//! References to the agent image.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Why a text is no usable image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefError {
    /// There is no registry host in front.
    #[error(
        "image reference `{0}` names no registry; write `<login server>/<repository>@sha256:<digest>` or `<login server>/<repository>:<tag>`"
    )]
    NoRegistry(String),
    /// The repository is not of the form the Distribution specification asks for.
    #[error("image reference `{0}` has no valid repository name")]
    Repository(String),
    /// The digest is not `sha256:` and 64 hexadecimal digits.
    #[error("image reference `{0}` has a digest that is not `sha256:` and 64 lowercase hexadecimal digits")]
    Digest(String),
    /// The tag has a form no registry accepts.
    #[error("image reference `{0}` has no valid tag")]
    Tag(String),
    /// Neither tag nor digest, or only `latest`: nobody could say later what the fleet runs.
    #[error(
        "image reference `{0}` does not say which image: `latest` moves; give a digest (`@sha256:…`, as `build-image` prints it) or a tag of its own"
    )]
    Moving(String),
}

/// A reference to one image: registry, repository, and a digest or a tag other than `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    server: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl ImageRef {
    /// Host (and port) of the registry.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, where the reference has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// A form short enough for a table: the tag, or the first digits of the digest.
    pub fn short(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(digest)) => format!("{}@{}", self.repository, digest.get(..19).unwrap_or(digest)),
            (None, None) => self.repository.clone(),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        let given = || text.to_owned();
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let (server, path) = named.split_once('/').ok_or_else(|| ImageRefError::NoRegistry(given()))?;
        let is_host = server == "localhost" || server.contains('.') || server.contains(':');
        let host_characters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if !is_host || !server.chars().all(host_characters) {
            return Err(ImageRefError::NoRegistry(given()));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !repository.split('/').all(valid_component) {
            return Err(ImageRefError::Repository(given()));
        }
        if digest.is_some_and(|digest| !valid_digest(digest)) {
            return Err(ImageRefError::Digest(given()));
        }
        if tag.is_some_and(|tag| !valid_tag(tag)) {
            return Err(ImageRefError::Tag(given()));
        }
        if digest.is_none() && tag.is_none_or(|tag| tag == "latest") {
            return Err(ImageRefError::Moving(given()));
        }
        Ok(Self {
            server: server.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.server, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for ImageRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Lowercase letters and digits, separated by single `.`, `_`, `__` or dashes (OCI distribution specification).
fn valid_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
        && !component.contains("..")
        && !component.contains("___")
}

fn valid_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn valid_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moving_and_malformed_references_are_refused() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let check = |text: &str, wanted: fn(String) -> ImageRefError| {
            assert_eq!(text.parse::<ImageRef>(), Err(wanted(text.to_owned())), "{text}");
        };
        check("agent:1", ImageRefError::NoRegistry);
        check("library/agent:1", ImageRefError::NoRegistry);
        check("r.azurecr.io/agent", ImageRefError::Moving);
        check("r.azurecr.io/agent:latest", ImageRefError::Moving);
        check("r.azurecr.io/Agent:1", ImageRefError::Repository);
        check("r.azurecr.io/:1", ImageRefError::Repository);
        check("r.azurecr.io/agent:", ImageRefError::Tag);
        check("r.azurecr.io/agent@sha256:12", ImageRefError::Digest);
        check("r.azurecr.io/agent@md5:12", ImageRefError::Digest);
        assert!(format!("localhost:5000/agent:latest@{digest}").parse::<ImageRef>().is_ok());
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            port in prop::option::of(1u16..),
            repository in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}",
            tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"),
            digest in prop::option::of("[0-9a-f]{64}"),
        ) {
            let server = port.map_or("example.azurecr.io".to_owned(), |port| format!("localhost:{port}"));
            let reference = ImageRef { server, repository, tag, digest: digest.map(|hex| format!("sha256:{hex}")) };
            let moving = reference.digest.is_none() && reference.tag.as_deref().is_none_or(|tag| tag == "latest");
            prop_assert_eq!(reference.to_string().parse::<ImageRef>().is_ok(), !moving);
            if !moving {
                prop_assert_eq!(reference.to_string().parse::<ImageRef>().unwrap(), reference);
            }
        }

        #[test]
        fn parsing_is_total(text in "\\PC*") {
            let _ = text.parse::<ImageRef>();
        }
    }
}
