//! PURE. Template files as people write them: JSON with comments and with line breaks inside strings, which Azure Resource
//! Manager accepts ("ARM template best practices: comments").

use serde_json::Value;

/// Parses JSON that may hold `//` and `/* */` comments and multi-line strings.
pub(crate) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&plain(text.trim_start_matches('\u{feff}')))
}

/// The same text as plain JSON. Comments become spaces, so that lines and columns of an error stay right.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('"', _) => {
                out.push('"');
                string(&mut rest, &mut out);
            }
            ('/', Some('/')) => {
                out.push(' ');
                while rest.next_if(|c| *c != '\n').is_some() {
                    out.push(' ');
                }
            }
            ('/', Some('*')) => {
                out.push(' ');
                block(&mut rest, &mut out);
            }
            _ => out.push(c),
        }
    }
    out
}

fn string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(rest.next());
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => {
                out.push(c);
                return;
            }
            _ => out.push(c),
        }
    }
}

fn block(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut star = false;
    // The star that opens the comment does not close it.
    rest.next();
    out.push(' ');
    for c in rest.by_ref() {
        out.push(if c == '\n' { '\n' } else { ' ' });
        if star && c == '/' {
            return;
        }
        star = c == '*';
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_line_breaks_in_strings_are_taken() {
        let text = "\u{feff}{ // one \" quote\n \"a\": /* x \" *//**/ \"http://h/*no*/ //no\", \"b\": \"l1\nl2\\\"\" }";
        assert_eq!(parse(text).unwrap(), json!({"a": "http://h/*no*/ //no", "b": "l1\nl2\""}));
        assert!(parse("{ /* never closed").is_err());
        assert!(parse("{\"a\": 1 / 2}").is_err());
    }

    proptest! {
        #[test]
        fn plain_json_stays_as_it_is(key in "[^\\p{C}]*", number in any::<i64>()) {
            let value = json!({key.clone(): [number, {"x": key}]});
            prop_assert_eq!(parse(&value.to_string()).unwrap(), value.clone());
            prop_assert_eq!(parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn any_text_ends(text in "[/*\"\\\\\n a{}]*") {
            let _ = parse(&text);
        }
    }
}
