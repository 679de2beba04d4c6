//! The settings, read from the environment in one pure step that reports every problem at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::credential::{self, Source};
use crate::trust;
use crate::variables::{self, Variable, Variables};

mod life;

pub(crate) use life::Life;

/// What the operator asked for.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) url: Url,
    pub(crate) pool: String,
    pub(crate) agent: String,
    pub(crate) work: Option<PathBuf>,
    pub(crate) pass_environment: Vec<String>,
    pub(crate) server_wait: Duration,
    pub(crate) config_timeout: Duration,
    pub(crate) image: Option<String>,
    pub(crate) life: Life,
}

/// Something wrong with one variable. The text never repeats a value, since it may be a misplaced token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) variable: String,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(variable: impl Into<String>, text: impl Into<String>) -> Self {
        Self { variable: variable.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.variable, self.text)
    }
}

/// All that the environment says, good and bad.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Present where `problems` is empty.
    pub(crate) settings: Option<Settings>,
    /// Read on its own, so that a bad token file is reported along with all the rest.
    pub(crate) credential: Option<Source>,
    /// Likewise: the variable and the authorities it names.
    pub(crate) authorities: Option<(Variable, trust::Source)>,
    /// An identity that every job can use may register agents.
    pub(crate) allow_identity: bool,
    /// How long to hold before a fatal exit; its default where the variable itself is wrong.
    pub(crate) fatal_hold: Duration,
    pub(crate) problems: Vec<Problem>,
    /// Names that look like ours and are not: a typing error, most likely.
    pub(crate) unknown: Vec<String>,
}

/// Longest name taken for an agent or a pool.
const NAME_LIMIT: usize = 64;
const DAY: u64 = 86_400;

/// Reads all settings. Pure: touches neither the process's environment nor a file.
pub(crate) fn read(variables: &Variables) -> Reading {
    let mut reader = Reader { variables, problems: Vec::new() };
    let url = reader.required(&variables::URL).and_then(|value| reader.url(value));
    let plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
    let credential = credential::read(&mut reader, plain);
    let authorities = trust::read(&mut reader);
    let allow_identity = reader.flag(&variables::ALLOW_IDENTITY);
    let pool = reader.required(&variables::POOL).and_then(|value| reader.name(value));
    let agent = reader.required(&variables::AGENT_NAME).and_then(|value| reader.name(value));
    let work = reader.optional(&variables::WORK).and_then(|value| reader.folder(value));
    let pass_environment = reader.pass_environment();
    let fatal_hold = reader.seconds(&variables::FATAL_HOLD, 300, 0);
    let server_wait = reader.seconds(&variables::SERVER_WAIT, 300, 1);
    let config_timeout = reader.seconds(&variables::CONFIG_TIMEOUT, 180, 1);
    let image = reader.optional(&variables::IMAGE).map(|given| given.value);
    let life = life::read(&mut reader);
    let problems = reader.problems;
    let settings = match (url, pool, agent) {
        (Some(url), Some(pool), Some(agent)) if problems.is_empty() => Some(Settings {
            url,
            pool,
            agent,
            work,
            pass_environment,
            server_wait,
            config_timeout,
            image,
            life,
        }),
        _ => None,
    };
    let unknown = unknown(variables);
    Reading { settings, credential, authorities, allow_identity, fatal_hold, problems, unknown }
}

/// Rules for a token, wherever it came from: one line of visible ASCII, so that a header and an environment can hold it.
pub(crate) fn check_token(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds a blank, a line break or a character outside of ASCII, which no token has");
    }
    if text.len() > 32 * 1024 {
        return Err("is longer than 32 KiB");
    }
    Ok(())
}

pub(crate) struct Given {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

pub(crate) struct Reader<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(crate) fn problem(&mut self, variable: &str, text: impl Into<String>) {
        self.problems.push(Problem::new(variable, text));
    }

    fn required(&mut self, variable: &Variable) -> Option<Given> {
        let before = self.problems.len();
        let given = self.optional(variable);
        if given.is_none() && self.problems.len() == before {
            let alias = variable.alias.map(|alias| format!(" (nor {alias})")).unwrap_or_default();
            self.problem(variable.name, format!("is not set{alias}; it is the {}", variable.meaning));
        }
        given
    }

    /// The value under either name. Two names with different values are a problem, not a matter of precedence.
    pub(crate) fn optional(&mut self, variable: &Variable) -> Option<Given> {
        let own = self.one(variable.name);
        let alias = variable.alias.and_then(|alias| self.one(alias));
        match (own, alias) {
            (Some(own), Some(alias)) if own.value != alias.value => {
                self.problem(variable.name, format!("disagrees with {}; set one of them", alias.name));
                None
            }
            (own, alias) => own.or(alias),
        }
    }

    /// Whether a variable is set at all, under either name.
    pub(crate) fn has(&self, variable: &Variable) -> bool {
        self.variables.get(variable.name).is_some()
            || variable.alias.is_some_and(|alias| self.variables.get(alias).is_some())
    }

    /// Whether a switch is on. A problem with it is told once, however often it is asked for.
    pub(crate) fn flag(&mut self, variable: &Variable) -> bool {
        let on = self.variables.get(variable.name).map(|value| value.to_str().unwrap_or_default().to_owned());
        match on.as_deref() {
            Some("1") => return true,
            None | Some("0") => return false,
            Some(_) => {}
        }
        if self.problems.iter().all(|problem| problem.variable != variable.name) {
            self.problem(variable.name, "must be 1 or 0");
        }
        false
    }

    pub(crate) fn one(&mut self, name: &'static str) -> Option<Given> {
        let value = self.variables.get(name)?;
        let Some(value) = value.to_str() else {
            self.problem(name, "is not valid UTF-8");
            return None;
        };
        if value.is_empty() {
            self.problem(name, "is set but empty");
            return None;
        }
        Some(Given { name, value: value.to_owned() })
    }

    pub(crate) fn url(&mut self, given: Given) -> Option<Url> {
        let text = match Url::parse(&given.value) {
            Err(error) => format!("is no URL ({error})"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                "must begin with https:// or http://".to_owned()
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                format!("must not hold credentials; the token belongs into {}", variables::TOKEN.name)
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "must end after the organization: no `?` or `#`".to_owned()
            }
            Ok(mut url) => {
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
                return Some(url);
            }
        };
        self.problem(given.name, text);
        None
    }

    /// Names end up in URLs, file names and log lines. What Azure DevOps itself forbids beyond this it says on registration.
    fn name(&mut self, given: Given) -> Option<String> {
        let value = given.value;
        let text = if value.chars().count() > NAME_LIMIT {
            format!("is longer than {NAME_LIMIT} characters")
        } else if value.trim() != value {
            "begins or ends with a blank".to_owned()
        } else if value.chars().any(char::is_control) {
            "holds a control character".to_owned()
        } else if let Some(bad) = value.chars().find(|character| r#"*?\/"<>|:"#.contains(*character)) {
            format!("holds `{bad}`, which a name may not have")
        } else {
            return Some(value);
        };
        self.problem(given.name, text);
        None
    }

    fn folder(&mut self, given: Given) -> Option<PathBuf> {
        let path = PathBuf::from(given.value);
        if is_plain_absolute(&path) && path.parent().is_some() {
            return Some(path);
        }
        self.problem(given.name, "must be an absolute path without `..`, and not the root");
        None
    }

    fn pass_environment(&mut self) -> Vec<String> {
        let variable = &variables::PASS_ENV;
        let Some(given) = self.optional(variable) else { return Vec::new() };
        let mut names = Vec::new();
        for name in given.value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !name.chars().all(|character| character.is_ascii_alphanumeric() || "_.()-".contains(character))
            {
                self.problem(variable.name, "must be names of variables separated by commas");
            } else if variables::is_ours(name) {
                self.problem(variable.name, format!("may not name {name}, which is never for a job"));
            } else {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn seconds(&mut self, variable: &Variable, default: u64, least: u64) -> Duration {
        let default = Duration::from_secs(default);
        let Some(given) = self.optional(variable) else { return default };
        match given.value.parse() {
            Ok(seconds) if (least..=DAY).contains(&seconds) => Duration::from_secs(seconds),
            _ => {
                self.problem(given.name, format!("must be a whole number of seconds from {least} to {DAY}"));
                default
            }
        }
    }
}

pub(crate) fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == std::path::Component::ParentDir)
}

fn unknown(variables: &Variables) -> Vec<String> {
    variables
        .names()
        .filter(|name| name.starts_with("AZDO_") && !variables::is_ours(name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
