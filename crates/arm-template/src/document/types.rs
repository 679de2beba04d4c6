//! Reads the types of `definitions`, parameters and outputs.

use super::Type;
use super::pointers::{self, PREFIX};
use super::reader::Reader;
use crate::diagnostic::Code;
use crate::jsonc::{Kind, Member, Node};
use crate::types::{Base, Definitions, Discriminator, Limits, Others, TypeDefinition};
use crate::value::folded;
use std::sync::Arc;

/// Members that only languageVersion 2.0 knows; a parameter or output with one of them has a [`TypeDefinition`].
const AGGREGATE: &[&str] =
    &["$ref", "items", "properties", "additionalProperties", "discriminator", "prefixItems", "sealed"];

/// What may stand in a type, wherever it is.
pub(super) const MEMBERS: &[&str] = &[
    "type",
    "allowedValues",
    "minLength",
    "maxLength",
    "minValue",
    "maxValue",
    "metadata",
    "nullable",
    "$ref",
    "items",
    "properties",
    "additionalProperties",
    "discriminator",
    "prefixItems",
    "sealed",
];

fn is_aggregate(node: &Node) -> bool {
    AGGREGATE.iter().any(|name| node.get(name).is_some())
}

impl Reader<'_> {
    /// Whether a parameter or output needs more than the word of its type.
    pub(super) fn has_definition(&self, node: &Node) -> bool {
        is_aggregate(node) || (self.symbolic && node.is_object() && node.get("type").is_none())
    }

    /// Reads the section `definitions` of a template, and refuses references that lead nowhere or in a ring.
    pub(super) fn definitions(&mut self, node: &Node, template: &Node) -> Definitions {
        if !self.symbolic && !node.members().is_empty() {
            self.language_version(node);
        }
        let mut definitions = Definitions::new();
        for member in node.members() {
            if let Some(definition) = self.type_definition(&member.value, &member.name) {
                definitions.insert(folded(&member.name), definition);
            }
        }
        // What is wrong with them is said where they are written.
        let said = self.faults.len();
        let inside: Definitions = pointers::all(template)
            .into_iter()
            .filter_map(|reference| {
                let target = pointers::find(node, reference)?;
                Some((pointers::key(reference)?, self.type_definition(target, reference)?))
            })
            .collect();
        self.faults.truncate(said);
        let written: Vec<String> = definitions.keys().cloned().collect();
        definitions.extend(inside);
        for definition in written.iter().filter_map(|name| definitions.get(name)) {
            self.check_references(definition, &definitions);
        }
        definitions
    }

    /// The type of a parameter or output that uses what languageVersion 2.0 brings, see [`Reader::has_definition`].
    pub(super) fn aggregate(&mut self, node: &Node, name: &str) -> Option<TypeDefinition> {
        if !self.symbolic {
            self.language_version(node);
            return None;
        }
        let definition = self.type_definition(node, name)?;
        let definitions = Arc::clone(&self.definitions);
        self.check_references(&definition, &definitions);
        Some(definition)
    }

    fn language_version(&mut self, node: &Node) {
        self.invalid(
            "Template language version must be specified in order to use feature 'AggregateTypeValidation'.",
            node.span,
        );
    }

    fn check_references(&mut self, definition: &TypeDefinition, definitions: &Definitions) {
        if let Base::Reference(name) = &definition.base
            && !definitions.contains_key(name)
        {
            self.invalid(
                format!("The type definition '{}' is not found in the template.", pointers::shown(name)),
                definition.span,
            );
        } else if !definition.ends(definitions) {
            self.invalid(
                "The type definition refers to itself, other than through properties or items: it stands for no type.",
                definition.span,
            );
        }
        for part in definition.parts() {
            self.check_references(part, definitions);
        }
    }

    fn type_definition(&mut self, node: &Node, name: &str) -> Option<TypeDefinition> {
        if !node.is_object() {
            self.invalid(format!("The type definition '{name}' must be an object."), node.span);
            return None;
        }
        let base = match (node.get("$ref"), node.get("type")) {
            (Some(reference), None) => Base::Reference(self.reference(reference, name)?),
            (None, Some(kind)) => Base::Type(self.base_type(kind, name)?),
            (None, None) if !is_aggregate(node) => Base::Type(Type::Any),
            _ => {
                self.invalid(
                    format!(
                        "The type definition '{name}' {} needs either a 'type' or a '$ref'.",
                        self.place(node.span)
                    ),
                    node.span,
                );
                return None;
            }
        };
        let definition = TypeDefinition {
            span: node.span,
            base,
            limits: self.limits(node, name),
            nullable: self.flag(node, "nullable"),
            properties: self.named_types(node.get("properties")),
            additional: if self.flag(node, "sealed") {
                Others::None
            } else {
                self.others(node.get("additionalProperties"), name)
            },
            prefix_items: node
                .get("prefixItems")
                .and_then(Node::elements)
                .unwrap_or_default()
                .iter()
                .filter_map(|element| self.type_definition(element, name))
                .collect(),
            items: self.others(node.get("items"), name),
            discriminator: node.get("discriminator").and_then(|node| self.discriminator(node, name)),
        };
        self.belongs_together(&definition, node, name);
        Some(definition)
    }

    fn base_type(&mut self, node: &Node, name: &str) -> Option<Type> {
        let kind = node.as_str().and_then(Type::parse);
        if kind.is_none() {
            self.invalid(
                format!(
                    "The type definition '{name}' {} has an invalid type. The supported types are '{}'.",
                    self.place(node.span),
                    Type::NAMES
                ),
                node.span,
            );
        }
        kind
    }

    /// Members of objects belong to objects, those of arrays to arrays.
    fn belongs_together(&mut self, definition: &TypeDefinition, node: &Node, name: &str) {
        let Base::Type(kind) = definition.base else { return };
        let object = matches!(kind, Type::Object | Type::SecureObject);
        let foreign = match kind {
            _ if object => &["items", "prefixItems"][..],
            Type::Array => &["properties", "additionalProperties", "discriminator", "sealed"][..],
            _ => &AGGREGATE[1..],
        };
        for member in foreign.iter().filter_map(|name| node.member(name)) {
            self.invalid(
                format!(
                    "The type definition '{name}' of type '{}' can't have the member '{}'.",
                    kind.name(),
                    member.name
                ),
                member.name_span,
            );
        }
    }

    fn reference(&mut self, node: &Node, name: &str) -> Option<String> {
        let target = node.as_str().and_then(pointers::key);
        if target.is_none() {
            self.invalid(
                format!("The '$ref' of '{name}' must have the form '{PREFIX}<name>': other documents can't be used."),
                node.span,
            );
        }
        target
    }

    fn named_types(&mut self, node: Option<&Node>) -> Vec<(String, TypeDefinition)> {
        let members = node.map(Node::members).unwrap_or_default();
        let read =
            |member: &Member| Some((member.name.clone(), self.type_definition(&member.value, &member.name)?));
        members.iter().filter_map(read).collect()
    }

    fn others(&mut self, node: Option<&Node>, name: &str) -> Others {
        match node.map(|node| &node.kind) {
            None | Some(Kind::Bool(true)) => Others::Any,
            Some(Kind::Bool(false)) => Others::None,
            Some(_) => match node.and_then(|node| self.type_definition(node, name)) {
                Some(of) => Others::Typed(Box::new(of)),
                None => Others::Any,
            },
        }
    }

    fn discriminator(&mut self, node: &Node, name: &str) -> Option<Discriminator> {
        let property = node.get("propertyName").and_then(Node::as_str);
        let mapping = node.get("mapping").filter(|mapping| !mapping.members().is_empty());
        let (Some(property), Some(mapping)) = (property, mapping) else {
            self.invalid(
                format!("The 'discriminator' of '{name}' needs a 'propertyName' and a 'mapping'."),
                node.span,
            );
            return None;
        };
        Some(Discriminator { property: property.to_owned(), mapping: self.named_types(Some(mapping)) })
    }

    fn flag(&mut self, node: &Node, name: &str) -> bool {
        match node.get(name).map(|node| (&node.kind, node.span)) {
            None => false,
            Some((Kind::Bool(value), _)) => *value,
            Some((_, span)) => {
                self.fault(
                    Code::InvalidRequestContent,
                    format!("The member '{name}' must be true or false."),
                    span,
                );
                false
            }
        }
    }

    pub(super) fn limits(&mut self, node: &Node, name: &str) -> Limits {
        Limits {
            allowed: self.allowed(node, name),
            min_length: self.bound(node, name, "minLength"),
            max_length: self.bound(node, name, "maxLength"),
            min_value: self.bound(node, name, "minValue"),
            max_value: self.bound(node, name, "maxValue"),
        }
    }

    fn allowed(&mut self, node: &Node, name: &str) -> Option<Vec<serde_json::Value>> {
        let values = node.get("allowedValues")?;
        match values.elements() {
            Some(elements) if !elements.is_empty() => Some(elements.iter().map(Node::to_value).collect()),
            _ => {
                self.invalid(
                    format!(
                        "The template parameter '{name}' {} is not valid: 'allowedValues' must be a non-empty array.",
                        self.place(values.span)
                    ),
                    values.span,
                );
                None
            }
        }
    }

    fn bound(&mut self, node: &Node, owner: &str, name: &str) -> Option<i64> {
        let node = node.get(name)?;
        match &node.kind {
            Kind::Number(number) if number.is_i64() => number.as_i64(),
            _ => {
                self.invalid(
                    format!("The template parameter '{owner}' is not valid: '{name}' must be an integer."),
                    node.span,
                );
                None
            }
        }
    }
}
