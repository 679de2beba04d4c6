//! What is wrong with a template, in Azure's words, with the place in the file.

use std::fmt;
use std::sync::Arc;

/// A byte range of the template's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// The error code that Azure Resource Manager gives for a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not JSON, or has members that a template does not know.
    InvalidRequestContent,
    /// The template breaks a rule of the language.
    InvalidTemplate,
    /// A parameter points to a key vault.
    KeyVaultParameterReferenceNotFound,
    /// A linked template or parameter file could not be had.
    InvalidContentLink,
    /// An output could not be computed after the deployment.
    DeploymentOutputEvaluationFailed,
    /// The template uses a documented feature that this crate does not have.
    FeatureNotSupported,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequestContent => "InvalidRequestContent",
            Self::InvalidTemplate => "InvalidTemplate",
            Self::KeyVaultParameterReferenceNotFound => "KeyVaultParameterReferenceNotFound",
            Self::InvalidContentLink => "InvalidContentLink",
            Self::DeploymentOutputEvaluationFailed => "DeploymentOutputEvaluationFailed",
            Self::FeatureNotSupported => "FeatureNotSupported",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault of a template or of the values given to it.
///
/// `Display` is the message as Azure Resource Manager would send it; [`Diagnostic::detail`] is the same without the
/// envelope text. Secret values never occur in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    /// The sentence inside of `Deployment template validation failed: '…'.`
    pub detail: String,
    /// JSON path inside the template, for example `resources[0].properties.containers`; empty for the whole.
    pub path: String,
    /// Byte range in [`Diagnostic::source_text`], when the fault lies in the template's text.
    pub span: Option<Span>,
    /// What the author of the template can do.
    pub help: Option<String>,
    source: Option<Arc<str>>,
}

/// A place in a text, line and column from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), path: String::new(), span: None, help: None, source: None }
    }

    pub(crate) fn at(mut self, source: &Arc<str>, span: Span) -> Self {
        self.span = Some(span);
        self.source = Some(Arc::clone(source));
        self
    }

    pub(crate) fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the span's start.
    pub fn position(&self) -> Option<Position> {
        Some(position(self.source.as_deref()?, self.span?.start))
    }

    /// The text that the span points into.
    pub fn source_text(&self) -> Option<&str> {
        self.source.as_deref()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Code::InvalidTemplate | Code::FeatureNotSupported => {
                write!(f, "Deployment template validation failed: '{}'.", self.detail)
            }
            Code::InvalidRequestContent => {
                write!(f, "The request content was invalid and could not be deserialized: '{}'.", self.detail)
            }
            Code::DeploymentOutputEvaluationFailed
            | Code::InvalidContentLink
            | Code::KeyVaultParameterReferenceNotFound => f.write_str(&self.detail),
        }
    }
}

impl fmt::Debug for Diagnostic {
    /// Leaves the source text out: it is the whole template.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostic")
            .field("code", &self.code)
            .field("detail", &self.detail)
            .field("path", &self.path)
            .field("span", &self.span)
            .field("position", &self.position())
            .field("help", &self.help)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = self.span?;
        let label = if self.path.is_empty() { None } else { Some(self.path.clone()) };
        let labeled = miette::LabeledSpan::new(label, span.start, span.end.saturating_sub(span.start));
        Some(Box::new(std::iter::once(labeled)))
    }
}

/// Line and column (both from 1, counted in characters) of a byte offset.
pub(crate) fn position(source: &str, offset: usize) -> Position {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &source[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
