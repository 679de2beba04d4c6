//! What a path below `/acr/v1/` names: ACR's own view of repositories. Pure.
//!
//! Source: Azure/azure-rest-api-specs, `Azure.ContainerRegistry/routes.tsp`. Repository names hold slashes, so the path
//! is read from its end; no part of a name begins with an underscore.

use std::fmt;

use crate::digest::Digest;
use crate::name::{RepositoryName, is_tag};
use crate::path::{PathError, digest, name};

/// One resource of ACR's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AcrTarget {
    Catalog,
    Repository(RepositoryName),
    Tags(RepositoryName),
    Tag(RepositoryName, String),
    Manifests(RepositoryName),
    Manifest(RepositoryName, Digest),
}

impl AcrTarget {
    /// Reads what follows `/acr/v1/`, already percent-decoded.
    pub(crate) fn parse(rest: &str) -> Result<Self, PathError> {
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        if let Some(repository) = rest.strip_suffix("/_tags") {
            return Ok(Self::Tags(name(repository)?));
        }
        if let Some(repository) = rest.strip_suffix("/_manifests") {
            return Ok(Self::Manifests(name(repository)?));
        }
        if let Some((front, last)) = rest.rsplit_once('/') {
            if let Some(repository) = front.strip_suffix("/_tags") {
                let repository = name(repository)?;
                let wrong = || PathError::Tag(last.to_owned());
                return is_tag(last).then(|| Self::Tag(repository, last.to_owned())).ok_or_else(wrong);
            }
            if let Some(repository) = front.strip_suffix("/_manifests") {
                return Ok(Self::Manifest(name(repository)?, digest(last)?));
            }
        }
        if rest.is_empty() || rest.split('/').any(|part| part.starts_with('_')) {
            return Err(PathError::Unknown);
        }
        Ok(Self::Repository(name(rest)?))
    }

    /// The repository that is touched, if it is one.
    pub(crate) fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Catalog => None,
            Self::Repository(name)
            | Self::Tags(name)
            | Self::Tag(name, _)
            | Self::Manifests(name)
            | Self::Manifest(name, _) => Some(name),
        }
    }
}

impl fmt::Display for AcrTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("_catalog"),
            Self::Repository(name) => name.fmt(f),
            Self::Tags(name) => write!(f, "{name}/_tags"),
            Self::Tag(name, tag) => write!(f, "{name}/_tags/{tag}"),
            Self::Manifests(name) => write!(f, "{name}/_manifests"),
            Self::Manifest(name, digest) => write!(f, "{name}/_manifests/{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_path_is_named() {
        for (path, error) in [
            ("", PathError::Unknown),
            ("_tags", PathError::Unknown),
            ("_deleted/_catalog", PathError::Unknown),
            ("_deleted/a/_tags", PathError::Name("_deleted/a".into())),
            ("a/_other", PathError::Unknown),
            ("A", PathError::Name("A".into())),
            ("a/", PathError::Name("a/".into())),
            ("a/../b/_tags", PathError::Name("a/../b".into())),
            ("a/_tags/-", PathError::Tag("-".into())),
            ("a/_tags/sha256:12", PathError::Tag("sha256:12".into())),
            ("a/_manifests/v1", PathError::Digest("v1".into())),
        ] {
            assert_eq!(AcrTarget::parse(path), Err(error), "{path}");
        }
    }

    fn targets() -> impl Strategy<Value = AcrTarget> {
        let part = prop_oneof![
            "[a-z0-9]{1,4}(-|_|\\.)[a-z0-9]{1,3}",
            Just("tags".to_owned()),
            Just("v1".to_owned())
        ];
        let names = proptest::collection::vec(part, 1..5).prop_map(|parts| repository(&parts.join("/")));
        let digests = any::<[u8; 8]>().prop_map(|bytes| Digest::of(&bytes));
        (names, digests, "[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", 0..6).prop_map(|(name, digest, tag, kind)| {
            match kind {
                0 => AcrTarget::Catalog,
                1 => AcrTarget::Repository(name),
                2 => AcrTarget::Tags(name),
                3 => AcrTarget::Tag(name, tag),
                4 => AcrTarget::Manifests(name),
                _ => AcrTarget::Manifest(name, digest),
            }
        })
    }

    proptest! {
        #[test]
        fn parsing_undoes_printing(target in targets()) {
            prop_assert_eq!(AcrTarget::parse(&target.to_string()), Ok(target));
        }

        #[test]
        fn no_path_makes_the_parser_panic(path in "\\PC{0,60}") {
            let _ = AcrTarget::parse(&path);
        }
    }
}
