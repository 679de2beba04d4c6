//! `##vso[area.event key=value;]data` on a step's output (azure-pipelines-agent: Agent.Sdk/Command.cs).

use std::collections::BTreeMap;

/// A command found in a line of output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// `area.event` in lower case.
    pub(crate) name: String,
    properties: BTreeMap<String, String>,
    pub(crate) data: String,
}

impl Command {
    /// Reads the first command of a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("##vso[")?;
        let (head, data) = rest.split_once(']')?;
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        if !name.contains('.') {
            return None;
        }
        let properties = properties
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.trim().to_ascii_lowercase(), unescaped(value)))
            .collect();
        Some(Self { name: name.trim().to_ascii_lowercase(), properties, data: unescaped(data) })
    }

    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

fn unescaped(text: &str) -> String {
    text.replace("%3B", ";")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%5D", "]")
        .replace("%AZP25", "%")
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn commands_are_read() {
        let command = Command::parse("x ##vso[Task.SetVariable variable=a%3Bb;isSecret=true;]v%0A100%AZP25")
            .expect("a command");
        assert_eq!(command.name, "task.setvariable");
        assert_eq!(command.property("variable"), Some("a;b"));
        assert!(command.is_on("issecret") && !command.is_on("isoutput"));
        assert_eq!(command.data, "v\n100%");
        for line in ["plain", "##vso[task.complete", "##vso[nonsense]x"] {
            assert_eq!(Command::parse(line), None, "{line}");
        }
    }
}
