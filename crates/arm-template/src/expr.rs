//! The expression language inside of strings: `"[concat(parameters('name'), '-x')]"`.

mod ast;
pub(crate) mod eval;
mod lex;
mod parse;
mod partial;
#[cfg(test)]
mod tests;

pub(crate) use ast::{Call, Expr, Kind};
pub(crate) use parse::SyntaxError;

/// What a JSON string stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Text {
    /// Itself, the escape `[[` already undone.
    Literal(String),
    Expression(Expr),
}

/// Tells literal and expression apart: an expression starts with `[`, not with `[[`, and ends with `]`.
pub(crate) fn classify(text: &str) -> Result<Text, SyntaxError> {
    match inner(text) {
        Some(inner) => parse::parse(inner).map(Text::Expression).map_err(|mut error| {
            // The caller counts from the opening bracket.
            error.at.0 += 1;
            error.at.1 += 1;
            error
        }),
        None => Ok(Text::Literal(unescape(text))),
    }
}

fn inner(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    (!inner.starts_with('[')).then_some(inner)
}

/// Undoes the escape of a literal that starts with `[[`.
fn unescape(text: &str) -> String {
    if text.starts_with("[[") { text[1..].to_owned() } else { text.to_owned() }
}
