//! Why an expression has no value, in the service's words.

use super::MAX_DEPTH;
use crate::diagnostic::{Code, Span};
use crate::expr::Call;
use crate::functions::unable;
use crate::jsonc::reader::source_offset;
use crate::value::type_name;
use serde_json::Value;

/// Why there is no value.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It depends on what has not been deployed yet.
    Deferred,
    Failed(Box<Failure>),
}

/// A message, and the place when it is known.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    /// Byte range in the expression; becomes `span` when the expression's place is known.
    at: Option<(usize, usize)>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure {
            code: Code::InvalidTemplate,
            message: message.into(),
            span: None,
            at: None,
        }))
    }

    pub(super) fn coded(code: Code, message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure { code, message: message.into(), span: None, at: None }))
    }

    /// Adds the range in the expression unless a narrower one is known.
    pub(super) fn within(mut self, at: (usize, usize)) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.span.is_none()
            && failure.at.is_none()
        {
            failure.at = Some(at);
        }
        self
    }

    /// Turns the range in the expression into one of the file; `literal` is the whole JSON string.
    pub(crate) fn placed(mut self, source: &str, literal: Span) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.span.is_none()
        {
            // One byte further: the expression starts behind the bracket.
            let place = |decoded: usize| source_offset(source, literal, decoded + 1);
            failure.span = Some(match failure.at.take() {
                Some((start, end)) => Span::new(place(start), place(end)),
                None => literal,
            });
        }
        self
    }

    pub(super) fn wrapped(mut self, wrap: impl FnOnce(&str) -> String) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.message = wrap(&failure.message);
        }
        self
    }
}

pub(super) fn too_deep() -> Fault {
    Fault::new(format!(
        "The template language expression can't be evaluated: it is nested deeper than '{MAX_DEPTH}' levels."
    ))
}

// Faults are made apart from the recursion: their temporaries would be in each of its stack frames.

pub(super) fn misplaced(call: &Call) -> Fault {
    Fault::new(unexpected_here(&call.name))
}

pub(super) fn unsupported(call: &Call, reason: &str) -> Fault {
    Fault::coded(Code::FeatureNotSupported, not_supported(&call.name, reason))
}

pub(super) fn not_a_name(function: &str, found: &Value) -> Fault {
    Fault::new(unable(
        function,
        format_args!("the name must be a string, it is of type '{}'", type_name(found)),
    ))
}

pub(crate) fn unexpected_here(name: &str) -> String {
    format!(
        "The template function '{name}' is not expected at this location. Please see \
         https://aka.ms/arm-template-expressions for usage details."
    )
}

pub(crate) fn unknown_function(name: &str) -> String {
    format!(
        "The template function '{name}' is not valid. Please see https://aka.ms/arm-template-expressions for usage \
         details."
    )
}

pub(crate) fn not_supported(name: &str, reason: &str) -> String {
    format!("The template function '{name}' is not supported here: {reason}.")
}

pub(crate) fn wrong_count(name: &str, found: usize, least: usize, most: usize) -> String {
    let expected = match (least, most) {
        (least, most) if least == most => format!("'{least}'"),
        (least, usize::MAX) => format!("'{least}' or more"),
        (least, most) => format!("'{least}' to '{most}'"),
    };
    unable(
        name,
        format_args!("the actual number of arguments '{found}' doesn't match the expected number {expected}"),
    )
}
