//! The image's labels, and labels as one Dockerfile instruction. Pure.
//!
//! Given to the engine beside the Dockerfile, each label would become a build step of its own, and every step costs the
//! engine a comparison of whole file systems.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::options::BuildOptions;
use crate::version::AgentVersion;

/// What the labels say.
#[derive(Debug)]
pub(crate) struct Described<'a> {
    pub(crate) options: &'a BuildOptions,
    pub(crate) version: AgentVersion,
    /// SHA-256 of the agent package.
    pub(crate) sha256: &'a str,
    pub(crate) base: &'a str,
    /// The base image's digest in its registry.
    pub(crate) base_digest: Option<&'a str>,
    pub(crate) created: Timestamp,
}

/// Names: opencontainers/image-spec, `annotations.md`. What is not known has no label.
pub(crate) fn labels(image: &Described<'_>) -> BTreeMap<String, String> {
    let options = image.options;
    let own = [
        ("org.opencontainers.image.title", Some("Mayfly agent".to_owned())),
        (
            "org.opencontainers.image.description",
            Some("Azure Pipelines agent that lives for one job".to_owned()),
        ),
        ("org.opencontainers.image.version", Some(image.version.to_string())),
        ("org.opencontainers.image.created", Some(image.created.to_string())),
        ("org.opencontainers.image.revision", options.revision.clone()),
        ("org.opencontainers.image.source", options.source.as_ref().map(ToString::to_string)),
        ("org.opencontainers.image.base.name", Some(image.base.to_owned())),
        ("org.opencontainers.image.base.digest", image.base_digest.map(ToOwned::to_owned)),
        ("mayfly.agent-version", Some(image.version.to_string())),
        ("mayfly.package-sha256", Some(image.sha256.to_owned())),
    ];
    let known = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.chain(options.labels.clone()).collect()
}

/// The Dockerfile with the labels at its end.
///
/// # Errors
/// The name of a label that no instruction can hold: one with a control character in its name or value.
pub(crate) fn with_labels(dockerfile: &str, labels: &BTreeMap<String, String>) -> Result<String, String> {
    if labels.is_empty() {
        return Ok(dockerfile.to_owned());
    }
    let escape = escape_of(dockerfile);
    let mut pairs = Vec::new();
    for (name, value) in labels {
        if name.is_empty() || [name, value].iter().any(|text| text.chars().any(char::is_control)) {
            return Err(name.clone());
        }
        pairs.push(format!("{}={}", quoted(name, escape), quoted(value, escape)));
    }
    Ok(format!("{}\nLABEL {}\n", dockerfile.trim_end(), pairs.join(" ")))
}

/// What the parser directive `# escape=` says; a backslash without one. Directives stand above everything else.
fn escape_of(dockerfile: &str) -> char {
    dockerfile
        .lines()
        .map_while(|line| line.strip_prefix('#')?.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("escape"))
        .and_then(|(_, value)| value.trim().chars().next())
        .unwrap_or('\\')
}

fn quoted(text: &str, escape: char) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if character == '"' || character == '$' || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dockerfile: &str, value: &str, expected: &str) {
        let labels = BTreeMap::from([("a".to_owned(), value.to_owned()), ("b".to_owned(), "2".to_owned())]);
        let text = with_labels(dockerfile, &labels).unwrap();
        assert_eq!(text.lines().last().unwrap(), expected);
        assert!(text.starts_with(dockerfile.trim_end()));
    }

    #[test]
    fn all_labels_are_one_instruction_and_say_what_they_said() {
        check("FROM x\n\n", "plain", r#"LABEL "a"="plain" "b"="2""#);
        check("FROM x", r#"say "$HOME" \n"#, r#"LABEL "a"="say \"\$HOME\" \\n" "b"="2""#);
        check("# escape=`\nFROM x", r"C:\a `$b", r#"LABEL "a"="C:\a ```$b" "b"="2""#);
        check("# A comment.\n# escape=`\nFROM x", r"C:\a", r#"LABEL "a"="C:\\a" "b"="2""#);
        assert_eq!(with_labels("FROM x\n", &BTreeMap::new()).unwrap(), "FROM x\n");
    }

    #[test]
    fn no_label_can_start_another_instruction() {
        for (name, value) in [("a\nRUN x", "1"), ("a", "1\nRUN x"), ("", "1")] {
            let labels = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(with_labels("FROM x", &labels), Err(name.to_owned()));
        }
    }
}
