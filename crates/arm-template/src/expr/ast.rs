//! The syntax tree, and its canonical text.

use crate::functions::Function;
use std::fmt;

/// An expression and its byte range in the text between the outer brackets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    pub(crate) at: (usize, usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    String(String),
    Integer(i64),
    Call(Call),
    /// A call with what follows it; flat, so that a long chain is no deep tree.
    Access(Call, Vec<Step>),
}

/// One accessor and its byte range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) accessor: Accessor,
    pub(crate) at: (usize, usize),
}

/// `.name` or `[index]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Accessor {
    Property(String),
    Index(Box<Expr>),
}

/// A call of a built-in function, or with a namespace of a user function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: Vec<Expr>,
    /// The built-in function of that name; none for user functions and unknown names.
    pub(crate) function: Option<&'static Function>,
}

impl Call {
    /// The name with its namespace, as in the template.
    pub(crate) fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Expr {
    /// Calls `visit` on this expression and everything in it.
    pub(crate) fn walk<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(self);
        match &self.kind {
            Kind::String(_) | Kind::Integer(_) => {}
            Kind::Call(call) => call.arguments.iter().for_each(|argument| argument.walk(visit)),
            Kind::Access(call, steps) => {
                call.arguments.iter().for_each(|argument| argument.walk(visit));
                for step in steps {
                    if let Accessor::Index(index) = &step.accessor {
                        index.walk(visit);
                    }
                }
            }
        }
    }

    /// The call of a call or of an access.
    pub(crate) fn call(&self) -> Option<&Call> {
        match &self.kind {
            Kind::Call(call) | Kind::Access(call, _) => Some(call),
            Kind::String(_) | Kind::Integer(_) => None,
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Kind::Integer(value) => write!(f, "{value}"),
            Kind::Call(call) => call.fmt(f),
            Kind::Access(call, steps) => {
                call.fmt(f)?;
                steps.iter().try_for_each(|step| match &step.accessor {
                    Accessor::Property(name) => write!(f, ".{name}"),
                    Accessor::Index(index) => write!(f, "[{index}]"),
                })
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.full_name())?;
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            argument.fmt(f)?;
        }
        f.write_str(")")
    }
}
