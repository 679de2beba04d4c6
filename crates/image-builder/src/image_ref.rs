//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! Grammar: distribution/reference (`reference.go`, `regexp.go`). No default registry is filled in: what was not
//! written stays absent, so that printing gives back what was read.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A parsed reference to an image. Printing it gives a text that parses to the same value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read `{text}` as an image reference: {reason}")]
pub struct ImageRefError {
    text: String,
    reason: &'static str,
}

impl ImageRef {
    /// The registry's host, with a port if one was given. `None` stands for the engine's default (Docker Hub).
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The repository within the registry, such as `team/agent`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest (`sha256:…`), if one was given.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Registry and repository without tag or digest: what a push or a digest is for.
    pub fn name(&self) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{}", self.repository),
            None => self.repository.clone(),
        }
    }

    /// The same repository with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ImageRefError> {
        check_tag(tag).map_err(|reason| ImageRefError { text: tag.to_owned(), reason })?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository with this digest and no tag: the one form that always means the same image.
    pub fn with_digest(&self, digest: &str) -> Result<Self, ImageRefError> {
        check_digest(digest).map_err(|reason| ImageRefError { text: digest.to_owned(), reason })?;
        Ok(Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() })
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        parse(text).map_err(|reason| ImageRefError { text: text.to_owned(), reason })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn parse(text: &str) -> Result<ImageRef, &'static str> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            check_digest(digest)?;
            (rest, Some(digest.to_owned()))
        }
        None => (text, None),
    };
    // Only the first component can be a host, and only when it could not be a repository.
    let (registry, rest) = match rest.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            check_registry(first)?;
            (Some(first.to_owned()), rest)
        }
        _ => (None, rest),
    };
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((repository, tag)) => {
            check_tag(tag)?;
            (repository, Some(tag.to_owned()))
        }
        None => (rest, None),
    };
    check_repository(repository)?;
    Ok(ImageRef { registry, repository: repository.to_owned(), tag, digest })
}

fn check_registry(host: &str) -> Result<(), &'static str> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return Err("the registry's port is not a number from 0 to 65535");
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.split('.').all(label) { Ok(()) } else { Err("the registry is not a host name") }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.is_empty() {
        return Err("the repository is missing");
    }
    if repository.len() > 255 {
        return Err("the repository is longer than 255 characters");
    }
    if repository.split('/').all(is_component) {
        Ok(())
    } else {
        Err(
            "a repository is made of lower-case letters, digits, and single separators (`.`, `_`, `__`, `-`) between them",
        )
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|b| letter(*b)) || !bytes.last().is_some_and(|b| letter(*b)) {
        return false;
    }
    bytes
        .split(|b| letter(*b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let starts = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if starts && tag.len() <= 128 && tag.bytes().all(allowed) {
        Ok(())
    } else {
        Err("a tag is 1 to 128 letters, digits, `_`, `.` or `-`, and does not start with `.` or `-`")
    }
}

fn check_digest(digest: &str) -> Result<(), &'static str> {
    let hex = digest.strip_prefix("sha256:").ok_or("a digest starts with `sha256:`")?;
    if hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        Ok(())
    } else {
        Err("a sha256 digest has 64 lower-case hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, registry: Option<&str>, repository: &str, tag: Option<&str>) {
        let parsed: ImageRef = text.parse().unwrap();
        assert_eq!(
            (parsed.registry(), parsed.repository(), parsed.tag()),
            (registry, repository, tag),
            "{text}"
        );
        assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn the_first_component_is_a_host_only_when_it_looks_like_one() {
        check("debian", None, "debian", None);
        check("library/debian:bookworm-slim", None, "library/debian", Some("bookworm-slim"));
        check("localhost/agent", Some("localhost"), "agent", None);
        check(
            "localhost:5000/team/agent:4.270.0-20261124",
            Some("localhost:5000"),
            "team/agent",
            Some("4.270.0-20261124"),
        );
        check("example.azurecr.io/agent:x", Some("example.azurecr.io"), "agent", Some("x"));
    }

    #[test]
    fn a_digest_replaces_a_tag() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let tagged: ImageRef = "localhost:5000/agent:1".parse().unwrap();
        let pinned = tagged.with_digest(&digest).unwrap();
        assert_eq!(pinned.to_string(), format!("localhost:5000/agent@{digest}"));
        assert_eq!(pinned.to_string().parse::<ImageRef>().unwrap(), pinned);
        assert_eq!(pinned.with_tag("2").unwrap().to_string(), "localhost:5000/agent:2");
        assert_eq!(tagged.name(), "localhost:5000/agent");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ":tag",
            "Agent",
            "a//b",
            "a/",
            "/a",
            "a:",
            "a:-x",
            "a..b",
            "a___b",
            "a@sha256:12",
            "a@md5:00",
            "host:99999/a",
            "ho st/a",
            "a:b:c",
            "-a",
            "a-",
            "a b",
            "localhost:5000/",
            "x.y/-",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "`{text}` was taken for an image reference");
        }
    }

    proptest! {
        #[test]
        fn printing_undoes_parsing(
            registry in proptest::option::of("[a-z][a-z0-9]{0,8}\\.[a-z]{2,4}(:[1-9][0-9]{0,3})?|localhost(:[1-9][0-9]{1,3})?"),
            repository in "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
            digest in proptest::option::of("sha256:[0-9a-f]{64}"),
        ) {
            // A first component that looks like a host would be read as one.
            prop_assume!(registry.is_some() || !repository.split_once('/').is_some_and(|(first, _)| first.contains('.') || first == "localhost"));
            let made = ImageRef { registry, repository, tag, digest };
            prop_assert_eq!(made.to_string().parse::<ImageRef>(), Ok(made));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
            if let Ok(parsed) = text.parse::<ImageRef>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }
}
