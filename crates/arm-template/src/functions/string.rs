//! Strings.

use super::{Arguments, Function, Outcome};
use crate::jsonc;
use crate::value::{integer, text, type_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("base64", 1, 1, base64),
    Function::plain("base64ToJson", 1, 1, base64_to_json),
    Function::plain("base64ToString", 1, 1, base64_to_string),
    Function::plain("endsWith", 2, 2, ends_with),
    Function::plain("join", 2, 2, join),
    Function::plain("json", 1, 1, json),
    Function::plain("like", 2, 2, like),
    Function::plain("padLeft", 2, 3, pad_left),
    Function::plain("replace", 3, 3, replace),
    Function::plain("split", 2, 2, split),
    Function::plain("startsWith", 2, 2, starts_with),
    Function::plain("string", 1, 1, |mut arguments| Ok(text(&arguments.take(0)).into())),
    Function::plain("substring", 2, 3, substring),
    Function::plain("toLower", 1, 1, to_lower),
    Function::plain("toUpper", 1, 1, to_upper),
    Function::plain("trim", 1, 1, trim),
    Function::plain("fail", 1, 1, fail),
];

fn base64(mut arguments: Arguments) -> Outcome {
    Ok(STANDARD.encode(arguments.string(0)?).into())
}

/// The text behind a base64 string.
pub(super) fn decode(arguments: &Arguments, encoded: &str) -> Result<String, String> {
    STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| arguments.error("the value is not a valid base64 representation of a UTF-8 text"))
}

fn base64_to_string(mut arguments: Arguments) -> Outcome {
    let encoded = arguments.string(0)?;
    Ok(decode(&arguments, &encoded)?.into())
}

fn base64_to_json(mut arguments: Arguments) -> Outcome {
    let encoded = arguments.string(0)?;
    let text = decode(&arguments, &encoded)?;
    parse_json(&arguments, &text)
}

fn json(mut arguments: Arguments) -> Outcome {
    match arguments.take(0) {
        Value::String(text) => parse_json(&arguments, &text),
        // As in the service's policy functions: no text gives an empty object.
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        other => Err(arguments.wrong_type(0, "a string", &other)),
    }
}

fn parse_json(arguments: &Arguments, text: &str) -> Outcome {
    match jsonc::parse(text) {
        Ok(node) => Ok(node.to_value()),
        Err(fault) => Err(arguments
            .error(format_args!("the value is not valid JSON: {}", fault.detail.trim_end_matches('.')))),
    }
}

/// Where `needle` begins in `text` without regard to case, in UTF-16 units as .NET counts.
pub(super) fn find_ignoring_case(text: &str, needle: &str, from_end: bool) -> Option<usize> {
    let text: Vec<u16> = text.chars().map(fold).collect::<String>().encode_utf16().collect();
    let needle: Vec<u16> = needle.chars().map(fold).collect::<String>().encode_utf16().collect();
    if needle.is_empty() {
        return Some(if from_end { text.len() } else { 0 });
    }
    if needle.len() > text.len() {
        return None;
    }
    let mut places = 0..=text.len() - needle.len();
    let matches = |at: &usize| text[*at..*at + needle.len()] == needle[..];
    if from_end { places.rev().find(matches) } else { places.find(matches) }
}

/// Upper case where that is one character, so that places do not move.
fn fold(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

fn starts_with(mut arguments: Arguments) -> Outcome {
    let (text, start) = (arguments.string(0)?, arguments.string(1)?);
    Ok(Value::Bool(find_ignoring_case(&text, &start, false) == Some(0)))
}

fn ends_with(mut arguments: Arguments) -> Outcome {
    let (text, end) = (arguments.string(0)?, arguments.string(1)?);
    let rest = text.encode_utf16().count().checked_sub(end.encode_utf16().count());
    Ok(Value::Bool(rest.is_some() && find_ignoring_case(&text, &end, true) == rest))
}

/// Whether a text is as a pattern says, in which `*` stands for any characters, none included. It ignores case.
///
/// Source: Azure/bicep: src/Bicep.Core/Semantics/Namespaces/SystemNamespaceType.cs.
fn like(mut arguments: Arguments) -> Outcome {
    let folded = |text: String| text.chars().map(fold).collect::<String>();
    let (text, pattern) = (folded(arguments.string(0)?), folded(arguments.string(1)?));
    let Some((start, rest)) = pattern.split_once('*') else { return Ok(Value::Bool(text == pattern)) };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let between = text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    // The first place of each part leaves most to the others.
    let found = between.and_then(|text| {
        middle.split('*').try_fold(text, |text, part| text.find(part).map(|at| &text[at + part.len()..]))
    });
    Ok(Value::Bool(found.is_some()))
}

fn join(mut arguments: Arguments) -> Outcome {
    let (values, separator) = (arguments.array(0)?, arguments.string(1)?);
    if let Some(wrong) = values.iter().find(|value| matches!(value, Value::Array(_) | Value::Object(_))) {
        return Err(arguments.error(format_args!(
            "all elements must be strings, integers or booleans, one is of type '{}'",
            type_name(wrong)
        )));
    }
    Ok(values.iter().map(text).collect::<Vec<_>>().join(&separator).into())
}

fn pad_left(mut arguments: Arguments) -> Outcome {
    let value = match arguments.take(0) {
        value @ (Value::String(_) | Value::Number(_)) => text(&value),
        other => return Err(arguments.wrong_type(0, "a string or an integer", &other)),
    };
    let width = arguments.integer(1)?;
    let filler = if arguments.len() == 3 { arguments.string(2)? } else { " ".to_owned() };
    let mut characters = filler.chars();
    let (Some(filler), None) = (characters.next(), characters.next()) else {
        return Err(arguments.error("the padding character must be a single character"));
    };
    if !(1..=16).contains(&width) {
        return Err(arguments.error(format_args!("the total length '{width}' must be between '1' and '16'")));
    }
    let missing = (width as usize).saturating_sub(value.encode_utf16().count());
    Ok(std::iter::repeat_n(filler, missing).chain(value.chars()).collect::<String>().into())
}

fn replace(mut arguments: Arguments) -> Outcome {
    let (text, old, new) = (arguments.string(0)?, arguments.string(1)?, arguments.string(2)?);
    if old.is_empty() {
        return Err(arguments.error("the string to be replaced can not be empty"));
    }
    let count = text.matches(old.as_str()).count();
    if text.len().saturating_add(count.saturating_mul(new.len())) > super::LONGEST_TEXT {
        return Err(arguments.error("the result is too long"));
    }
    Ok(text.replace(&old, &new).into())
}

fn split(mut arguments: Arguments) -> Outcome {
    let text = arguments.string(0)?;
    let separators: Vec<String> = match arguments.take(1) {
        Value::String(separator) => vec![separator],
        Value::Array(separators) => separators
            .into_iter()
            .map(|separator| match separator {
                Value::String(text) => Ok(text),
                other => Err(arguments.wrong_type(1, "a string or an array of strings", &other)),
            })
            .collect::<Result<_, _>>()?,
        other => return Err(arguments.wrong_type(1, "a string or an array of strings", &other)),
    };
    let separators: Vec<&str> = separators.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        match separators.iter().find(|separator| text[at..].starts_with(**separator)) {
            Some(separator) => {
                parts.push(Value::from(&text[start..at]));
                at += separator.len();
                start = at;
            }
            None => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    parts.push(Value::from(&text[start..]));
    Ok(Value::Array(parts))
}

fn substring(mut arguments: Arguments) -> Outcome {
    let text = arguments.string(0)?;
    let units: Vec<u16> = text.encode_utf16().collect();
    let start = arguments.integer(1)?;
    let length = if arguments.len() == 3 { arguments.integer(2)? } else { units.len() as i64 - start };
    let end = start.checked_add(length);
    match end {
        Some(end) if start >= 0 && length >= 0 && end <= units.len() as i64 => {
            Ok(String::from_utf16_lossy(&units[start as usize..end as usize]).into())
        }
        _ => Err(arguments.error(format_args!(
            "the index and length parameters must refer to a location within the string. The 'startIndex' parameter: \
             '{start}', the 'length' parameter: '{length}', the length of the string parameter: '{}'",
            units.len()
        ))),
    }
}

fn to_lower(mut arguments: Arguments) -> Outcome {
    Ok(arguments.string(0)?.to_lowercase().into())
}

fn to_upper(mut arguments: Arguments) -> Outcome {
    Ok(arguments.string(0)?.to_uppercase().into())
}

fn trim(mut arguments: Arguments) -> Outcome {
    Ok(arguments.string(0)?.trim().into())
}

fn fail(mut arguments: Arguments) -> Outcome {
    Err(arguments.string(0)?)
}

/// A length or place, which .NET counts in UTF-16 units.
pub(super) fn length(text: &str) -> Value {
    integer(text.encode_utf16().count() as i64)
}
