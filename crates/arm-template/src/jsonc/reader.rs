//! The reader itself: one pass over the bytes, bounded recursion.

use super::{Kind, MAX_DEPTH, Member, Node};
use crate::diagnostic::{Code, Diagnostic, Span, position};
use serde_json::Number;
use std::sync::Arc;

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// What went wrong and where; becomes a `Diagnostic` once, at the end.
struct Fault {
    message: String,
    at: usize,
}

type Read<T> = Result<T, Fault>;

pub(super) fn read(text: &str) -> Result<Node, Diagnostic> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    reader.document().map_err(|fault| {
        let place = position(text, fault.at);
        let end = text[fault.at..].chars().next().map_or(fault.at, |c| fault.at + c.len_utf8());
        let detail = format!("{} Path '', line {}, position {}.", fault.message, place.line, place.column);
        Diagnostic::new(Code::InvalidRequestContent, detail).at(&Arc::from(text), Span::new(fault.at, end))
    })
}

impl Reader<'_> {
    fn document(&mut self) -> Read<Node> {
        let node = self.value()?;
        self.blank()?;
        match self.peek() {
            None => Ok(node),
            Some(c) => {
                self.fail(format!("Additional text encountered after finished reading JSON content: {c}."))
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn fail<T>(&self, message: impl Into<String>) -> Read<T> {
        Err(Fault { message: message.into(), at: self.at })
    }

    /// Skips white space and comments.
    fn blank(&mut self) -> Read<()> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(end) => self.at += end + 4,
                    None => return self.fail("Unexpected end while parsing comment."),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Read<Node> {
        self.blank()?;
        let start = self.at;
        let kind = match self.peek() {
            None => return self.fail("Unexpected end of content while loading JSON."),
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::array)?,
            Some(quote @ ('"' | '\'')) => Kind::String(self.string(quote)?),
            Some('-' | '0'..='9') => Kind::Number(self.number()?),
            Some(c) => self.word(c)?,
        };
        Ok(Node { kind, span: Span::new(start, self.at) })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Kind>) -> Read<Kind> {
        if self.depth == MAX_DEPTH {
            return self.fail(format!("The reader's MaxDepth of {MAX_DEPTH} has been exceeded."));
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self)?;
        self.at += 1;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Read<Kind> {
        let mut members = Vec::new();
        self.blank()?;
        if self.peek() == Some('}') {
            return Ok(Kind::Object(members));
        }
        loop {
            members.push(self.pair()?);
            self.blank()?;
            match self.peek() {
                Some(',') => {
                    self.at += 1;
                    self.blank()?;
                    // The service's reader takes a comma before the end.
                    if self.peek() == Some('}') {
                        return Ok(Kind::Object(members));
                    }
                }
                Some('}') => return Ok(Kind::Object(members)),
                Some(c) => {
                    return self.fail(format!(
                        "After parsing a value an unexpected character was encountered: {c}."
                    ));
                }
                None => return self.fail("Unexpected end of content while loading JSON."),
            }
        }
    }

    fn pair(&mut self) -> Read<Member> {
        self.blank()?;
        let start = self.at;
        let name = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.string(quote)?,
            Some(c) if is_name_start(c) => {
                let rest = &self.text[start..];
                let length = rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len());
                self.at += length;
                rest[..length].to_owned()
            }
            Some(c) => return self.fail(format!("Invalid property identifier character: {c}.")),
            None => return self.fail("Unexpected end of content while loading JSON."),
        };
        let name_span = Span::new(start, self.at);
        self.blank()?;
        match self.peek() {
            Some(':') => self.at += 1,
            Some(c) => {
                return self.fail(format!(
                    "Invalid character after parsing property name. Expected ':' but got: {c}."
                ));
            }
            None => return self.fail("Unexpected end of content while loading JSON."),
        }
        Ok(Member { name, name_span, value: self.value()? })
    }

    fn array(&mut self) -> Read<Kind> {
        let mut elements = Vec::new();
        self.blank()?;
        if self.peek() == Some(']') {
            return Ok(Kind::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.blank()?;
            match self.peek() {
                Some(',') => {
                    self.at += 1;
                    self.blank()?;
                    if self.peek() == Some(']') {
                        return Ok(Kind::Array(elements));
                    }
                }
                Some(']') => return Ok(Kind::Array(elements)),
                Some(c) => {
                    return self.fail(format!(
                        "After parsing a value an unexpected character was encountered: {c}."
                    ));
                }
                None => return self.fail("Unexpected end of content while loading JSON."),
            }
        }
    }

    fn string(&mut self, quote: char) -> Read<String> {
        let opening = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            // Both are ASCII, so bytes will do, and they are many times quicker.
            let ends = |byte: u8| byte == quote as u8 || byte == b'\\';
            let Some(stop) = rest.bytes().position(ends) else {
                self.at = opening;
                return self.fail(format!("Unterminated string. Expected delimiter: {quote}."));
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            if rest[stop..].starts_with(quote) {
                self.at += 1;
                return Ok(out);
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Read<char> {
        let Some((decoded, length)) = decode_escape(&self.text[self.at..]) else {
            return self.fail("Bad JSON escape sequence.");
        };
        self.at += length;
        Ok(decoded)
    }

    fn number(&mut self) -> Read<Number> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let literal = &rest[..length];
        let is_integer = literal.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        let number = match serde_json::from_str::<Number>(literal) {
            Err(_) => return self.fail(format!("Input string '{literal}' is not a valid number.")),
            Ok(number) if is_integer && !number.is_i64() => {
                return self.fail(format!("JSON integer {literal} is too large or small for an Int64."));
            }
            Ok(number) if is_integer => number,
            // The standard library finds the nearest float, serde_json one close to it.
            Ok(number) => literal.parse().ok().and_then(Number::from_f64).unwrap_or(number),
        };
        self.at += length;
        Ok(number)
    }

    fn word(&mut self, first: char) -> Read<Kind> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let kind = match &rest[..length] {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            _ => {
                return self.fail(format!("Unexpected character encountered while parsing value: {first}."));
            }
        };
        self.at += length;
        Ok(kind)
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Decodes the escape at the start of `text`: the character and how many bytes were read.
fn decode_escape(text: &str) -> Option<(char, usize)> {
    let decoded = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = hexadecimal(text, 2)?;
            if let Some(c) = char::from_u32(high) {
                return Some((c, 6));
            }
            // A surrogate pair; a lone half has no meaning in UTF-8 and becomes the replacement character.
            let low = if text.get(6..8) == Some("\\u") { hexadecimal(text, 8) } else { None };
            return match low {
                Some(low) if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) => {
                    let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    Some((char::from_u32(scalar)?, 12))
                }
                _ => Some((char::REPLACEMENT_CHARACTER, 6)),
            };
        }
        _ => return None,
    };
    Some((decoded, 2))
}

fn hexadecimal(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The byte offset in `text` of byte `decoded` of the string whose literal (with its quotes) is `span`.
pub(crate) fn source_offset(text: &str, span: Span, decoded: usize) -> usize {
    let mut at = span.start + 1;
    let mut seen = 0;
    let end = span.end.saturating_sub(1).min(text.len());
    while seen < decoded && at < end {
        let Some(rest) = text.get(at..end) else { break };
        let (c, length) = if rest.starts_with('\\') {
            decode_escape(rest).unwrap_or(('\\', 1))
        } else {
            rest.chars().next().map_or((' ', 1), |c| (c, c.len_utf8()))
        };
        seen += c.len_utf8();
        at += length;
    }
    at.min(text.len())
}
