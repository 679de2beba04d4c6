//! The template as a document: sections and members known, expressions parsed, nothing evaluated.

mod compile;
mod pointers;
mod reader;
mod resource;
mod sections;
mod types;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::jsonc::{self, Node};
use crate::profile::ApiProfile;
use crate::tree::{Copy, Tree};
use crate::types::{Definitions, Limits, TypeDefinition};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use reader::read;
pub(crate) use resource::raw_template;

/// One template, the whole one or a nested one.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) source: Arc<str>,
    /// The outermost document: paths and spans count from there.
    pub(crate) origin: Arc<Node>,
    pub(crate) root: Arc<Node>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) parameters: Vec<Parameter>,
    /// By folded name.
    pub(crate) variables: HashMap<String, Variable>,
    /// By folded `namespace.name`.
    pub(crate) functions: HashMap<String, UserFunction>,
    pub(crate) resources: Vec<Arc<ResourceDefinition>>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) asserts: Vec<Assert>,
}

/// Reads a text that is a template and nothing else.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read_whole(text: &Arc<str>) -> Result<Arc<Document>, Vec<Diagnostic>> {
    let root = Arc::new(jsonc::parse(text).map_err(|fault| vec![fault])?);
    read(text, &root, &root).map(Arc::new)
}

impl Document {
    pub(crate) fn diagnostic(&self, code: Code, detail: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::new(code, detail).at(&self.source, span).with_path(self.origin.path_of(span))
    }

    pub(crate) fn invalid(&self, detail: impl Into<String>, span: Span) -> Diagnostic {
        self.diagnostic(Code::InvalidTemplate, detail, span)
    }
}

/// The types of parameters and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    SecureString,
    Int,
    Bool,
    Object,
    SecureObject,
    Array,
    /// No type is given (languageVersion 2.0): any value will do. Source: Azure/bicep, `Emit/TemplateWriter.cs`, leaves the
    /// member `type` out where a type that is derived from a resource's is not one of the others.
    Any,
}

impl Type {
    pub(crate) const NAMES: &'static str = "string, securestring, int, bool, object, secureObject, array";

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "string" => Self::String,
            "securestring" => Self::SecureString,
            "int" => Self::Int,
            "bool" => Self::Bool,
            "object" => Self::Object,
            "secureobject" => Self::SecureObject,
            "array" => Self::Array,
            _ => return None,
        })
    }

    /// As in a deployment's GET.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::SecureString => "SecureString",
            Self::Int => "Int",
            Self::Bool => "Bool",
            Self::Object => "Object",
            Self::SecureObject => "SecureObject",
            Self::Array => "Array",
            Self::Any => "Any",
        }
    }

    /// As in a deployment's GET, beside a value. What the service shows of a value of any type is not published: assumed is
    /// the type of the value.
    pub(crate) fn name_beside(self, value: &Value) -> &'static str {
        let seen = match value {
            _ if self != Self::Any => self,
            Value::Bool(_) => Self::Bool,
            Value::String(_) => Self::String,
            Value::Number(_) => Self::Int,
            Value::Array(_) => Self::Array,
            Value::Null | Value::Object(_) => Self::Object,
        };
        seen.name()
    }

    /// The JSON type's name in the service's messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::String | Self::SecureString => "String",
            Self::Int => "Integer",
            Self::Bool => "Boolean",
            Self::Object | Self::SecureObject => "Object",
            Self::Array => "Array",
            Self::Any => "Any",
        }
    }

    pub(crate) fn is_secure(self) -> bool {
        matches!(self, Self::SecureString | Self::SecureObject)
    }

    /// No value is converted: `"5"` is no `int`.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        self == Self::Any || crate::value::type_name(value) == self.expected()
    }
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) kind: Type,
    pub(crate) default: Option<Tree>,
    /// Of a plain type; a defined one has its own.
    pub(crate) limits: Limits,
    pub(crate) nullable: bool,
    /// Where `kind` does not say all.
    pub(crate) defined: Option<TypeDefinition>,
    /// Whether the value is shown nowhere.
    pub(crate) secure: bool,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: VariableValue,
}

#[derive(Debug)]
pub(crate) enum VariableValue {
    Tree(Tree),
    /// An element of the section's own `copy`.
    Copy(Copy),
}

#[derive(Debug)]
pub(crate) struct UserFunction {
    pub(crate) parameters: Vec<FunctionParameter>,
    pub(crate) output: Tree,
}

#[derive(Debug)]
pub(crate) struct FunctionParameter {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) defined: Option<TypeDefinition>,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) kind: Type,
    pub(crate) defined: Option<TypeDefinition>,
    /// Whether the value is shown nowhere.
    pub(crate) secure: bool,
    pub(crate) nullable: bool,
    pub(crate) condition: Option<Tree>,
    pub(crate) value: OutputValue,
}

/// A condition that must hold for the template to be deployed.
#[derive(Debug)]
pub(crate) struct Assert {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) condition: Tree,
}

#[derive(Debug)]
pub(crate) enum OutputValue {
    Tree(Tree),
    Copy { count: Tree, input: Tree },
}

/// A resource as written, before loops and conditions.
#[derive(Debug)]
pub(crate) struct ResourceDefinition {
    pub(crate) span: Span,
    pub(crate) symbolic_name: Option<String>,
    pub(crate) existing: bool,
    pub(crate) condition: Option<Tree>,
    pub(crate) kind: Tree,
    pub(crate) api_version: Option<Tree>,
    /// Has the version where there is none above.
    pub(crate) profile: Option<ApiProfile>,
    pub(crate) name: Tree,
    pub(crate) location: Option<Tree>,
    pub(crate) scope: Option<Tree>,
    pub(crate) subscription_id: Option<Tree>,
    pub(crate) resource_group: Option<Tree>,
    pub(crate) depends_on: Option<Tree>,
    pub(crate) copy: Option<ResourceCopy>,
    /// What is sent to the resource provider, in the order of the file.
    pub(crate) body: Vec<(String, Tree)>,
    pub(crate) children: Vec<Arc<ResourceDefinition>>,
    pub(crate) nested: Option<Nested>,
}

/// How many turns of a loop run at once.
#[derive(Debug)]
pub(crate) enum Batch {
    All,
    One,
    Many(Tree),
}

#[derive(Debug)]
pub(crate) struct ResourceCopy {
    pub(crate) name: Arc<str>,
    pub(crate) count: Tree,
    pub(crate) batch: Batch,
}

/// What a `Microsoft.Resources/deployments` deploys.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(crate) template: NestedTemplate,
    /// Whether its expressions see itself (`inner`) or the template around it (`outer`).
    pub(crate) inner: bool,
    pub(crate) parameters: Option<Tree>,
    pub(crate) parameters_link: Option<Tree>,
}

#[derive(Debug)]
pub(crate) enum NestedTemplate {
    Inline(Arc<Document>),
    /// The `templateLink`.
    Linked(Tree),
    /// An expression whose value is the template.
    Computed(Tree),
}
