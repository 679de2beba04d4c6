//! Secrets are replaced by `***` in everything that leaves the agent
//! (azure-pipelines-agent: Agent.Sdk/SecretMasking).

use std::sync::{Arc, RwLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regex::Regex;

/// What stands in a secret's place.
const MASK: &str = "***";

/// A growing set of secrets, shared by all writers of one process.
#[derive(Clone, Default)]
pub(crate) struct Masker(Arc<RwLock<Secrets>>);

#[derive(Default)]
struct Secrets {
    /// Longest first, so that a secret inside another one does not leave the rest of it readable.
    literals: Vec<String>,
    patterns: Vec<Regex>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker")
    }
}

impl Masker {
    /// Adds a value and the forms in which it tends to show up again.
    pub(crate) fn add_value(&self, value: &str) {
        let trimmed = value.trim();
        if trimmed.is_empty() {
            return;
        }
        let mut forms =
            vec![value.to_owned(), trimmed.to_owned(), trimmed.trim_matches(['"', '\'']).to_owned()];
        forms.extend(value.lines().map(str::trim).map(str::to_owned));
        forms.push(uri_escaped(trimmed));
        forms.push(trimmed.replace('%', "%AZP25"));
        forms.push(trimmed.replace('\\', "\\\\"));
        if let Ok(json) = serde_json::to_string(trimmed) {
            forms.push(json.trim_matches('"').to_owned());
        }
        if trimmed.len() >= 6 {
            forms.extend(base64_forms(trimmed));
        }
        let mut secrets = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for form in forms {
            if !form.is_empty() && !secrets.literals.contains(&form) {
                secrets.literals.push(form);
            }
        }
        secrets.literals.sort_by_key(|literal| std::cmp::Reverse(literal.len()));
    }

    /// Adds a .NET regular expression from the job's `mask`; what this engine cannot read is taken literally.
    pub(crate) fn add_pattern(&self, pattern: &str) {
        if pattern.trim().is_empty() {
            return;
        }
        // .NET's `Regex.Escape` also escapes blanks and `#`, which this engine reads as well.
        match Regex::new(pattern) {
            Ok(regex) if !regex.is_match("") => {
                self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).patterns.push(regex);
            }
            _ => self.add_value(pattern),
        }
    }

    pub(crate) fn mask(&self, text: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut masked = text.to_owned();
        for literal in &secrets.literals {
            if masked.contains(literal.as_str()) {
                masked = masked.replace(literal.as_str(), MASK);
            }
        }
        for pattern in &secrets.patterns {
            masked = pattern.replace_all(&masked, regex::NoExpand(MASK)).into_owned();
        }
        masked
    }
}

fn uri_escaped(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A secret inside a longer base64 text begins at one of three offsets; its middle part is then always the same.
fn base64_forms(value: &str) -> Vec<String> {
    (0..3usize)
        .filter_map(|offset| {
            let mut bytes = vec![0u8; offset];
            bytes.extend_from_slice(value.as_bytes());
            let encoded = STANDARD.encode(&bytes);
            let start = [0, 2, 3][offset];
            let whole = bytes.len() / 3 * 4;
            encoded.get(start..whole).filter(|part| part.len() >= 6).map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::Masker;

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let masker = Masker::default();
        masker.add_value("s3cr3t value\n");
        masker.add_pattern(r"job-token-\d+");
        for text in ["x s3cr3t value y", "s3cr3t%20value", "a job-token-42 b"] {
            let masked = masker.mask(text);
            assert!(masked.contains("***"), "{masked}");
            assert!(!masked.contains("s3cr3t") && !masked.contains("token-42"), "{masked}");
        }
        for head in ["", "a", "ab", "user:"] {
            let encoded = STANDARD.encode(format!("{head}s3cr3t value"));
            assert!(masker.mask(&encoded).contains("***"), "{encoded}");
        }
        assert_eq!(masker.mask("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_a_literal() {
        let masker = Masker::default();
        masker.add_pattern("a(b");
        assert_eq!(masker.mask("xa(by"), "x***y");
    }

    #[test]
    fn the_longer_secret_is_hidden_first() {
        let masker = Masker::default();
        masker.add_value("abc");
        masker.add_value("abcdef");
        assert_eq!(masker.mask("abcdef"), "***");
    }
}
