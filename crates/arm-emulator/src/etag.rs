//! `If-Match` and `If-None-Match` (RFC 9110, section 13), for what has an entity tag.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::error::ArmError;

/// What a caller demands of the present state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Condition {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Condition {
    /// 412 unless the present state, by its tag, is as demanded; `None` stands for nothing there.
    pub(crate) fn check(&self, present: Option<Uuid>) -> Result<(), ArmError> {
        let named = |wanted: &str| {
            present.is_some_and(|tag| {
                wanted
                    .split(',')
                    .map(bare)
                    .any(|one| one == "*" || one.eq_ignore_ascii_case(&tag.to_string()))
            })
        };
        let (header, given) = match (&self.if_match, &self.if_none_match) {
            (Some(wanted), _) if !named(wanted) => ("If-Match", wanted),
            (_, Some(unwanted)) if named(unwanted) => ("If-None-Match", unwanted),
            _ => return Ok(()),
        };
        Err(ArmError::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            format!("The condition '{given}' in the '{header}' header was not satisfied."),
        ))
    }
}

/// `W/"x"` and `"x"` are `x`.
fn bare(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/").trim_matches('"')
}

/// The header's value for a tag.
pub(crate) fn shown(tag: Uuid) -> String {
    format!("W/\"{tag}\"")
}

impl<S: Send + Sync> FromRequestParts<S> for Condition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let text =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Self { if_match: text("if-match"), if_none_match: text("if-none-match") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_a_star_means_anything_there() {
        let tag = Uuid::from_u128(5);
        let condition = |if_match: Option<&str>, if_none_match: Option<&str>| Condition {
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
        };
        let quoted = format!("\"{tag}\"");
        for (given, present, good) in [
            (condition(None, None), None, true),
            (condition(Some("*"), None), Some(tag), true),
            (condition(Some("*"), None), None, false),
            (condition(Some(&shown(tag)), None), Some(tag), true),
            (condition(Some(&format!("\"x\", {quoted}")), None), Some(tag), true),
            (condition(Some("\"other\""), None), Some(tag), false),
            (condition(None, Some("*")), None, true),
            (condition(None, Some("*")), Some(tag), false),
            (condition(None, Some(&quoted)), Some(tag), false),
            (condition(None, Some("\"other\"")), Some(tag), true),
        ] {
            assert_eq!(given.check(present).is_ok(), good, "{given:?} of {present:?}");
        }
    }
}
