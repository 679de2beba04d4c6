//! Tokens to syntax tree, by recursive descent with a bounded depth.

use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::lex::{self, Placed, Token};
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
    tokens: Vec<Placed>,
    next: usize,
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
    let mut parser = Parser { text, tokens: lex::tokens(text), next: 0, depth: 0 };
    let root = parser.call_with_accessors()?;
    match parser.peek() {
        None => Ok(root),
        Some(_) => Err(parser.unexpected("EndOfData")),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> (usize, usize) {
        match self.tokens.get(self.next) {
            Some((_, range)) => (range.start, range.end),
            None => (self.text.len(), self.text.len()),
        }
    }

    fn end_of_previous(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |previous| self.tokens[previous].1.end)
    }

    fn error(&self, reason: &str) -> SyntaxError {
        SyntaxError {
            message: format!("Unable to parse language expression '{}': {reason}", shown(self.text)),
            at: self.at(),
        }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        match self.peek() {
            Some(Token::Unexpected('\'')) => self.error(&format!(
                "the string literal that starts at position '{}' is not terminated",
                self.at().0 + 1
            )),
            Some(Token::Unexpected(c)) => {
                self.error(&format!("unexpected character '{c}' at position '{}'", self.at().0 + 1))
            }
            found => {
                let found = found.map_or("EndOfData", Token::name);
                self.error(&format!("expected token '{expected}' and actual '{found}'"))
            }
        }
    }

    fn expect(&mut self, token: &Token) -> Parse<()> {
        if self.peek() == Some(token) {
            self.next += 1;
            return Ok(());
        }
        Err(self.unexpected(token.name()))
    }

    fn identifier(&mut self) -> Parse<String> {
        match self.peek() {
            Some(Token::Identifier(name)) => {
                let name = name.clone();
                self.next += 1;
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
        let start = self.at().0;
        let call = self.call()?;
        let mut steps = Vec::new();
        loop {
            let begin = self.at().0;
            let accessor = match self.peek() {
                Some(Token::Dot) => {
                    self.next += 1;
                    Accessor::Property(self.identifier()?)
                }
                Some(Token::LeftSquareBracket) => {
                    self.next += 1;
                    let index = self.argument()?;
                    self.expect(&Token::RightSquareBracket)?;
                    Accessor::Index(Box::new(index))
                }
                _ => break,
            };
            steps.push(Step { accessor, at: (begin, self.end_of_previous()) });
        }
        self.depth -= 1;
        let kind = if steps.is_empty() { Kind::Call(call) } else { Kind::Access(call, steps) };
        Ok(Expr { kind, at: (start, self.end_of_previous()) })
    }

    fn call(&mut self) -> Parse<Call> {
        let mut name = self.identifier()?;
        let mut namespace = None;
        if self.peek() == Some(&Token::Dot) {
            self.next += 1;
            namespace = Some(std::mem::replace(&mut name, self.identifier()?));
        }
        self.expect(&Token::LeftParenthesis)?;
        let mut arguments = Vec::new();
        if self.peek() != Some(&Token::RightParenthesis) {
            loop {
                arguments.push(self.argument()?);
                match self.peek() {
                    Some(Token::Comma) => self.next += 1,
                    _ => break,
                }
            }
        }
        self.expect(&Token::RightParenthesis)?;
        let function = if namespace.is_none() { functions::find(&name) } else { None };
        Ok(Call { namespace, name, arguments, function })
    }

    fn argument(&mut self) -> Parse<Expr> {
        let at = self.at();
        let kind = match self.peek() {
            Some(Token::Literal(text)) => Kind::String(text.clone()),
            Some(Token::Integer(digits)) => match digits.parse() {
                Ok(value) => Kind::Integer(value),
                Err(_) => return Err(self.error(&format!("the integer '{digits}' is out of range"))),
            },
            Some(Token::Identifier(_)) => return self.call_with_accessors(),
            _ => return Err(self.unexpected("Identifier")),
        };
        self.next += 1;
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
