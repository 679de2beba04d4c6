//! The syntax around expressions: where they are in a text, and keys that are directives.

/// A key that is no key.
pub(super) enum Directive<'a> {
    If(&'a str),
    ElseIf(&'a str),
    Else,
    Each(&'a str, &'a str),
    Insert,
}

/// What is inside a text that is one expression.
pub(super) fn whole(text: &str) -> Option<&str> {
    match split(text).ok()?.as_slice() {
        [("", Some(inner))] => Some(inner),
        _ => None,
    }
}

/// The directive that a key is.
pub(super) fn of_key(key: &str) -> Option<Directive<'_>> {
    whole(key).and_then(directive)
}

pub(super) fn directive(inner: &str) -> Option<Directive<'_>> {
    let inner = inner.trim();
    let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    Some(match word.to_ascii_lowercase().as_str() {
        "if" => Directive::If(rest),
        "elseif" => Directive::ElseIf(rest),
        "else" if rest.trim().is_empty() => Directive::Else,
        "insert" if rest.trim().is_empty() => Directive::Insert,
        "each" => {
            let (name, rest) = rest.trim_start().split_once(char::is_whitespace)?;
            let list = rest.trim_start().strip_prefix("in")?;
            list.starts_with(char::is_whitespace).then_some(Directive::Each(name, list))?
        }
        _ => return None,
    })
}

/// The parts of a text: what stands before each expression, and what is in it. Texts in quotes may hold braces.
pub(super) fn split(text: &str) -> Result<Vec<(&str, Option<&str>)>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${{") {
        let mut quoted = false;
        let end = after.char_indices().find(|(at, c)| {
            quoted ^= *c == '\'';
            !quoted && after[*at..].starts_with("}}")
        });
        let Some((end, _)) = end else {
            return Err("the expression has no end: `}}` is missing".to_owned());
        };
        parts.push((before, Some(&after[..end])));
        rest = &after[end + 2..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push((rest, None));
    }
    Ok(parts)
}
