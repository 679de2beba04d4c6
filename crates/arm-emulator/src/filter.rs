//! `$filter` and `$top` of lists: conjunctions of `field eq 'value'`, which is all that clients send here.

use serde_json::{Value, json};

use crate::error::ArmError;

/// A parsed `$filter`; empty takes everything.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Filter {
    terms: Vec<(&'static str, String)>,
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
                    "Invalid $filter '{text}' specified in the query string. The supported form is \
                     `name eq 'value'`, joined by `and`, over: {fields}."
                ),
            )
        };
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if !terms.is_empty() {
                rest = strip_word(rest, "and").ok_or_else(invalid)?;
            }
            let end = rest.find(char::is_whitespace).ok_or_else(invalid)?;
            let (name, after) = rest.split_at(end);
            let field =
                fields.iter().copied().find(|field| field.eq_ignore_ascii_case(name)).ok_or_else(invalid)?;
            let after = strip_word(after.trim_start(), "eq").ok_or_else(invalid)?;
            let (value, after) = quoted(after).ok_or_else(invalid)?;
            terms.push((field, value));
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }

    /// The wanted value of a field.
    pub(crate) fn wanted(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str())
    }

    /// Whether `resource`, in ARM's shape, passes.
    pub(crate) fn accepts(&self, resource: &Value) -> bool {
        self.terms.iter().all(|(field, wanted)| match *field {
            "resourceGroup" => {
                let id = resource["id"].as_str().unwrap_or_default().to_lowercase();
                id.contains(&format!("/resourcegroups/{}/", wanted.to_lowercase()))
            }
            "resourceType" => same(&resource["type"], wanted),
            "tagName" => tag(resource, wanted).is_some(),
            "tagValue" => {
                let name = self.wanted("tagName").unwrap_or_default();
                tag(resource, name).is_some_and(|value| value == wanted)
            }
            other => same(&resource[other], wanted),
        })
    }
}

fn same(value: &Value, wanted: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted))
}

/// Tag names compare without regard to case, tag values with it (`azure-docs: tag-resources.md`).
fn tag<'a>(resource: &'a Value, name: &str) -> Option<&'a str> {
    let tags = resource["tags"].as_object()?;
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let ends = rest.starts_with(char::is_whitespace);
    (head.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start())
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
    }

    #[test]
    fn other_filters_are_refused_and_the_fields_named() {
        for filter in [
            "colour eq 'red'",
            "name ne 'x'",
            "name eq x",
            "name eq 'x",
            "name eq 'x' or name eq 'y'",
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
