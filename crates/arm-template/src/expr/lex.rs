//! Tokens of an expression.

use std::ops::Range;

/// A token of `'t`, the text. Names, digits and literals stay where they are: nothing is copied before it is known to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'t> {
    LeftParenthesis,
    RightParenthesis,
    LeftSquareBracket,
    RightSquareBracket,
    Comma,
    Dot,
    Identifier(&'t str),
    /// What stands between the quotes, each quote in it still doubled.
    Literal(&'t str),
    /// Digits with their sign, not yet checked for range.
    Integer(&'t str),
    /// A character that starts no token, or the quote of a literal that has no end.
    Unexpected(char),
}

impl Token<'_> {
    /// The name that the service's messages use.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::LeftParenthesis => "LeftParenthesis",
            Self::RightParenthesis => "RightParenthesis",
            Self::LeftSquareBracket => "LeftSquareBracket",
            Self::RightSquareBracket => "RightSquareBracket",
            Self::Comma => "Comma",
            Self::Dot => "Dot",
            Self::Identifier(_) => "Identifier",
            Self::Literal(_) => "Literal",
            Self::Integer(_) => "Integer",
            Self::Unexpected(_) => "Unexpected",
        }
    }
}

/// The tokens of a text one after the other, each with its byte range; none fails, and the text ends with the last.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    text: &'t str,
    /// Where the next one is looked for.
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = (Token<'t>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n']);
        let first = rest.chars().next()?;
        let start = self.text.len() - rest.len();
        let (token, length) = token(rest, first);
        self.at = start + length;
        Some((token, start..self.at))
    }
}

/// The token at the beginning of `rest`, whose first character is `first`, and its bytes.
fn token(rest: &str, first: char) -> (Token<'_>, usize) {
    if starts_name(first) {
        let length = rest.find(|c| !(starts_name(c) || c.is_numeric())).unwrap_or(rest.len());
        return (Token::Identifier(&rest[..length]), length);
    }
    if first == '\''
        && let Some(length) = literal(&rest[1..])
    {
        return (Token::Literal(&rest[1..=length]), length + 2);
    }
    if first == '-' || first.is_ascii_digit() {
        let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
        if digits > 0 || first != '-' {
            return (Token::Integer(&rest[..=digits]), digits + 1);
        }
    }
    let token = match first {
        '(' => Token::LeftParenthesis,
        ')' => Token::RightParenthesis,
        '[' => Token::LeftSquareBracket,
        ']' => Token::RightSquareBracket,
        ',' => Token::Comma,
        '.' => Token::Dot,
        other => Token::Unexpected(other),
    };
    (token, first.len_utf8())
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// The bytes of `it''s` before the quote that ends it, if one does.
fn literal(text: &str) -> Option<usize> {
    let mut quotes = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\'').map(|(at, _)| at).peekable();
    while let Some(quote) = quotes.next() {
        if quotes.next_if_eq(&(quote + 1)).is_none() {
            return Some(quote);
        }
    }
    None
}
