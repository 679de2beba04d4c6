//! `api-version`, in the query, in `Accept` or beside the type of the body.
//!
//! Source: actions/runner: VssHttpClientBase.cs (where clients put it); public error reports (the texts).

/// The newest version that is served; as preview only.
pub(crate) const LATEST: (u32, u32) = (7, 2);
/// The newest version that needs no `-preview`.
pub(crate) const RELEASED: (u32, u32) = (7, 1);

/// What is wrong with a requested version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VersionRefusal {
    OutOfRange(String),
    NeedsPreview(String),
    Malformed(String),
    /// There is none, on a request with this method.
    Missing(String),
}

/// The version that a request names, if any.
pub(crate) fn requested<'a>(
    query: Option<&'a str>,
    accept: Option<&'a str>,
    content_type: Option<&'a str>,
) -> Option<&'a str> {
    query.or_else(|| accept.and_then(parameter)).or_else(|| content_type.and_then(parameter))
}

/// Whether a request with this method has to name a version (reported of POST, PUT, PATCH and DELETE).
pub(crate) fn needed(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

fn parameter(header: &str) -> Option<&str> {
    header
        .split([';', ','])
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("api-version"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// Whether a version is served.
pub(crate) fn check(text: &str) -> Result<(), VersionRefusal> {
    let malformed = || VersionRefusal::Malformed(text.to_owned());
    let (number, preview) = match text.split_once("-preview") {
        None => (text, false),
        Some((number, "")) => (number, true),
        Some((number, rest)) => {
            rest.strip_prefix('.').and_then(|n| n.parse::<u32>().ok()).ok_or_else(malformed)?;
            (number, true)
        }
    };
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    let version: (u32, u32) =
        (major.parse().map_err(|_| malformed())?, minor.parse().map_err(|_| malformed())?);
    if version > LATEST || version < (1, 0) {
        return Err(VersionRefusal::OutOfRange(number.to_owned()));
    }
    if version > RELEASED && !preview {
        return Err(VersionRefusal::NeedsPreview(number.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_known_clients_pass_and_others_are_named() {
        for good in ["7.1", "7.1-preview.1", "7.2-preview", "5.0", "6.0-preview.2", "1.0", "7"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("99.0"), Err(VersionRefusal::OutOfRange("99.0".into())));
        assert_eq!(check("0.9"), Err(VersionRefusal::OutOfRange("0.9".into())));
        assert_eq!(check("7.2"), Err(VersionRefusal::NeedsPreview("7.2".into())));
        for bad in ["", "seven", "7.1-preview.x", "7.1-beta", "7.1.1"] {
            assert_eq!(check(bad), Err(VersionRefusal::Malformed(bad.into())), "{bad}");
        }
    }

    #[test]
    fn the_version_is_found_in_the_query_or_in_accept() {
        let accept = "application/json; api-version=5.1-preview.1; charset=utf-8";
        assert_eq!(requested(None, Some(accept), None), Some("5.1-preview.1"));
        assert_eq!(requested(Some("7.1"), Some(accept), None), Some("7.1"));
        assert_eq!(requested(None, Some("*/*"), None), None);
        let body = "application/json; charset=utf-8; api-version=6.0";
        assert_eq!(requested(None, Some("*/*"), Some(body)), Some("6.0"));
        assert_eq!(requested(None, Some(accept), Some(body)), Some("5.1-preview.1"));
    }
}
