//! The command line, and the same arguments as environment variables
//! (azure-pipelines-agent: Agent.Listener/CommandSettings.cs).

use std::collections::BTreeMap;

use anyhow::bail;
use secrecy::SecretString;

use crate::environment::Environment;

/// Environment variables with this prefix stand for arguments.
pub(crate) const INPUT_PREFIX: &str = "VSTS_AGENT_INPUT_";

const FLAGS: &[&str] =
    &["unattended", "replace", "acceptteeeula", "sslskipcertvalidation", "once", "help", "version", "commit"];
const VALUES: &[&str] = &["url", "auth", "token", "pool", "agent", "work", "sslcacert", "startuptype"];

/// What the listener was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Configure,
    Remove,
    Run,
    Help,
    Version,
    Commit,
}

/// A parsed command line, completed from the environment.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    flags: BTreeMap<String, bool>,
    values: BTreeMap<String, SecretString>,
}

impl Arguments {
    /// Reads the arguments; those given as variables are removed from the environment, and lose against the command line.
    pub(crate) fn parse(
        words: impl IntoIterator<Item = String>,
        environment: &mut Environment,
    ) -> anyhow::Result<Self> {
        let mut flags = BTreeMap::new();
        let mut values = BTreeMap::new();
        for (name, value) in environment.take_prefixed(INPUT_PREFIX) {
            let name = name[INPUT_PREFIX.len()..].to_ascii_lowercase();
            if FLAGS.contains(&name.as_str()) {
                flags.insert(name, value.eq_ignore_ascii_case("true") || value == "1");
            } else if VALUES.contains(&name.as_str()) && !value.is_empty() {
                values.insert(name, SecretString::from(value));
            }
        }
        let mut command = None;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                if command.is_some() {
                    bail!("Unrecognized command-line input arguments: '{word}'. For usage refer to: --help");
                }
                command = Some(parse_command(&word)?);
                continue;
            };
            let (name, inline) = match name.split_once('=') {
                Some((name, value)) => (name.to_ascii_lowercase(), Some(value.to_owned())),
                None => (name.to_ascii_lowercase(), None),
            };
            if FLAGS.contains(&name.as_str()) {
                flags.insert(name, true);
            } else if VALUES.contains(&name.as_str()) {
                let Some(value) = inline.or_else(|| words.next()) else {
                    bail!("The argument '--{name}' needs a value.");
                };
                values.insert(name, SecretString::from(value));
            } else {
                bail!(
                    "Unrecognized command-line input arguments: '{name}'. This agent knows --{} and --{}.",
                    FLAGS.join(", --"),
                    VALUES.join(", --")
                );
            }
        }
        let asks = |flag: &str| flags.get(flag).copied().unwrap_or(false);
        let command = if asks("help") {
            Command::Help
        } else if asks("version") {
            Command::Version
        } else if asks("commit") {
            Command::Commit
        } else {
            command.unwrap_or(Command::Run)
        };
        Ok(Self { command, flags, values })
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.get(name).copied().unwrap_or(false)
    }

    /// A value that is no secret.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        use secrecy::ExposeSecret as _;
        self.values.get(name).map(|value| value.expose_secret().to_owned())
    }

    pub(crate) fn token(&self) -> Option<SecretString> {
        self.values.get("token").cloned()
    }

    /// A value that unattended configuration cannot do without.
    pub(crate) fn required(&self, name: &str) -> anyhow::Result<String> {
        match self.value(name) {
            Some(value) => Ok(value),
            None => bail!("Invalid configuration provided for {name}. Terminating unattended configuration."),
        }
    }
}

fn parse_command(word: &str) -> anyhow::Result<Command> {
    match word.to_ascii_lowercase().as_str() {
        "configure" => Ok(Command::Configure),
        "remove" => Ok(Command::Remove),
        "run" => Ok(Command::Run),
        _ => bail!("Unrecognized command '{word}'. This agent knows configure, remove and run."),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Command};
    use crate::environment::Environment;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let mut environment = Environment::from_pairs(&[
            ("VSTS_AGENT_INPUT_POOL", "fromEnvironment"),
            ("VSTS_AGENT_INPUT_AGENT", "a1"),
            ("VSTS_AGENT_INPUT_REPLACE", "true"),
        ]);
        let arguments = Arguments::parse(words("configure --Unattended --pool fromArgv"), &mut environment)
            .expect("parsed");
        assert_eq!(arguments.command, Command::Configure);
        assert_eq!(arguments.value("pool").as_deref(), Some("fromArgv"));
        assert_eq!(arguments.value("agent").as_deref(), Some("a1"));
        assert!(arguments.flag("replace") && arguments.flag("unattended") && !arguments.flag("once"));
        assert_eq!(environment.iter().count(), 0);
    }

    #[test]
    fn unknown_words_are_refused_by_name() {
        for (line, fault) in [
            ("configure --frobnicate", "frobnicate"),
            ("warmup", "warmup"),
            ("run twice", "twice"),
            ("configure --url", "--url"),
        ] {
            let error = Arguments::parse(words(line), &mut Environment::default()).expect_err(line);
            assert!(error.to_string().contains(fault), "{line}: {error}");
        }
    }

    #[test]
    fn debug_output_holds_no_token() {
        let arguments = Arguments::parse(words("configure --token planted"), &mut Environment::default())
            .expect("parsed");
        assert!(!format!("{arguments:?}").contains("planted"));
    }
}
