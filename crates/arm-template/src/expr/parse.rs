//! Tokens to syntax tree, by recursive descent with a bounded depth.

use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::lex::{Token, Tokens};
use crate::functions;

/// Longest expression, in characters, brackets included.
pub(crate) const MAX_LENGTH: usize = 24_576;
/// Deepest nesting of calls and indexes. The service's own bound is not published.
pub(crate) const MAX_DEPTH: usize = 256;

/// Why a text is no expression, and the byte range of the culprit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) at: (usize, usize),
}

struct Parser<'t> {
    text: &'t str,
    tokens: Tokens<'t>,
    /// The token that is looked at and not yet taken; none at the end of the text.
    next: Option<Token<'t>>,
    /// Its byte range.
    at: (usize, usize),
    end_of_previous: usize,
    depth: usize,
}

type Parse<T> = Result<T, SyntaxError>;

/// Parses the text between the outer brackets.
pub(super) fn parse(text: &str) -> Parse<Expr> {
    let length = text.chars().count() + 2;
    if length > MAX_LENGTH {
        return Err(SyntaxError {
            message: format!(
                "The language expression length limit of '{MAX_LENGTH}' exceeded. The expression length is '{length}'"
            ),
            at: (0, text.len()),
        });
    }
    let mut parser =
        Parser { text, tokens: Tokens::of(text), next: None, at: (0, 0), end_of_previous: 0, depth: 0 };
    parser.advance();
    let root = parser.call_with_accessors()?;
    match parser.next {
        None => Ok(root),
        Some(_) => Err(parser.unexpected("EndOfData")),
    }
}

impl<'t> Parser<'t> {
    /// Takes the token that was looked at.
    fn advance(&mut self) {
        self.end_of_previous = self.at.1;
        let end = self.text.len();
        let next = self.tokens.next();
        self.at = next.as_ref().map_or((end, end), |(_, range)| (range.start, range.end));
        self.next = next.map(|(token, _)| token);
    }

    fn error(&self, reason: &str) -> SyntaxError {
        SyntaxError {
            message: format!("Unable to parse language expression '{}': {reason}", shown(self.text)),
            at: self.at,
        }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.next {
            Some(Token::Unexpected('\'')) => self.error(&format!(
                "the string literal that starts at position '{}' is not terminated",
                self.at.0 + 1
            )),
            Some(Token::Unexpected(c)) => {
                self.error(&format!("unexpected character '{c}' at position '{}'", self.at.0 + 1))
            }
            found => {
                let found = found.as_ref().map_or("EndOfData", Token::name);
                self.error(&format!("expected token '{expected}' and actual '{found}'"))
            }
        }
    }

    fn expect(&mut self, token: Token<'_>) -> Parse<()> {
        if self.next == Some(token) {
            self.advance();
            return Ok(());
        }
        Err(self.unexpected(token.name()))
    }

    fn identifier(&mut self) -> Parse<&'t str> {
        match self.next {
            Some(Token::Identifier(name)) => {
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected("Identifier")),
        }
    }

    fn call_with_accessors(&mut self) -> Parse<Expr> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(&format!("it is nested deeper than '{MAX_DEPTH}' levels")));
        }
        self.depth += 1;
        let start = self.at.0;
        let call = self.call()?;
        let mut steps = Vec::new();
        loop {
            let begin = self.at.0;
            let accessor = match self.next {
                Some(Token::Dot) => {
                    self.advance();
                    Accessor::Property(self.identifier()?.to_owned())
                }
                Some(Token::LeftSquareBracket) => {
                    self.advance();
                    let index = self.argument()?;
                    self.expect(Token::RightSquareBracket)?;
                    Accessor::Index(Box::new(index))
                }
                _ => break,
            };
            steps.push(Step { accessor, at: (begin, self.end_of_previous) });
        }
        self.depth -= 1;
        let kind = if steps.is_empty() { Kind::Call(call) } else { Kind::Access(call, steps) };
        Ok(Expr { kind, at: (start, self.end_of_previous) })
    }

    fn call(&mut self) -> Parse<Call> {
        let mut name = self.identifier()?;
        let mut namespace = None;
        if self.next == Some(Token::Dot) {
            self.advance();
            namespace = Some(std::mem::replace(&mut name, self.identifier()?));
        }
        self.expect(Token::LeftParenthesis)?;
        let mut arguments = Vec::new();
        if self.next != Some(Token::RightParenthesis) {
            loop {
                arguments.push(self.argument()?);
                if self.next != Some(Token::Comma) {
                    break;
                }
                self.advance();
            }
        }
        self.expect(Token::RightParenthesis)?;
        let function = if namespace.is_none() { functions::find(name) } else { None };
        Ok(Call { namespace: namespace.map(str::to_owned), name: name.to_owned(), arguments, function })
    }

    fn argument(&mut self) -> Parse<Expr> {
        let at = self.at;
        let kind = match self.next {
            Some(Token::Literal(text)) => Kind::String(text.replace("''", "'")),
            Some(Token::Integer(digits)) => match digits.parse() {
                Ok(value) => Kind::Integer(value),
                Err(_) => return Err(self.error(&format!("the integer '{digits}' is out of range"))),
            },
            Some(Token::Identifier(_)) => return self.call_with_accessors(),
            _ => return Err(self.unexpected("Identifier")),
        };
        self.advance();
        Ok(Expr { kind, at })
    }
}

/// The expression for a message, cut when it is long.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}
