//! Parameters, variables, functions and outputs.

use super::reader::Reader;
use super::{
    Assert, FunctionParameter, Output, OutputValue, Parameter, Type, UserFunction, Variable, VariableValue,
    types,
};
use crate::expr::eval::Place;
use crate::jsonc::{Kind, Member, Node};
use crate::types::{Limits, TypeDefinition};
use crate::value::{equal, folded};
use std::collections::HashMap;

const MAX_PARAMETERS: usize = 256;
/// As the Bicep linter counts; older documentation says 256.
const MAX_VARIABLES: usize = 512;
const MAX_OUTPUTS: usize = 64;
const MAX_ASSERTS: usize = 32;
const MAX_NAME: usize = 255;

impl Reader<'_> {
    fn limited(&mut self, node: &Node, what: &str, most: usize) {
        let count = node.members().len();
        if count > most {
            self.invalid(
                format!(
                    "The number of template {what} limit exceeded. Limit: '{most}' and actual: '{count}'. Please see \
                     https://aka.ms/arm-template for usage details."
                ),
                node.members()[most].name_span,
            );
        }
        for member in node.members() {
            if member.name.chars().count() > MAX_NAME {
                self.invalid(
                    format!("The name of one of the template {what} is longer than '{MAX_NAME}' characters."),
                    member.name_span,
                );
            }
        }
    }

    pub(super) fn parameters(&mut self, node: &Node) -> Vec<Parameter> {
        self.limited(node, "parameters", MAX_PARAMETERS);
        node.members().iter().filter_map(|member| self.parameter(member)).collect()
    }

    fn parameter(&mut self, member: &Member) -> Option<Parameter> {
        let node = &member.value;
        self.known_members(node, "TemplateInputParameter", &[types::MEMBERS, &["defaultValue"]].concat());
        let (kind, defined) = self.kind(member, "parameter")?;
        let default = node.get("defaultValue").map(|node| self.tree(node, Place::ParameterDefault, false));
        let parameter = Parameter {
            name: member.name.clone(),
            name_span: member.name_span,
            kind,
            default,
            limits: if defined.is_some() { Limits::default() } else { self.limits(node, &member.name) },
            nullable: self.nullable(node, defined.as_ref()),
            secure: self.secure(kind, defined.as_ref()),
            defined,
        };
        self.constant_default(&parameter);
        Some(parameter)
    }

    fn nullable(&self, node: &Node, defined: Option<&TypeDefinition>) -> bool {
        matches!(node.get("nullable").map(|node| &node.kind), Some(Kind::Bool(true)))
            || defined.is_some_and(|defined| defined.is_nullable(&self.definitions))
    }

    fn secure(&self, kind: Type, defined: Option<&TypeDefinition>) -> bool {
        kind.is_secure() || defined.is_some_and(|defined| defined.holds_secret(&self.definitions))
    }

    /// A default that is no expression is checked with the document.
    fn constant_default(&mut self, parameter: &Parameter) {
        if let Some(default) = &parameter.default
            && let crate::tree::TreeKind::Constant(constant) = &default.kind
        {
            let value = &constant.value;
            let fits = parameter.kind.accepts(value) || (parameter.nullable && value.is_null());
            let allowed = parameter.limits.allowed.as_ref().is_none_or(|allowed| {
                allowed.iter().any(|one| equal(one, value)) || parameter.kind == Type::Array
            });
            if !fits || !allowed {
                self.invalid(
                    format!(
                        "Template parameter '{}' {} has an invalid default value. The default value must be of type '{}'{}.",
                        parameter.name,
                        self.place(parameter.name_span),
                        parameter.kind.expected(),
                        if fits { " and one of the allowed values" } else { "" },
                    ),
                    default.span,
                );
            }
        }
    }

    /// The type by its word, and where that does not say all the whole of it.
    fn kind(&mut self, member: &Member, what: &str) -> Option<(Type, Option<TypeDefinition>)> {
        if self.has_definition(&member.value) {
            let defined = self.aggregate(&member.value, &member.name)?;
            // A chain of references without an end has been reported.
            let kind = defined.resolved(&self.definitions)?;
            return Some((kind, Some(defined)));
        }
        let Some(node) = member.value.get("type") else {
            self.invalid(
                format!(
                    "The template {what} '{}' {} has no type. The supported types are '{}'.",
                    member.name,
                    self.place(member.name_span),
                    Type::NAMES
                ),
                member.name_span,
            );
            return None;
        };
        let kind = node.as_str().and_then(Type::parse);
        if kind.is_none() {
            self.invalid(
                format!(
                    "The template {what} '{}' {} has an invalid type. The supported types are '{}'.",
                    member.name,
                    self.place(member.name_span),
                    Type::NAMES
                ),
                node.span,
            );
        }
        Some((kind?, None))
    }

    pub(super) fn variables(&mut self, node: &Node) -> HashMap<String, Variable> {
        self.limited(node, "variables", MAX_VARIABLES);
        let mut variables = HashMap::new();
        for member in node.members() {
            if member.name.eq_ignore_ascii_case("copy") && member.value.elements().is_some() {
                for copy in self.copies(&member.value, Place::Variable) {
                    let variable = Variable { name: copy.name.clone(), value: VariableValue::Copy(copy) };
                    if variables.insert(folded(&variable.name), variable).is_some() {
                        self.invalid(
                            "A variable is defined both by a copy loop and by name.",
                            member.name_span,
                        );
                    }
                }
                continue;
            }
            let value = VariableValue::Tree(self.tree(&member.value, Place::Variable, true));
            variables.insert(folded(&member.name), Variable { name: member.name.clone(), value });
        }
        variables
    }

    pub(super) fn functions(&mut self, node: &Node) -> HashMap<String, UserFunction> {
        let mut functions = HashMap::new();
        for element in node.elements().unwrap_or_default() {
            self.known_members(element, "TemplateFunctionNamespace", &["namespace", "members"]);
            let (Some(namespace), Some(members)) =
                (element.get("namespace").and_then(Node::as_str), element.get("members"))
            else {
                self.invalid("A user function needs the members 'namespace' and 'members'.", element.span);
                continue;
            };
            for member in members.members() {
                let name = format!("{namespace}.{}", member.name);
                self.known_members(&member.value, "TemplateFunction", &["parameters", "output", "metadata"]);
                let Some(output) = member.value.get("output").and_then(|output| output.get("value")) else {
                    self.invalid(
                        format!("The user function '{name}' has no output value."),
                        member.name_span,
                    );
                    continue;
                };
                let output = self.tree(output, Place::UserFunction, false);
                let parameters = member.value.get("parameters").and_then(Node::elements).unwrap_or_default();
                let parameters = parameters
                    .iter()
                    .filter_map(|parameter| {
                        if let Some(parameter) = self.function_parameter(parameter) {
                            return Some(parameter);
                        }
                        self.invalid(
                            format!(
                                "A parameter of the user function '{name}' needs a name and one of the types '{}'.",
                                Type::NAMES
                            ),
                            parameter.span,
                        );
                        None
                    })
                    .collect();
                functions.insert(folded(&name), UserFunction { parameters, output });
            }
        }
        functions
    }

    fn function_parameter(&mut self, node: &Node) -> Option<FunctionParameter> {
        let name = node.get("name").and_then(Node::as_str)?;
        if self.has_definition(node) {
            let defined = self.aggregate(node, name)?;
            let kind = defined.resolved(&self.definitions)?;
            return Some(FunctionParameter { name: name.to_owned(), kind, defined: Some(defined) });
        }
        let kind = node.get("type").and_then(Node::as_str).and_then(Type::parse)?;
        Some(FunctionParameter { name: name.to_owned(), kind, defined: None })
    }

    pub(super) fn asserts(&mut self, node: &Node) -> Vec<Assert> {
        self.limited(node, "asserts", MAX_ASSERTS);
        let assert = |this: &mut Self, member: &Member| Assert {
            name: member.name.clone(),
            name_span: member.name_span,
            condition: this.tree(&member.value, Place::Header, false),
        };
        node.members().iter().map(|member| assert(self, member)).collect()
    }

    pub(super) fn outputs(&mut self, node: &Node) -> Vec<Output> {
        self.limited(node, "outputs", MAX_OUTPUTS);
        node.members().iter().filter_map(|member| self.output(member)).collect()
    }

    fn output(&mut self, member: &Member) -> Option<Output> {
        let node = &member.value;
        self.known_members(
            node,
            "TemplateOutputParameter",
            &[types::MEMBERS, &["value", "condition", "copy"]].concat(),
        );
        let (kind, defined) = self.kind(member, "output")?;
        let condition = node.get("condition").map(|node| self.tree(node, Place::Output, false));
        let value = match (node.get("value"), node.get("copy")) {
            (Some(value), None) => OutputValue::Tree(self.tree(value, Place::Output, true)),
            (None, Some(copy)) if copy.get("count").is_some() && copy.get("input").is_some() => {
                let count = copy.get("count").map(|node| self.tree(node, Place::Header, false))?;
                let input = copy.get("input").map(|node| self.tree(node, Place::Output, true))?;
                OutputValue::Copy { count, input }
            }
            _ => {
                self.invalid(
                    format!(
                        "The template output '{}' {} is not valid: it needs either 'value' or a 'copy' with 'count' and \
                         'input'.",
                        member.name,
                        self.place(member.name_span)
                    ),
                    member.name_span,
                );
                return None;
            }
        };
        Some(Output {
            name: member.name.clone(),
            name_span: member.name_span,
            kind,
            secure: self.secure(kind, defined.as_ref()),
            nullable: self.nullable(node, defined.as_ref()),
            defined,
            condition,
            value,
        })
    }
}

/// Folded `namespace.name` of all functions of the section.
pub(super) fn function_names(node: &Node) -> impl Iterator<Item = String> {
    node.elements().unwrap_or_default().iter().flat_map(|element| {
        let namespace = element.get("namespace").and_then(Node::as_str).unwrap_or_default();
        let members = element.get("members").map_or(&[][..], Node::members);
        members.iter().map(move |member| folded(&format!("{namespace}.{}", member.name)))
    })
}
