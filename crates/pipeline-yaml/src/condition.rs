//! Conditions. A step's is evaluated by the agent, a job's by the scheduler; here both are one status function
//! (azure-devops-docs: expressions.md, "Job status check functions").

use std::fmt;

use serde::{Deserialize, Serialize};

/// A status function, and for jobs the names of the jobs it asks about; none are all that came before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Condition {
    /// The function.
    pub function: StatusFunction,
    /// Names of jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusFunction {
    /// Everything before succeeded, perhaps with issues.
    #[default]
    Succeeded,
    /// Something before failed.
    Failed,
    /// Whatever happened, even if the run is cancelled.
    Always,
    /// Something before ran, and the run is not cancelled.
    SucceededOrFailed,
    /// The run is cancelled.
    Canceled,
}

impl StatusFunction {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Succeeded, "succeeded"),
        (Self::Failed, "failed"),
        (Self::Always, "always"),
        (Self::SucceededOrFailed, "succeededOrFailed"),
        (Self::Canceled, "canceled"),
    ];

    /// The name as it is documented.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(function, _)| *function == self).map_or("", |(_, name)| name)
    }

    fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(function, _)| *function)
    }

    fn takes_names(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::SucceededOrFailed)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.of.iter().map(|name| format!("'{name}'")).collect();
        write!(f, "{}({})", self.function.name(), names.join(", "))
    }
}

const SUPPORTED: &str = "supported: succeeded(), failed(), succeededOrFailed(), canceled(), always(), without other functions around them";

impl Condition {
    /// Reads a condition; the error is what is wrong with it.
    pub(crate) fn parse(text: &str, names_allowed: bool) -> Result<Self, String> {
        let refuse = || format!("is `{text}`, which is not supported; {SUPPORTED}");
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (word, rest) = text.split_once('(').ok_or_else(refuse)?;
        let function = StatusFunction::named(word.trim()).ok_or_else(refuse)?;
        let inside = rest.strip_suffix(')').ok_or_else(refuse)?.trim();
        if inside.is_empty() {
            return Ok(Self { function, of: Vec::new() });
        }
        if !names_allowed || !function.takes_names() {
            let name = function.name();
            return Err(format!("is `{text}`; `{name}` takes no arguments here: write `{name}()`"));
        }
        let quoted = |part: &str| {
            let name = part.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (!name.is_empty() && !name.contains('\'')).then(|| name.to_owned())
        };
        let of = inside.split(',').map(quoted).collect::<Option<Vec<_>>>();
        Ok(Self { function, of: of.ok_or_else(refuse)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_functions_are_read_in_any_case_and_printed_as_documented() {
        for (text, printed) in [
            ("", "succeeded()"),
            ("always()", "always()"),
            (" SUCCEEDEDORFAILED ( ) ", "succeededOrFailed()"),
            ("failed('A', 'B')", "failed('A', 'B')"),
            ("canceled()", "canceled()"),
        ] {
            assert_eq!(Condition::parse(text, true).map(|read| read.to_string()), Ok(printed.to_owned()));
        }
    }

    #[test]
    fn what_is_no_status_function_is_refused() {
        for text in [
            "always",
            "and(always(), failed())",
            "eq(variables['a'], 'b')",
            "succeeded(",
            "succeeded)",
            "succeeded(A)",
            "succeeded('A''B')",
            "succeeded('')",
            "not(canceled())",
            "always('A')",
            "()",
        ] {
            Condition::parse(text, true).expect_err(text);
        }
        Condition::parse("failed('A')", false).expect_err("steps know no jobs");
    }
}
