//! Personal access tokens.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use pipeline_yaml::{Fields, Found};

use super::super::{Expiry, NewToken, Placed};
use super::{items, required};
use crate::wire::scopes::Scopes;

/// The tokens of the file; names and texts are there once.
pub(super) fn all(file: &Fields<'_>, found: &mut Found) -> Vec<Placed<NewToken>> {
    let tokens = items(file, "personalAccessTokens", found, token);
    let (mut names, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for token in &tokens {
        if !names.insert(token.it.name.to_ascii_lowercase()) {
            let why = format!("has the name `{}` of an earlier token", token.it.name);
            found.add(token.at, &token.path, why);
        }
        let text = token.it.token.as_ref().map(|text| secrecy::ExposeSecret::expose_secret(text).to_owned());
        if text.is_some_and(|text| !texts.insert(text)) {
            found.add(token.at, &token.path, "has the text of an earlier token");
        }
    }
    tokens
}

fn token(fields: &Fields<'_>, found: &mut Found) -> Option<NewToken> {
    fields.only(&["name", "token", "scopes", "expires", "expiresIn"], found);
    let name = required(fields, "name", found)?;
    let places = fields.places("scopes", found);
    for (text, at) in &places {
        if let Err(error) = text.parse::<Scopes>() {
            found.add(*at, &fields.path("scopes"), format!("is refused: {error}"));
        }
    }
    let all = places.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
    let scopes = if places.is_empty() { Scopes::FULL } else { all.parse().unwrap_or(Scopes::NONE) };
    Some(NewToken {
        name,
        token: fields.text("token", found).map(Into::into),
        scopes,
        expires: expiry(fields, found),
    })
}

fn expiry(fields: &Fields<'_>, found: &mut Found) -> Expiry {
    let (at, after) = (fields.text("expires", found), fields.text("expiresIn", found));
    match (at, after) {
        (Some(_), Some(_)) => {
            fields.refuse("expiresIn", "is there beside `expires`; a token has one end", found);
            Expiry::Never
        }
        (Some(text), None) => text.parse::<Timestamp>().map_or_else(
            |_| {
                fields.refuse("expires", "is no time; write it like `2026-12-31T00:00:00Z`", found);
                Expiry::Never
            },
            Expiry::At,
        ),
        (None, Some(text)) => span(&text).map_or_else(
            || {
                fields.refuse(
                    "expiresIn",
                    "is no time span; write it like `90m`, `12h`, `30d` or `-1h`",
                    found,
                );
                Expiry::Never
            },
            Expiry::In,
        ),
        (None, None) => Expiry::Never,
    }
}

fn span(text: &str) -> Option<SignedDuration> {
    text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}
