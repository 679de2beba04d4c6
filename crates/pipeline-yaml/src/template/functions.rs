//! The functions of template expressions (azure-devops-docs: expressions.md, "Functions").

use std::rc::Rc;

use super::value::Value;

const NAMES: &str = "and, coalesce, contains, containsValue, convertToJson, endsWith, eq, format, ge, gt, iif, in, join, le, \
                     length, lower, lt, ne, not, notIn, or, replace, split, startsWith, trim, upper, xor";

/// Longest text that a function makes, in bytes: what is written in a few characters must not fill the memory.
const LONGEST: usize = 64 << 10;

/// The value of a call, or what is wrong with it.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let lower = name.to_ascii_lowercase();
    let (least, most) = arity(&lower).ok_or_else(|| {
        format!("Unrecognized value: '{name}'; the functions that are supported are {NAMES}")
    })?;
    if arguments.len() < least || arguments.len() > most {
        let expected = if least == most { least.to_string() } else { format!("at least {least}") };
        return Err(format!("The function '{name}' takes {expected} parameters; it has {}", arguments.len()));
    }
    let value = match lower.as_str() {
        "contains" | "startswith" | "endswith" | "lower" | "upper" | "trim" | "replace" | "split" => {
            of_texts(&lower, arguments)?
        }
        "format" => Value::String(format(arguments)?),
        "join" => Value::String(join(&text(&arguments[0])?, &arguments[1])),
        "gt" | "ge" | "lt" | "le" => {
            let order = order(&arguments[0], &arguments[1])?;
            Value::Boolean(match lower.as_str() {
                "gt" => order.is_gt(),
                "ge" => order.is_ge(),
                "lt" => order.is_lt(),
                _ => order.is_le(),
            })
        }
        _ => of_values(&lower, arguments)?,
    };
    if matches!(&value, Value::String(text) if text.len() > LONGEST) {
        return Err(format!("The function '{name}' makes a text of more than {LONGEST} bytes"));
    }
    Ok(value)
}

/// How many parameters a function takes at least and at most.
fn arity(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "and" | "or" | "coalesce" | "in" | "notin" => (2, usize::MAX),
        "format" => (1, usize::MAX),
        "not" | "lower" | "upper" | "trim" | "length" | "converttojson" => (1, 1),
        "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "xor" | "contains" | "containsvalue" | "startswith"
        | "endswith" | "join" | "split" => (2, 2),
        "replace" | "iif" => (3, 3),
        _ => return None,
    })
}

fn of_values(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = &arguments[0];
    let others = || arguments[1..].iter();
    Ok(match name {
        "and" => Value::Boolean(arguments.iter().all(Value::truth)),
        "or" => Value::Boolean(arguments.iter().any(Value::truth)),
        "xor" => Value::Boolean(first.truth() != arguments[1].truth()),
        "not" => Value::Boolean(!first.truth()),
        "eq" | "in" => Value::Boolean(others().any(|other| first.equals(other))),
        "ne" | "notin" => Value::Boolean(!others().any(|other| first.equals(other))),
        "iif" => arguments[if first.truth() { 1 } else { 2 }].clone(),
        "coalesce" => {
            let empty = |value: &&Value| !matches!(value, Value::Null) && value.text().as_deref() != Some("");
            arguments.iter().find(empty).cloned().unwrap_or(Value::Null)
        }
        "containsvalue" => {
            let any = match first {
                Value::Array(items) => items.iter().any(|item| arguments[1].equals(item)),
                Value::Object(fields) => fields.iter().any(|field| arguments[1].equals(&field.value)),
                _ => false,
            };
            Value::Boolean(any)
        }
        "converttojson" => Value::String(first.json()),
        _ => {
            let length = match first {
                Value::Array(items) => items.len(),
                Value::Object(fields) => fields.len(),
                scalar => text(scalar)?.chars().count(),
            };
            Value::Number(f64::from(u32::try_from(length).unwrap_or(u32::MAX)))
        }
    })
}

fn of_texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let texts = arguments.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let first = &texts[0];
    // These do not tell cases apart.
    let folded = || (first.to_lowercase(), texts[1].to_lowercase());
    Ok(match name {
        "contains" => Value::Boolean(folded().0.contains(&folded().1)),
        "startswith" => Value::Boolean(folded().0.starts_with(&folded().1)),
        "endswith" => Value::Boolean(folded().0.ends_with(&folded().1)),
        "lower" => Value::String(first.to_lowercase()),
        "upper" => Value::String(first.to_uppercase()),
        "trim" => Value::String(first.trim().to_owned()),
        "replace" if texts[1].is_empty() => Value::String(first.clone()),
        "replace" if first.matches(&texts[1]).count().saturating_mul(texts[2].len()) > LONGEST => {
            return Err(format!("The function 'replace' makes a text of more than {LONGEST} bytes"));
        }
        "replace" => Value::String(first.replace(&texts[1], &texts[2])),
        _ => {
            let at = |c: char| texts[1].contains(c);
            Value::Array(Rc::new(first.split(at).map(|part| Value::String(part.to_owned())).collect()))
        }
    })
}

/// The text of a value, in the service's words where it has none.
pub(super) fn text(value: &Value) -> Result<String, String> {
    let kind = value.kind();
    value.text().ok_or_else(|| format!("Unable to convert from {kind} to String. Value: {kind}"))
}

fn join(separator: &str, value: &Value) -> String {
    match value {
        // What has no text is an empty one here.
        Value::Array(items) => {
            items.iter().map(|item| item.text().unwrap_or_default()).collect::<Vec<_>>().join(separator)
        }
        scalar => scalar.text().unwrap_or_default(),
    }
}

/// `{0}` is the first value, `{{` a brace.
fn format(arguments: &[Value]) -> Result<String, String> {
    let pattern = text(&arguments[0])?;
    let wrong = || format!("The following format string is invalid: {pattern}");
    let (mut made, mut rest) = (String::new(), pattern.as_str());
    while let Some(at) = rest.find(['{', '}']) {
        made.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            made.push_str(brace);
            rest = after;
        } else if brace == "{" {
            let (number, after) = rest.split_once('}').ok_or_else(wrong)?;
            let value =
                number.trim().parse().ok().and_then(|number: usize| arguments.get(number.checked_add(1)?));
            made.push_str(&text(value.ok_or_else(wrong)?)?);
            rest = after;
        } else {
            return Err(wrong());
        }
        if made.len() > LONGEST {
            return Err(format!("The function 'format' makes a text of more than {LONGEST} bytes"));
        }
    }
    Ok(made + rest)
}

/// The right one is made what the left one is.
fn order(left: &Value, right: &Value) -> Result<std::cmp::Ordering, String> {
    let kind = |value: &Value| value.kind();
    let wrong = || format!("Unable to convert from {} to {}", kind(right), kind(left));
    match left {
        Value::Number(number) => {
            let right = right.number().ok_or_else(wrong)?;
            number.partial_cmp(&right).ok_or_else(wrong)
        }
        Value::String(text) => {
            let right = right.text().ok_or_else(wrong)?;
            Ok(text.to_lowercase().cmp(&right.to_lowercase()))
        }
        Value::Boolean(value) => Ok(value.cmp(&right.truth())),
        _ => Err(format!("A value of the type {} has no order", kind(left))),
    }
}
