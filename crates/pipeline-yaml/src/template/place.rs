//! Where in a pipeline a value stands: what is known there, and whether it may name a template.

/// A place that matters to expressions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// The file, or a template.
    Root,
    Stages,
    Stage,
    Jobs,
    Job,
    Steps,
    Variables,
    Other,
}

impl Place {
    /// The place of a key's value.
    pub(super) fn of_key(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "stages") => Self::Stages,
            (Self::Root | Self::Stage, "jobs") => Self::Jobs,
            (Self::Root | Self::Job, "steps") => Self::Steps,
            (Self::Root | Self::Stage | Self::Job, "variables") => Self::Variables,
            _ => Self::Other,
        }
    }

    /// The place of a list's items.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Stages => Self::Stage,
            Self::Jobs => Self::Job,
            _ => Self::Other,
        }
    }

    /// The key that a template has whose items can stand here; `None` where there are no templates.
    pub(super) fn key(self) -> Option<&'static str> {
        match self {
            Self::Stages => Some("stages"),
            Self::Jobs => Some("jobs"),
            Self::Steps => Some("steps"),
            Self::Variables => Some("variables"),
            _ => None,
        }
    }

    /// Whether the variables that stand here are known here alone.
    pub(super) fn has_own_variables(self) -> bool {
        matches!(self, Self::Stage | Self::Job)
    }

    /// Whether variables can stand here.
    pub(super) fn has_variables(self) -> bool {
        self == Self::Root || self.has_own_variables()
    }
}
