//! A piece of the template with its expressions parsed.

use crate::diagnostic::Span;
use crate::expr::Expr;
use serde_json::Value;

/// A JSON value of the template and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) kind: TreeKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum TreeKind {
    /// No expression in it.
    Constant(Value),
    Expression(Expr),
    Array(Vec<Tree>),
    Object(Object),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    pub(crate) entries: Vec<Entry>,
    /// The object's member `copy`, when it is a list of loops.
    pub(crate) copies: Vec<Copy>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Tree,
}

#[derive(Debug, Clone)]
pub(crate) enum Key {
    Plain(String),
    Expression(Expr, Span),
}

/// A loop that makes an array: of a property or a variable.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) name: String,
    pub(crate) count: Tree,
    pub(crate) input: Tree,
}
