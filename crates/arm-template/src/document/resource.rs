//! Resources as written.

use super::reader::Reader;
use super::{Batch, Nested, NestedTemplate, ResourceCopy, ResourceDefinition};
use crate::diagnostic::{Code, Span};
use crate::expr::eval::Place;
use crate::jsonc::{Kind, Member, Node};
use crate::tree::{Entry, Key, Object, Tree, TreeKind};
use serde_json::Value;
use std::sync::Arc;

/// Members of a resource that the language itself reads.
const LANGUAGE: &[&str] = &[
    "apiVersion",
    "comments",
    "condition",
    "copy",
    "dependsOn",
    "existing",
    "metadata",
    "name",
    "resourceGroup",
    "resources",
    "scale",
    "scope",
    "subscriptionId",
    "type",
];
/// Members that the resource provider gets.
const BODY: &[&str] = &[
    "eTag",
    "extendedLocation",
    "identity",
    "kind",
    "location",
    "managedBy",
    "managedByExtended",
    "placement",
    "plan",
    "properties",
    "sku",
    "tags",
    "zones",
];
const DEPLOYMENTS: &str = "Microsoft.Resources/deployments";

impl Reader<'_> {
    pub(super) fn resource(
        &mut self,
        node: &Node,
        symbolic_name: Option<&str>,
        is_child: bool,
    ) -> Option<Arc<ResourceDefinition>> {
        if !node.is_object() {
            self.fault(Code::InvalidRequestContent, "A template resource must be a JSON object.", node.span);
            return None;
        }
        let known: Vec<&str> =
            LANGUAGE.iter().chain(BODY).chain(&["asserts", "import", "extension"]).copied().collect();
        self.known_members(node, "TemplateResource", &known);
        for name in ["asserts", "import", "extension"] {
            if let Some(member) = node.member(name) {
                self.fault(
                    Code::FeatureNotSupported,
                    format!("The resource member '{name}' is not supported here."),
                    member.name_span,
                );
            }
        }
        let whole = Span::new(node.span.start, node.span.start + 1);
        let versioned = self.profile.is_some();
        let mut required = |name: &str| {
            let found = node.get(name);
            if found.is_none() {
                self.fault(
                    Code::InvalidRequestContent,
                    format!(
                        "Required property '{name}' not found in JSON. Path '{}'.",
                        self.origin.path_of(node.span)
                    ),
                    whole,
                );
            }
            found
        };
        let (name, kind) = (required("name"), required("type"));
        if !versioned {
            required("apiVersion")?;
        }
        let (name, kind) = (name?, kind?);
        let is_deployment = kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(DEPLOYMENTS));
        let kind = self.tree(kind, Place::Header, false);
        let name = self.tree(name, Place::Header, false);
        let header =
            |this: &mut Self, name: &str| node.get(name).map(|node| this.tree(node, Place::Header, false));
        let nested = if is_deployment { self.nested(node) } else { None };
        let copy = node.member("copy").and_then(|copy| {
            if is_child {
                self.invalid(
                    "Copy is not supported for nested resources. Please see \
                     https://aka.ms/arm-copy/#looping-on-a-nested-resource for usage details.",
                    copy.name_span,
                );
                return None;
            }
            self.resource_copy(&copy.value, symbolic_name)
        });
        let mut body = Vec::new();
        for member in node.members() {
            let wanted = BODY.iter().find(|name| name.eq_ignore_ascii_case(&member.name));
            if let Some(wanted) = wanted {
                body.retain(|(known, _)| known != wanted);
                body.push(((*wanted).to_owned(), self.body_member(member, is_deployment)));
            }
        }
        let children = node.get("resources").map_or_else(Vec::new, |resources| self.children(resources));
        let existing = match node.member("existing") {
            Some(member) if !self.symbolic => {
                self.invalid("The member 'existing' needs languageVersion '2.0'.", member.name_span);
                false
            }
            Some(member) => matches!(member.value.kind, Kind::Bool(true)),
            None => false,
        };
        Some(Arc::new(ResourceDefinition {
            span: node.span,
            symbolic_name: symbolic_name.map(str::to_owned),
            existing,
            condition: header(self, "condition"),
            kind,
            api_version: header(self, "apiVersion"),
            profile: self.profile,
            name,
            location: header(self, "location"),
            scope: header(self, "scope"),
            subscription_id: header(self, "subscriptionId"),
            resource_group: header(self, "resourceGroup"),
            depends_on: header(self, "dependsOn"),
            copy,
            body,
            children,
            nested,
        }))
    }

    fn children(&mut self, resources: &Node) -> Vec<Arc<ResourceDefinition>> {
        if let Some(elements) = resources.elements() {
            return elements.iter().filter_map(|element| self.resource(element, None, true)).collect();
        }
        self.fault(
            Code::InvalidRequestContent,
            "The member 'resources' of a resource must be an array.",
            resources.span,
        );
        Vec::new()
    }

    /// Loops are allowed inside of `properties`; a nested template is a document of its own.
    fn body_member(&mut self, member: &Member, is_deployment: bool) -> Tree {
        let is_properties = member.name.eq_ignore_ascii_case("properties");
        let place = if member.name.eq_ignore_ascii_case("location") { Place::Header } else { Place::Body };
        if !(is_properties && is_deployment) {
            return self.tree(&member.value, place, is_properties);
        }
        let entries = member
            .value
            .members()
            .iter()
            .filter(|inner| !(inner.name.eq_ignore_ascii_case("template") && inner.value.is_object()))
            .map(|inner| Entry {
                key: Key::Plain(inner.name.clone()),
                value: self.tree(&inner.value, Place::Body, inner.name.eq_ignore_ascii_case("parameters")),
            })
            .collect();
        Tree { kind: TreeKind::Object(Object::new(entries, Vec::new())), span: member.value.span }
    }

    fn resource_copy(&mut self, node: &Node, symbolic_name: Option<&str>) -> Option<ResourceCopy> {
        self.known_members(node, "TemplateResourceCopy", &["name", "count", "mode", "batchSize"]);
        let name = node.get("name").and_then(Node::as_str).or(symbolic_name);
        let (Some(name), Some(count)) = (name, node.get("count")) else {
            self.invalid(
                "The copy of a resource is not valid: it needs the members 'name' and 'count'. Please see \
                 https://aka.ms/arm-copy for usage details.",
                node.span,
            );
            return None;
        };
        let count = self.tree(count, Place::Header, false);
        let mode = node.get("mode");
        let named = mode.map(|mode| mode.as_str().unwrap_or_default().to_ascii_lowercase());
        let batch = match (named.as_deref(), node.get("batchSize")) {
            (None, None) | (Some("parallel"), _) => Batch::All,
            (None | Some("serial"), Some(size)) => Batch::Many(self.tree(size, Place::Header, false)),
            (Some("serial"), None) => Batch::One,
            (Some(_), _) => {
                let span = mode.map_or(node.span, |mode| mode.span);
                self.invalid("The copy 'mode' must be 'serial' or 'parallel'.", span);
                Batch::All
            }
        };
        Some(ResourceCopy { name: Arc::from(name), count, batch })
    }

    fn nested(&mut self, node: &Node) -> Option<Nested> {
        let properties = node.get("properties")?;
        let whole = Span::new(node.span.start, node.span.start + 1);
        let mode = properties.get("mode").and_then(Node::as_str).unwrap_or("Incremental");
        if !mode.eq_ignore_ascii_case("Incremental") {
            self.invalid(
                "The mode of a nested deployment must be 'Incremental'. Please see https://aka.ms/arm-deploy for usage \
                 details.",
                properties.get("mode").map_or(whole, |mode| mode.span),
            );
        }
        let inner =
            match properties.get("expressionEvaluationOptions").and_then(|options| options.get("scope")) {
                None => false,
                Some(scope) => match scope.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "inner" => true,
                    "outer" | "notspecified" => false,
                    _ => {
                        self.invalid(
                            "The expression evaluation scope must be one of 'NotSpecified, Inner, Outer'.",
                            scope.span,
                        );
                        false
                    }
                },
            };
        let link = |this: &mut Self, name: &str| {
            properties.get(name).map(|node| this.tree(node, Place::Body, false))
        };
        let (template_link, parameters_link) = (link(self, "templateLink"), link(self, "parametersLink"));
        let (template, inner) = match (properties.get("template"), template_link) {
            (Some(template), None) if template.as_str().is_some() => {
                (NestedTemplate::Computed(self.tree(template, Place::Body, false)), inner)
            }
            (Some(template), None) => {
                (NestedTemplate::Inline(Arc::new(self.nested_document(template, inner))), inner)
            }
            // A linked template sees nothing of the one around it.
            (None, Some(link)) => (NestedTemplate::Linked(link), true),
            _ => {
                self.invalid(
                    "A nested deployment needs exactly one of the members 'template' and 'templateLink' in its properties.",
                    Span::new(properties.span.start, properties.span.start + 1),
                );
                return None;
            }
        };
        let parameters = properties.get("parameters").map(|node| self.tree(node, Place::Body, true));
        if parameters.is_some() && parameters_link.is_some() {
            self.invalid(
                "A nested deployment can have only one of the members 'parameters' and 'parametersLink'.",
                Span::new(properties.span.start, properties.span.start + 1),
            );
        }
        Some(Nested { template, inner, parameters, parameters_link })
    }

    fn nested_document(&mut self, template: &Node, inner: bool) -> super::Document {
        let user_functions = self.user_functions.clone();
        let (symbolic, profile) = (self.symbolic, self.profile);
        let definitions = Arc::clone(&self.definitions);
        if inner {
            self.user_functions.clear();
        }
        self.symbolic = false;
        let document = self.document(&Arc::new(template.clone()));
        self.user_functions = user_functions;
        (self.symbolic, self.profile) = (symbolic, profile);
        self.definitions = definitions;
        document
    }
}

/// The raw JSON of a nested template, as it was submitted; none for a linked one.
pub(crate) fn raw_template(nested: &Nested) -> Option<Value> {
    match &nested.template {
        NestedTemplate::Inline(document) => Some(document.root.to_value()),
        NestedTemplate::Linked(_) | NestedTemplate::Computed(_) => None,
    }
}
