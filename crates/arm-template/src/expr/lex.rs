//! Tokens of an expression.

use winnow::ascii::{digit1, multispace0};
use winnow::combinator::{alt, delimited, eof, opt, repeat, repeat_till};
use winnow::error::{ContextError, ErrMode};
use winnow::prelude::*;
use winnow::stream::LocatingSlice;
use winnow::token::{any, take_till, take_while};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    LeftParenthesis,
    RightParenthesis,
    LeftSquareBracket,
    RightSquareBracket,
    Comma,
    Dot,
    Identifier(String),
    Literal(String),
    /// Digits with their sign, not yet checked for range.
    Integer(String),
    /// A character that starts no token.
    Unexpected(char),
}

impl Token {
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

/// A token and its byte range.
pub(super) type Placed = (Token, std::ops::Range<usize>);

type Input<'i> = LocatingSlice<&'i str>;

/// Splits the whole text; never fails, what starts no token comes back as `Unexpected`.
pub(super) fn tokens(text: &str) -> Vec<Placed> {
    let all = repeat_till(0.., delimited(multispace0, token.with_span(), multispace0), eof);
    let parsed: Result<(Vec<Placed>, &str), _> = (multispace0::<Input<'_>, ErrMode<ContextError>>, all)
        .map(|(_, all)| all)
        .parse(LocatingSlice::new(text));
    parsed.map_or_else(|_| Vec::new(), |(tokens, _)| tokens)
}

fn token(input: &mut Input<'_>) -> ModalResult<Token> {
    let integer = (opt('-'), digit1).take().map(|digits: &str| Token::Integer(digits.to_owned()));
    alt((identifier.map(Token::Identifier), literal, integer, any.map(symbol))).parse_next(input)
}

fn symbol(c: char) -> Token {
    match c {
        '(' => Token::LeftParenthesis,
        ')' => Token::RightParenthesis,
        '[' => Token::LeftSquareBracket,
        ']' => Token::RightSquareBracket,
        ',' => Token::Comma,
        '.' => Token::Dot,
        other => Token::Unexpected(other),
    }
}

fn identifier(input: &mut Input<'_>) -> ModalResult<String> {
    (
        take_while(1, |c: char| c.is_alphabetic() || c == '_' || c == '$'),
        take_while(0.., |c: char| c.is_alphanumeric() || c == '_' || c == '$'),
    )
        .take()
        .map(str::to_owned)
        .parse_next(input)
}

/// `'it''s'`; a literal without its closing quote gives back the quote as `Unexpected`.
fn literal(input: &mut Input<'_>) -> ModalResult<Token> {
    let part = alt(("''".value("'"), take_till(1.., '\'')));
    let text = repeat(0.., part).fold(String::new, |mut text, part: &str| {
        text.push_str(part);
        text
    });
    delimited('\'', text, '\'').map(Token::Literal).parse_next(input)
}
