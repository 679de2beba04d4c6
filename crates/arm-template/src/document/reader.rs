//! Reads a document and gathers what is wrong with it.

use super::{Document, ResourceDefinition};
use crate::diagnostic::{Code, Diagnostic, Span, position};
use crate::jsonc::{Kind, Node};
use crate::profile::ApiProfile;
use crate::target::Level;
use crate::types::Definitions;
use crate::value::folded;
use std::collections::HashSet;
use std::sync::Arc;

/// Top-level members of a template.
const MEMBERS: &[&str] = &[
    "$schema",
    "contentVersion",
    "languageVersion",
    "apiProfile",
    "definitions",
    "parameters",
    "variables",
    "functions",
    "resources",
    "outputs",
    "metadata",
    "imports",
    "extensions",
    "asserts",
];
/// Those of them that are known and refused.
const REFUSED: &[&str] = &["imports", "extensions"];
/// Largest template, in bytes.
const MAX_SIZE: usize = 4 * 1024 * 1024;

pub(super) struct Reader<'d> {
    pub(super) source: Arc<str>,
    pub(super) origin: &'d Arc<Node>,
    /// Folded `namespace.name` of the user functions that may be called.
    pub(super) user_functions: HashSet<String>,
    /// Whether the template has languageVersion 2.0.
    pub(super) symbolic: bool,
    /// The API profile that the template names.
    pub(super) profile: Option<ApiProfile>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) faults: Vec<Diagnostic>,
}

/// Reads the template at `root`, a part of `origin`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub(crate) fn read(
    source: &Arc<str>,
    origin: &Arc<Node>,
    root: &Arc<Node>,
) -> Result<Document, Vec<Diagnostic>> {
    let mut reader = Reader {
        source: Arc::clone(source),
        origin,
        user_functions: HashSet::new(),
        symbolic: false,
        profile: None,
        definitions: Arc::default(),
        faults: Vec::new(),
    };
    let size = root.span.end - root.span.start;
    if size > MAX_SIZE {
        reader.invalid(
            format!("The template size limit of '{MAX_SIZE}' bytes exceeded. The template size is '{size}'."),
            Span::new(root.span.start, root.span.start + 1),
        );
        return Err(reader.faults);
    }
    let document = reader.document(root);
    if reader.faults.is_empty() {
        return Ok(document);
    }
    reader.faults.sort_by_key(|fault| fault.span);
    Err(reader.faults)
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, code: Code, detail: impl Into<String>, span: Span) {
        let path = self.origin.path_of(span);
        self.faults.push(Diagnostic::new(code, detail).at(&self.source, span).with_path(path));
    }

    pub(super) fn invalid(&mut self, detail: impl Into<String>, span: Span) {
        self.fault(Code::InvalidTemplate, detail, span);
    }

    /// ` at line '1' and column '2'`, as the service's messages have it.
    pub(super) fn place(&self, span: Span) -> String {
        let position = position(&self.source, span.start);
        format!("at line '{}' and column '{}'", position.line, position.column)
    }

    pub(super) fn document(&mut self, root: &Arc<Node>) -> Document {
        let mut document = Document {
            source: Arc::clone(&self.source),
            origin: Arc::clone(self.origin),
            root: Arc::clone(root),
            definitions: Arc::default(),
            parameters: Vec::new(),
            variables: std::collections::HashMap::new(),
            functions: std::collections::HashMap::new(),
            resources: Vec::new(),
            outputs: Vec::new(),
            asserts: Vec::new(),
        };
        if !root.is_object() {
            self.fault(
                Code::InvalidRequestContent,
                "The template must be a JSON object.",
                Span::new(root.span.start, root.span.start + 1),
            );
            return document;
        }
        self.known_members(root, "Template", MEMBERS);
        self.header(root);
        self.definitions = match self.section(root, "definitions", Kind::is_object) {
            Some(definitions) => Arc::new(self.definitions(definitions, root)),
            None => Arc::default(),
        };
        document.definitions = Arc::clone(&self.definitions);
        // A nested template of inner scope has its own functions; an outer one uses those around it.
        if let Some(functions) = self.section(root, "functions", Kind::is_array) {
            if self.symbolic {
                // With languageVersion 2.0 they may call each other.
                self.user_functions.extend(super::sections::function_names(functions));
            }
            document.functions = self.functions(functions);
        }
        self.user_functions.extend(document.functions.keys().cloned());
        if let Some(parameters) = self.section(root, "parameters", Kind::is_object) {
            document.parameters = self.parameters(parameters);
        }
        if let Some(variables) = self.section(root, "variables", Kind::is_object) {
            document.variables = self.variables(variables);
        }
        document.resources = self.resources_section(root);
        if let Some(outputs) = self.section(root, "outputs", Kind::is_object) {
            document.outputs = self.outputs(outputs);
        }
        if let Some(asserts) = self.section(root, "asserts", Kind::is_object) {
            document.asserts = self.asserts(asserts);
        }
        document
    }

    fn header(&mut self, root: &Node) {
        let whole = Span::new(root.span.start, root.span.start + 1);
        match root.get("$schema") {
            None => self.fault(
                Code::InvalidRequestContent,
                "Required property '$schema' not found in JSON. Path 'properties.template'.",
                whole,
            ),
            Some(node) => {
                if Level::of_schema(node.as_str().unwrap_or_default()).is_none() {
                    self.invalid(
                        format!(
                            "The template schema '{}' is not supported. Supported versions are \
                             '2014-04-01-preview,2015-01-01,2018-05-01,2019-04-01,2019-08-01'. Please see \
                             https://aka.ms/arm-template for usage details.",
                            node.as_str().unwrap_or_default()
                        ),
                        node.span,
                    );
                }
            }
        }
        match root.get("contentVersion") {
            None => self.fault(
                Code::InvalidRequestContent,
                "Required property 'contentVersion' not found in JSON. Path 'properties.template'.",
                whole,
            ),
            Some(node) => {
                // Any text will do, although the schema asks for four numbers.
                if node.as_str().is_none_or(str::is_empty) {
                    self.invalid(
                        format!(
                            "The template content version '{}' is not valid: it must be a text such as '1.0.0.0'.",
                            node.as_str().unwrap_or_default()
                        ),
                        node.span,
                    );
                }
            }
        }
        // Another name is no fault as long as nothing is looked up in it.
        self.profile = root.get("apiProfile").and_then(Node::as_str).and_then(ApiProfile::find);
        if let Some(node) = root.get("languageVersion") {
            match node.as_str() {
                // Bicep's experimental versions before and after 2.0 have symbolic names too.
                Some(
                    "2.0" | "2.1-experimental" | "2.2-experimental" | "1.9-experimental"
                    | "1.10-experimental",
                ) => {
                    self.symbolic = true;
                }
                Some("1.0") => {}
                _ => self.invalid(
                    "The template language version is not supported. The supported versions are '1.0, 2.0'.",
                    node.span,
                ),
            }
        }
        for name in REFUSED {
            if let Some(member) = root.member(name) {
                let empty = member.value.members().is_empty()
                    && member.value.elements().is_none_or(<[Node]>::is_empty);
                if !empty {
                    self.fault(
                        Code::FeatureNotSupported,
                        format!("The template member '{name}' is not supported here."),
                        member.name_span,
                    );
                }
            }
        }
    }

    /// A section of the right kind; `null` counts as absent.
    fn section<'n>(&mut self, root: &'n Node, name: &str, right: fn(&Kind) -> bool) -> Option<&'n Node> {
        let member = root.member(name)?;
        match &member.value.kind {
            Kind::Null => None,
            kind if right(kind) => {
                self.no_duplicates(&member.value, name);
                Some(&member.value)
            }
            _ => {
                self.fault(
                    Code::InvalidRequestContent,
                    format!("The member '{name}' of the template has the wrong JSON type."),
                    member.value.span,
                );
                None
            }
        }
    }

    fn no_duplicates(&mut self, node: &Node, section: &str) {
        let mut seen = HashSet::new();
        for member in node.members() {
            if !seen.insert(folded(&member.name)) {
                self.invalid(
                    format!(
                        "The name '{}' is defined multiple times in the section '{section}'.",
                        member.name
                    ),
                    member.name_span,
                );
            }
        }
    }

    fn resources_section(&mut self, root: &Node) -> Vec<Arc<ResourceDefinition>> {
        let Some(member) = root.member("resources") else {
            self.fault(
                Code::InvalidRequestContent,
                "Required property 'resources' not found in JSON. Path 'properties.template'.",
                Span::new(root.span.start, root.span.start + 1),
            );
            return Vec::new();
        };
        match &member.value.kind {
            Kind::Array(elements) if !self.symbolic => {
                elements.iter().filter_map(|element| self.resource(element, None, false)).collect()
            }
            Kind::Object(members) if self.symbolic => {
                self.no_duplicates(&member.value, "resources");
                members
                    .iter()
                    .filter_map(|member| self.resource(&member.value, Some(&member.name), false))
                    .collect()
            }
            _ => {
                let expected = if self.symbolic { "an object of symbolic names" } else { "an array" };
                self.fault(
                    Code::InvalidRequestContent,
                    format!("The member 'resources' of the template must be {expected}."),
                    Span::new(member.value.span.start, member.value.span.start + 1),
                );
                Vec::new()
            }
        }
    }

    /// Refuses members that are not in `known`.
    pub(super) fn known_members(&mut self, node: &Node, what: &str, known: &[&str]) {
        for member in node.members() {
            if !known.iter().any(|name| name.eq_ignore_ascii_case(&member.name)) {
                let path = self.origin.path_of(member.name_span);
                let position = position(&self.source, member.name_span.start);
                self.fault(
                    Code::InvalidRequestContent,
                    format!(
                        "Could not find member '{}' on object of type '{what}'. Path '{path}', line {}, position {}.",
                        member.name, position.line, position.column
                    ),
                    member.name_span,
                );
            }
        }
    }
}

impl Kind {
    fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}
