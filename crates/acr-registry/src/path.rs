//! What a path below `/v2/` names. Pure.
//!
//! Repository names hold slashes, so the path is read from its end.

use std::fmt;

use uuid::Uuid;

use crate::digest::Digest;
use crate::name::{Reference, RepositoryName};

/// One resource of the distribution API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Catalog,
    Tags(RepositoryName),
    Manifest(RepositoryName, Reference),
    Blob(RepositoryName, Digest),
    /// What has this manifest as its subject.
    Referrers(RepositoryName, Digest),
    /// Where uploads begin.
    Uploads(RepositoryName),
    Upload(RepositoryName, Uuid),
}

/// Why a path names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathError {
    Unknown,
    Name(String),
    Tag(String),
    Digest(String),
    Upload(String),
}

impl Target {
    /// Reads what follows `/v2/`, already percent-decoded.
    pub(crate) fn parse(rest: &str) -> Result<Self, PathError> {
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        // The address of new uploads ends in a slash, which some clients leave away.
        let rest = if rest.ends_with("/blobs/uploads/") { &rest[..rest.len() - 1] } else { rest };
        if let Some(repository) = rest.strip_suffix("/blobs/uploads") {
            return Ok(Self::Uploads(name(repository)?));
        }
        let (front, last) = rest.rsplit_once('/').ok_or(PathError::Unknown)?;
        if let Some(repository) = front.strip_suffix("/blobs/uploads") {
            let id = last.parse().map_err(|_| PathError::Upload(last.to_owned()))?;
            return Ok(Self::Upload(name(repository)?, id));
        }
        if let (Some(repository), "list") = (front.strip_suffix("/tags"), last) {
            return Ok(Self::Tags(name(repository)?));
        }
        if let Some(repository) = front.strip_suffix("/manifests") {
            let repository = name(repository)?;
            let wrong = || {
                let text = last.to_owned();
                if last.contains(':') { PathError::Digest(text) } else { PathError::Tag(text) }
            };
            return Ok(Self::Manifest(repository, Reference::parse(last).ok_or_else(wrong)?));
        }
        if let Some(repository) = front.strip_suffix("/blobs") {
            return Ok(Self::Blob(name(repository)?, digest(last)?));
        }
        if let Some(repository) = front.strip_suffix("/referrers") {
            return Ok(Self::Referrers(name(repository)?, digest(last)?));
        }
        Err(PathError::Unknown)
    }

    /// The repository that is touched, if it is one.
    pub(crate) fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Catalog => None,
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Referrers(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _) => Some(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("_catalog"),
            Self::Tags(name) => write!(f, "{name}/tags/list"),
            Self::Manifest(name, reference) => write!(f, "{name}/manifests/{reference}"),
            Self::Blob(name, digest) => write!(f, "{name}/blobs/{digest}"),
            Self::Referrers(name, digest) => write!(f, "{name}/referrers/{digest}"),
            Self::Uploads(name) => write!(f, "{name}/blobs/uploads/"),
            Self::Upload(name, id) => write!(f, "{name}/blobs/uploads/{id}"),
        }
    }
}

pub(crate) fn digest(text: &str) -> Result<Digest, PathError> {
    Digest::parse(text).ok_or_else(|| PathError::Digest(text.to_owned()))
}

pub(crate) fn name(text: &str) -> Result<RepositoryName, PathError> {
    RepositoryName::parse(text).ok_or_else(|| PathError::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::of(b"x");
        for (path, target) in [
            ("_catalog".to_owned(), Target::Catalog),
            ("a/b/tags/list".into(), Target::Tags(repository("a/b"))),
            ("a/tags/list/tags/list".into(), Target::Tags(repository("a/tags/list"))),
            ("a/blobs/uploads/".into(), Target::Uploads(repository("a"))),
            ("a/blobs/uploads".into(), Target::Uploads(repository("a"))),
            (
                "a/blobs/uploads/manifests/v1".into(),
                Target::Manifest(repository("a/blobs/uploads"), Reference::Tag("v1".into())),
            ),
            (format!("a/b/c/blobs/{digest}"), Target::Blob(repository("a/b/c"), digest.clone())),
            (format!("a/referrers/{digest}"), Target::Referrers(repository("a"), digest.clone())),
            (format!("a/manifests/{digest}"), Target::Manifest(repository("a"), Reference::Digest(digest))),
        ] {
            assert_eq!(Target::parse(&path), Ok(target), "{path}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_path_is_named() {
        for (path, error) in [
            ("", PathError::Unknown),
            ("a", PathError::Unknown),
            ("a/referrers/x", PathError::Digest("x".into())),
            ("a/referrers", PathError::Unknown),
            ("a/tags/lists", PathError::Unknown),
            ("A/manifests/v1", PathError::Name("A".into())),
            ("a/../b/manifests/v1", PathError::Name("a/../b".into())),
            ("a/manifests/-x", PathError::Tag("-x".into())),
            ("a/manifests/sha256:12", PathError::Digest("sha256:12".into())),
            ("a/blobs/sha256:..", PathError::Digest("sha256:..".into())),
            ("a/blobs/uploads/../x", PathError::Unknown),
            ("a/blobs/uploads/x", PathError::Upload("x".into())),
        ] {
            assert_eq!(Target::parse(path), Err(error), "{path}");
        }
    }

    fn targets() -> impl Strategy<Value = Target> {
        let part = prop_oneof![
            "[a-z0-9]{1,4}(-|_|\\.)[a-z0-9]{1,3}",
            Just("blobs".to_owned()),
            Just("uploads".to_owned()),
            Just("tags".to_owned()),
            Just("list".to_owned()),
            Just("manifests".to_owned()),
            Just("referrers".to_owned())
        ];
        let names = proptest::collection::vec(part, 1..5).prop_map(|parts| repository(&parts.join("/")));
        let digests = any::<[u8; 8]>().prop_map(|bytes| Digest::of(&bytes));
        (names, digests, "[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", any::<u128>(), 0..7).prop_map(
            |(name, digest, tag, id, kind)| match kind {
                0 => Target::Tags(name),
                1 => Target::Manifest(name, Reference::Tag(tag)),
                2 => Target::Manifest(name, Reference::Digest(digest)),
                3 => Target::Blob(name, digest),
                4 => Target::Uploads(name),
                5 => Target::Referrers(name, digest),
                _ => Target::Upload(name, Uuid::from_u128(id)),
            },
        )
    }

    proptest! {
        #[test]
        fn parsing_undoes_printing(target in targets()) {
            prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
        }

        #[test]
        fn no_path_makes_the_parser_panic(path in "\\PC{0,60}") {
            let _ = Target::parse(&path);
        }
    }
}
