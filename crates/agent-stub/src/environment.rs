//! The environment as a value: read once, changed as a map, handed to children whole.
//!
//! The vendor's agent removes its inputs from its process environment and puts `.env` into it; here the
//! same happens to this map, which is what children and the capability scan see.

use std::{collections::BTreeMap, path::Path};

/// Environment variables by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Bytes that are not UTF-8 are replaced, as .NET does.
    pub(crate) fn of_process() -> Self {
        let pairs = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        Self(pairs.collect())
    }

    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// Adds the `NAME=value` lines of a file beside the agent, when there is one
    /// (azure-pipelines-agent: Agent.Listener/Program.cs).
    pub(crate) fn load_file(&mut self, file: &Path) {
        let Ok(text) = fs_err::read_to_string(file) else { return };
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('=')
                && !name.trim().is_empty()
            {
                self.set(name.trim(), value);
            }
        }
    }

    /// The value of a variable; an empty one reads as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = if cfg!(windows) {
            self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        } else {
            self.0.get(name)
        };
        found.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a switch variable says `true` or `1`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        if cfg!(windows) {
            self.0.retain(|key, _| !key.eq_ignore_ascii_case(name));
        }
        self.0.insert(name.to_owned(), value.into());
    }

    /// Takes out every variable whose name begins with a prefix, in any case.
    pub(crate) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let taken: Vec<_> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let head = name.get(..prefix.len())?;
                head.eq_ignore_ascii_case(prefix).then(|| (name.clone(), value.clone()))
            })
            .collect();
        for (name, _) in &taken {
            self.0.remove(name);
        }
        taken
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The folders of `PATH`.
    pub(crate) fn search_path(&self) -> Vec<std::path::PathBuf> {
        self.get("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn inputs_are_taken_out_of_the_environment() {
        let mut environment = Environment::from_pairs(&[("VSTS_AGENT_INPUT_TOKEN", "t"), ("HOME", "/h")]);
        let taken = environment.take_prefixed("VSTS_AGENT_INPUT_");
        assert_eq!(taken, [("VSTS_AGENT_INPUT_TOKEN".to_owned(), "t".to_owned())]);
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("HOME", "/h")]);
    }

    #[test]
    fn the_file_beside_the_agent_is_loaded() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join(".env");
        fs_err::write(&file, "LANG=C.UTF-8\nnonsense\n=x\nA=b=c\n").expect("written");
        let mut environment = Environment::from_pairs(&[("A", "old")]);
        environment.load_file(&file);
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("A", "b=c"), ("LANG", "C.UTF-8")]);
    }
}
