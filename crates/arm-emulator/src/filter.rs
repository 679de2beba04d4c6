//! `$filter` and `$top` of lists: `field eq 'value'` and `ne`, `substringof` and `startswith`, joined by `and` and `or`
//! (`azure-rest-api-specs: resources.json, Resources_List`).

use serde_json::{Value, json};

use crate::error::ArmError;

/// A parsed `$filter`; empty takes everything.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// One of them has to hold; each holds when all of its terms do.
    any: Vec<Vec<Term>>,
}

#[derive(Debug, PartialEq)]
struct Term {
    field: &'static str,
    test: Test,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Contains,
    Begins,
}

impl Filter {
    /// Parses `text`; `fields` are the names that this list can be filtered by.
    pub(crate) fn parse(text: Option<&str>, fields: &'static [&'static str]) -> Result<Self, ArmError> {
        let text = text.unwrap_or_default();
        let invalid = || {
            let fields = fields.join(", ");
            ArmError::bad_request(
                "InvalidFilterInQueryString",
                format!(
                    "Invalid $filter '{text}' specified in the query string. The supported forms are `name eq 'value'`, \
                     `name ne 'value'`, `substringof('value', name)` and `startswith(name, 'value')`, joined by `and` and \
                     `or`, over: {fields}."
                ),
            )
        };
        let mut rest = text.trim();
        let mut any = Vec::new();
        if rest.is_empty() {
            return Ok(Self { any });
        }
        let mut all = Vec::new();
        loop {
            let (term, after) = term(rest, fields).ok_or_else(invalid)?;
            all.push(term);
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
            if let Some(after) = strip_word(rest, "and") {
                rest = after;
            } else {
                rest = strip_word(rest, "or").ok_or_else(invalid)?;
                any.push(std::mem::take(&mut all));
            }
        }
        any.push(all);
        Ok(Self { any })
    }

    /// The wanted value of a field.
    pub(crate) fn wanted(&self, field: &str) -> Option<&str> {
        let mut terms = self.any.iter().flatten();
        terms.find(|term| term.field == field && term.test == Test::Equal).map(|term| term.value.as_str())
    }

    /// Whether `resource`, in ARM's shape, passes.
    pub(crate) fn accepts(&self, resource: &Value) -> bool {
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(|term| term.holds(resource, all)))
    }
}

impl Term {
    fn holds(&self, resource: &Value, beside: &[Self]) -> bool {
        match self.field {
            "tagName" => {
                let mut names = resource["tags"].as_object().into_iter().flatten();
                names.any(|(name, _)| self.fits(name)) != (self.test == Test::NotEqual)
            }
            "tagValue" => {
                let name = beside.iter().find(|term| term.field == "tagName").map(|term| term.value.as_str());
                let value = name.and_then(|name| tag(resource, name));
                // Tag names compare without regard to case, tag values with it (`azure-docs: tag-resources.md`).
                value.is_some_and(|value| value == self.value) != (self.test == Test::NotEqual)
            }
            field => self.fits(&text(resource, field)) != (self.test == Test::NotEqual),
        }
    }

    /// `NotEqual` is turned round by whoever asks.
    fn fits(&self, text: &str) -> bool {
        let (text, wanted) = (text.to_lowercase(), self.value.to_lowercase());
        match self.test {
            Test::Equal | Test::NotEqual => {
                let squeezed = |text: &str| text.replace(' ', "");
                text == wanted || self.field == "location" && squeezed(&text) == squeezed(&wanted)
            }
            Test::Contains => text.contains(&wanted),
            Test::Begins => text.starts_with(&wanted),
        }
    }
}

/// What a field is of a resource.
fn text(resource: &Value, field: &str) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match field {
        "resourceGroup" => {
            let id = resource["id"].as_str().unwrap_or_default();
            let mut segments = id.split('/').skip_while(|word| !word.eq_ignore_ascii_case("resourceGroups"));
            segments.nth(1).unwrap_or_default().to_owned()
        }
        "resourceType" => word(&resource["type"]),
        "identity" => word(&resource["identity"]["type"]),
        "plan" => word(&resource["plan"]["name"]),
        other => match other.split_once('/') {
            Some((outer, inner)) => word(&resource[outer][inner]),
            None => word(&resource[other]),
        },
    }
}

fn tag<'a>(resource: &'a Value, name: &str) -> Option<&'a str> {
    let tags = resource["tags"].as_object()?;
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

/// A term in front of `text`, and what follows it.
fn term<'a>(text: &'a str, fields: &'static [&'static str]) -> Option<(Term, &'a str)> {
    let field = |name: &str| fields.iter().copied().find(|field| field.eq_ignore_ascii_case(name.trim()));
    for (function, test) in [("substringof", Test::Contains), ("startswith", Test::Begins)] {
        let Some(inner) = strip_start(text, function).and_then(|rest| rest.trim_start().strip_prefix('('))
        else {
            continue;
        };
        let inner = inner.trim_start();
        // `substringof` has the value first, `startswith` last.
        if test == Test::Contains {
            let (value, after) = quoted(inner)?;
            let (name, after) = after.trim_start().strip_prefix(',')?.split_once(')')?;
            return Some((Term { field: field(name)?, test, value }, after));
        }
        let (name, after) = inner.split_once(',')?;
        let (value, after) = quoted(after.trim_start())?;
        return Some((Term { field: field(name)?, test, value }, after.trim_start().strip_prefix(')')?));
    }
    let (name, after) = text.split_at(text.find(char::is_whitespace)?);
    let after = after.trim_start();
    let (test, after) = match strip_word(after, "eq") {
        Some(after) => (Test::Equal, after),
        None => (Test::NotEqual, strip_word(after, "ne")?),
    };
    let (value, after) = quoted(after)?;
    Some((Term { field: field(name)?, test, value }, after))
}

fn strip_start<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = strip_start(text, word)?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim_start())
}

/// A quoted string in front of `text`, in which `''` stands for one quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

/// One page of `values`: `{"value": […], "nextLink": …}`. `link` makes the absolute address of the page that starts
/// at an offset.
pub(crate) fn page(
    mut values: Vec<Value>,
    top: Option<usize>,
    skip: usize,
    link: impl Fn(usize) -> String,
) -> Value {
    values.drain(..skip.min(values.len()));
    let more = top.is_some_and(|top| values.len() > top);
    if let Some(top) = top {
        values.truncate(top);
    }
    let mut body = json!({ "value": values });
    if more {
        body["nextLink"] = json!(link(skip + top.unwrap_or_default()));
    }
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Filter;

    const FIELDS: &[&str] = &["resourceGroup", "resourceType", "tagName", "tagValue", "name"];

    fn accepts(filter: &str) -> bool {
        let resource = json!({
            "id": "/subscriptions/s/resourceGroups/Fleet/providers/A.B/things/it's",
            "name": "it's", "type": "A.B/things", "tags": {"Owner": "me"},
        });
        Filter::parse(Some(filter), FIELDS).unwrap().accepts(&resource)
    }

    #[test]
    fn the_filters_that_clients_send() {
        assert!(accepts(""));
        assert!(accepts("resourceGroup eq 'fleet'"));
        assert!(!accepts("resourceGroup eq 'flee'"));
        assert!(accepts("resourceType eq 'a.b/THINGS' and resourceGroup eq 'Fleet'"));
        assert!(accepts("tagName eq 'owner' and tagValue eq 'me'"));
        assert!(!accepts("tagname eq 'owner' and tagvalue eq 'Me'"));
        assert!(!accepts("tagName eq 'cost'"));
        assert!(accepts("name eq 'it''s'"));
        assert!(accepts("name eq 'x' or name eq 'it''s' and resourceGroup eq 'fleet'"));
        assert!(!accepts("name eq 'x' or name eq 'it''s' and resourceGroup eq 'other'"));
        assert!(accepts("name ne 'x'") && !accepts("name ne 'IT''S'"));
        assert!(accepts("substringof('T''', name)") && !accepts("substringof('tt', name)"));
        assert!(accepts("startswith(tagName, 'own')") && !accepts("startswith(tagName, 'wn')"));
        assert!(accepts("tagName ne 'cost'") && !accepts("tagName ne 'owner'"));
    }

    #[test]
    fn other_filters_are_refused_and_the_fields_named() {
        for filter in [
            "colour eq 'red'",
            "name gt 'x'",
            "substringof(name, 'x')",
            "startswith('x', name)",
            "name eq 'x' and",
            "name eq x",
            "name eq 'x",
            "name eq 'x' xor name eq 'y'",
            "name",
        ] {
            let error = Filter::parse(Some(filter), FIELDS).unwrap_err();
            assert_eq!(error.body.code, "InvalidFilterInQueryString");
            assert!(error.body.message.contains("resourceType"), "{}", error.body.message);
        }
    }

    proptest! {
        #[test]
        fn any_filter_is_read_without_a_panic(text in ".{0,40}") {
            let _ = Filter::parse(Some(&text), FIELDS);
        }

        #[test]
        fn a_quoted_value_comes_back(value in ".{0,20}") {
            let text = format!("name eq '{}'", value.replace('\'', "''"));
            let filter = Filter::parse(Some(&text), FIELDS).unwrap();
            prop_assert_eq!(filter.wanted("name"), Some(value.as_str()));
        }
    }
}
