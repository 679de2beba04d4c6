//! `format`: .NET composite formatting with the invariant culture.

use super::{Arguments, Function, MANY, Outcome};
use crate::value::{number_text, text};
use serde_json::{Number, Value};

pub(super) static FUNCTIONS: &[Function] = &[Function::plain("format", 1, MANY, format)];

fn format(mut arguments: Arguments) -> Outcome {
    let pattern = arguments.string(0)?;
    let values = &arguments.values[1..];
    let mut output = String::new();
    let mut rest = pattern.as_str();
    while let Some(place) = rest.find(['{', '}']) {
        output.push_str(&rest[..place]);
        let brace = &rest[place..=place];
        rest = &rest[place + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            output.push_str(brace);
            rest = after;
            continue;
        }
        let item = if brace == "{" { rest.split_once('}') } else { None };
        let Some((item, after)) = item else {
            return Err(arguments.error(format_args!("the format string '{pattern}' is not valid")));
        };
        output.push_str(&hole(item, values).map_err(|reason| arguments.error(reason))?);
        if output.len() > super::LONGEST_TEXT {
            return Err(arguments.error("the result is too long"));
        }
        rest = after;
    }
    output.push_str(rest);
    Ok(output.into())
}

/// `index[,width][:specifier]`.
fn hole(item: &str, values: &[Value]) -> Result<String, String> {
    let (place, specifier) = match item.split_once(':') {
        Some((place, specifier)) => (place, specifier),
        None => (item, ""),
    };
    let (index, width) = match place.split_once(',') {
        Some((index, width)) => (index, width.trim()),
        None => (place, "0"),
    };
    let index: usize =
        index.trim().parse().map_err(|_| format!("the format item '{{{item}}}' is not valid"))?;
    let width: i32 = width.parse().map_err(|_| format!("the format item '{{{item}}}' is not valid"))?;
    if width.abs() > 10_000 {
        return Err(format!("the width of the format item '{{{item}}}' is too large"));
    }
    let value = values.get(index).ok_or_else(|| {
        format!("the format item '{{{index}}}' has no argument, '{}' argument(s) are given", values.len())
    })?;
    let shown = match value {
        Value::Number(number) if !specifier.is_empty() => number_with(number, specifier)?,
        Value::Array(_) | Value::Object(_) => text(value).replace('"', "'"),
        other => text(other),
    };
    let missing = (width.unsigned_abs() as usize).saturating_sub(shown.encode_utf16().count());
    let padding = " ".repeat(missing);
    Ok(if width < 0 { shown + &padding } else { padding + &shown })
}

/// A number by a .NET standard specifier, or a custom one of `0`, `#`, `.` and `,`.
fn number_with(number: &Number, specifier: &str) -> Result<String, String> {
    let letter = specifier.chars().next().unwrap_or('G');
    let precision = &specifier[letter.len_utf8()..];
    let digits: Option<usize> = if precision.is_empty() { None } else { precision.parse().ok() };
    if !letter.is_ascii_alphabetic() || (digits.is_none() && !precision.is_empty()) {
        return custom(number, specifier);
    }
    if digits.is_some_and(|digits| digits > 99) {
        return Err(format!("the precision of the format specifier '{specifier}' is too large"));
    }
    let integer = number.as_i64();
    let float = number.as_f64().unwrap_or_default();
    let fixed = |digits: usize| fixed_point(number, digits);
    let unknown = || {
        format!(
            "the format specifier '{specifier}' is not supported for a number; supported are C, D, E, F, G, N, P, R, X and \
             patterns of '0', '#', '.' and ','"
        )
    };
    Ok(match (letter.to_ascii_uppercase(), integer) {
        ('D', Some(value)) => {
            signed(value < 0, &format!("{:0>1$}", value.unsigned_abs(), digits.unwrap_or(1)))
        }
        ('X', Some(value)) => {
            // Microsoft's engine holds what fits as 32 bits only when it came so; 64 bits are the language's integer.
            let hexadecimal = format!("{value:0>width$X}", width = digits.unwrap_or(1));
            if letter == 'x' { hexadecimal.to_lowercase() } else { hexadecimal }
        }
        ('F', _) => fixed(digits.unwrap_or(2)),
        ('N', _) => grouped(&fixed(digits.unwrap_or(2))),
        ('P', _) => {
            let percent = Number::from_f64(float * 100.0).ok_or_else(unknown)?;
            format!("{} %", grouped(&fixed_point(&percent, digits.unwrap_or(2))))
        }
        ('C', _) => {
            let amount = grouped(&fixed(digits.unwrap_or(2)));
            match amount.strip_prefix('-') {
                Some(amount) => format!("(\u{a4}{amount})"),
                None => format!("\u{a4}{amount}"),
            }
        }
        ('E', _) => {
            let scientific = format!("{float:.*e}", digits.unwrap_or(6));
            let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}{letter}{sign}{:03}", exponent.unsigned_abs())
        }
        ('G' | 'R', _) if digits.is_none() => number_text(number),
        _ => return Err(unknown()),
    })
}

fn signed(negative: bool, digits: &str) -> String {
    if negative { format!("-{digits}") } else { digits.to_owned() }
}

/// Integers exactly, floats rounded half away from zero by the decimal digits they print.
fn fixed_point(number: &Number, digits: usize) -> String {
    match number.as_i64() {
        Some(value) if digits == 0 => value.to_string(),
        Some(value) => format!("{value}.{}", "0".repeat(digits)),
        None => format!("{:.digits$}", number.as_f64().unwrap_or_default()),
    }
}

/// Commas between groups of three digits.
fn grouped(text: &str) -> String {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (text, String::new()),
    };
    let mut groups = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            groups.push(',');
        }
        groups.push(digit);
    }
    format!("{sign}{groups}{fraction}")
}

fn custom(number: &Number, pattern: &str) -> Result<String, String> {
    if !pattern.chars().all(|c| matches!(c, '0' | '#' | '.' | ',')) {
        return Err(format!(
            "the format specifier '{pattern}' is not supported for a number; patterns may hold '0', '#', '.' and ','"
        ));
    }
    let (whole, fraction) = pattern.split_once('.').unwrap_or((pattern, ""));
    let least_whole = whole.chars().filter(|c| *c == '0').count();
    let most = fraction.chars().filter(|c| *c != ',').count();
    let least = fraction.rfind('0').map_or(0, |place| place + 1);
    let mut text = fixed_point(number, most);
    while text.contains('.') && (text.ends_with('0') || text.ends_with('.')) {
        let decimals = text.len() - text.find('.').unwrap_or_default() - 1;
        if decimals <= least && !(decimals == 0 && text.ends_with('.')) {
            break;
        }
        text.pop();
    }
    let negative = text.starts_with('-');
    let digits = text.trim_start_matches('-');
    let (digits, decimals) = digits.split_once('.').map_or((digits, None), |(d, f)| (d, Some(f)));
    let digits = digits.trim_start_matches('0');
    let mut padded = format!("{digits:0>least_whole$}");
    if whole.contains(',') {
        padded = grouped(&padded);
    }
    Ok(signed(negative, &decimals.map_or(padded.clone(), |decimals| format!("{padded}.{decimals}"))))
}
