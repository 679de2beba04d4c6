//! Strict reading of a JSON object: member names compare without regard to case as ARM's do, every member must be
//! asked for, and what nobody asked for is refused with the names that are supported.
//!
//! Messages name paths and types, never values: a value may be a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::ArmError;

/// The tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// One JSON object being read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts to read `value`; `path` is empty for a whole body.
    pub(crate) fn of(value: &'a Value, path: impl Into<String>) -> Result<Self, ArmError> {
        let path = path.into();
        match value {
            Value::Object(object) => Ok(Self { path, object, asked: Vec::new() }),
            other => Err(wrong_type(&path, "an object", other)),
        }
    }

    /// The path of a member, for messages.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A member that may be absent; `null` counts as absent, as it does for ARM.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        let found = self.object.get(name).or_else(|| {
            self.object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    }

    /// A member that must be there. The error names what is there instead: it may be a misspelling.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<&'a Value, ArmError> {
        self.value(name).ok_or_else(|| {
            let given = self.object.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            ArmError::invalid_content(
                &self.path(name),
                format_args!("Required property '{name}' not found in JSON. The members given are: {given}."),
            )
        })
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<Option<&'a str>, ArmError> {
        self.value(name).map(|value| self.as_string(name, value)).transpose()
    }

    pub(crate) fn required_string(&mut self, name: &'static str) -> Result<&'a str, ArmError> {
        let value = self.required(name)?;
        self.as_string(name, value)
    }

    fn as_string(&self, name: &str, value: &'a Value) -> Result<&'a str, ArmError> {
        value.as_str().ok_or_else(|| wrong_type(&self.path(name), "a string", value))
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, ArmError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong_type(&self.path(name), "a boolean", value))
    }

    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<f64>, ArmError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        // ACI's own samples give cpu and memory as strings, which its deserializer takes.
        let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
        number
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| wrong_type(&self.path(name), "a number", value))
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>, ArmError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        // As numbers: ports in ACI's own samples (`azure-docs-json-samples: container-instances`).
        let integer = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
        integer.map(Some).ok_or_else(|| wrong_type(&self.path(name), "an integer", value))
    }

    /// An array with the path of each element; absent counts as empty.
    pub(crate) fn array(&mut self, name: &'static str) -> Result<Vec<(String, &'a Value)>, ArmError> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let path = self.path(name);
        let Value::Array(elements) = value else { return Err(wrong_type(&path, "an array", value)) };
        Ok(elements
            .iter()
            .enumerate()
            .map(|(index, element)| (format!("{path}[{index}]"), element))
            .collect())
    }

    pub(crate) fn strings(&mut self, name: &'static str) -> Result<Vec<String>, ArmError> {
        self.array(name)?
            .into_iter()
            .map(|(path, value)| {
                value.as_str().map(str::to_owned).ok_or_else(|| wrong_type(&path, "a string", value))
            })
            .collect()
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Result<Option<Fields<'a>>, ArmError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        Fields::of(value, self.path(name)).map(Some)
    }

    pub(crate) fn required_object(&mut self, name: &'static str) -> Result<Fields<'a>, ArmError> {
        let value = self.required(name)?;
        Fields::of(value, self.path(name))
    }

    /// One of a fixed set of words, given back in its canonical spelling.
    pub(crate) fn word(
        &mut self,
        name: &'static str,
        words: &'static [&'static str],
    ) -> Result<Option<&'static str>, ArmError> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        words.iter().copied().find(|word| word.eq_ignore_ascii_case(text)).map(Some).ok_or_else(|| {
            let words = words.join(", ");
            ArmError::invalid_content(
                &self.path(name),
                format_args!("The value is not one of the supported values: {words}."),
            )
        })
    }

    /// The `tags` member; `None` when it is absent.
    pub(crate) fn tags(&mut self) -> Result<Option<Tags>, ArmError> {
        let Some(value) = self.value("tags") else { return Ok(None) };
        let path = self.path("tags");
        let Value::Object(object) = value else { return Err(wrong_type(&path, "an object", value)) };
        let mut tags = Tags::new();
        for (name, value) in object {
            let Value::String(text) = value else {
                return Err(wrong_type(&format!("{path}.{name}"), "a string", value));
            };
            tags.insert(name.clone(), text.clone());
        }
        check_tags(&tags)?;
        Ok(Some(tags))
    }

    /// A member that the emulator knows and cannot honour.
    pub(crate) fn unsupported(&mut self, name: &'static str, instead: &str) -> Result<(), ArmError> {
        match self.value(name) {
            None => Ok(()),
            Some(Value::Array(elements)) if elements.is_empty() => Ok(()),
            Some(_) => Err(ArmError::invalid_content(
                &self.path(name),
                format_args!("The property '{name}' is not supported by this emulator; {instead}."),
            )),
        }
    }

    /// Ends the reading: members that nobody asked for are refused.
    pub(crate) fn finish(self) -> Result<(), ArmError> {
        let unknown =
            self.object.keys().find(|key| !self.asked.iter().any(|asked| asked.eq_ignore_ascii_case(key)));
        let Some(unknown) = unknown else { return Ok(()) };
        let supported = self.asked.join(", ");
        Err(ArmError::invalid_content(
            &self.path(unknown),
            format_args!(
                "Could not find member '{unknown}' on the object. The supported members are: {supported}."
            ),
        ))
    }
}

/// At most 50 tags, names up to 512 and values up to 256 characters (`azure-docs: tag-resources.md`). What links a resource
/// to another one in the portal is named by an id and taken all the same (`bicep-registry-modules: insights/webtest`).
pub(crate) fn check_tags(tags: &Tags) -> Result<(), ArmError> {
    if tags.len() > 50 {
        return Err(ArmError::bad_request(
            "TooManyTags",
            format!("The resource has {} tags. The maximum number of tags is 50.", tags.len()),
        ));
    }
    for (name, value) in tags {
        let refused = if name.starts_with("hidden-link:") { "<>%&\\?" } else { "<>%&\\?/" };
        if name.is_empty() || name.chars().count() > 512 || name.contains(|one| refused.contains(one)) {
            return Err(ArmError::bad_request(
                "InvalidTagNameCharacters",
                format!(
                    "The tag name '{name}' must have 1 to 512 characters, none of them one of '<,>,%,&,\\,?,/'."
                ),
            ));
        }
        if value.chars().count() > 256 {
            return Err(ArmError::bad_request(
                "InvalidTagValueLength",
                format!("The value of the tag '{name}' has more than 256 characters."),
            ));
        }
    }
    Ok(())
}

fn wrong_type(path: &str, expected: &str, actual: &Value) -> ArmError {
    let actual = match actual {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ArmError::invalid_content(path, format_args!("Expected {expected} and found {actual}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Fields;

    #[test]
    fn members_are_found_in_any_case_and_the_rest_is_refused_by_name() {
        let body = json!({"Image": "a", "memoryInGb": 1.5, "surprise": {"secureValue": "hunter2"}});
        let mut fields = Fields::of(&body, "properties").unwrap();
        assert_eq!(fields.required_string("image").unwrap(), "a");
        assert_eq!(fields.number("memoryInGB").unwrap(), Some(1.5));
        let error = fields.finish().unwrap_err().to_string();
        assert!(error.contains("'surprise'") && error.contains("image, memoryInGB"), "{error}");
        assert!(error.contains("properties.surprise") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_wrong_type_names_its_path_and_not_its_value() {
        let body = json!({"list": [1, "hunter2"]});
        let mut fields = Fields::of(&body, "").unwrap();
        let error = fields.strings("list").unwrap_err().to_string();
        assert!(
            error.contains("list[0]") && error.contains("Expected a string and found a number"),
            "{error}"
        );
        let error = fields.boolean("list").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(Fields::of(&json!("hunter2"), "x").is_err());
    }
}
