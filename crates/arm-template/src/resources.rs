//! Resource definitions to resources: loops run, names and ids computed. Bodies come later.

use crate::diagnostic::{Diagnostic, Span};
use crate::document::{Document, ResourceDefinition};
use crate::expr::eval::{Budget, Eval, Evaluator, Fault, Loop, Place};
use crate::scope::{Scope, TemplateScope};
use crate::tree::Tree;
use crate::value::{folded, folded_id, type_name};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Most resources of one template, after its loops.
const MAX_RESOURCES: usize = 800;

/// One resource of the expanded template.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) definition: Arc<ResourceDefinition>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) id: String,
    pub(crate) resource_type: String,
    pub(crate) name: String,
    pub(crate) api_version: String,
    pub(crate) location: Option<String>,
    /// Where a nested deployment goes, for others the plan's own scope.
    pub(crate) scope: Scope,
    /// False: the resource is not deployed.
    pub(crate) condition: bool,
    /// The copy loop and the place in it.
    pub(crate) copy: Option<(String, usize)>,
}

impl Instance {
    pub(crate) fn is_deployed(&self) -> bool {
        self.condition && !self.definition.existing
    }

    /// `type/name` in the order of an id: `A.B/parents/p/children/c`.
    fn path(&self) -> String {
        interleaved(&self.resource_type, &self.name)
    }
}

/// Finds resources by the ways in which a template names them.
#[derive(Debug, Default)]
pub(crate) struct ResourceIndex {
    targets: Vec<Target>,
    by_name: HashMap<String, Vec<usize>>,
    by_path: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    by_loop: HashMap<String, Vec<usize>>,
    by_symbol: HashMap<String, usize>,
    deployed: Vec<bool>,
    /// Some resource could not be expanded: what is not found may be that one.
    pub(crate) incomplete: bool,
    /// The resources of the template around this one.
    pub(crate) outer: Option<Arc<ResourceIndex>>,
}

/// What a `reference` or `list*` reads.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) id: String,
    /// Of the template's resource.
    pub(crate) api_version: Option<String>,
    pub(crate) resource: Option<usize>,
    /// Position in the template around this one.
    pub(crate) outer: Option<usize>,
}

impl ResourceIndex {
    fn new(instances: &[Instance]) -> Self {
        let mut index = Self::default();
        for (position, instance) in instances.iter().enumerate() {
            index.targets.push(Target {
                id: instance.id.clone(),
                api_version: Some(instance.api_version.clone()),
                resource: Some(position),
                outer: None,
            });
            index.deployed.push(instance.condition);
            index.by_name.entry(folded(&instance.name)).or_default().push(position);
            // Of two resources with one id only one has a true condition: that one counts.
            for (map, key) in
                [(&mut index.by_id, folded_id(&instance.id)), (&mut index.by_path, folded(&instance.path()))]
            {
                if instance.condition || !map.contains_key(&key) {
                    map.insert(key, position);
                }
            }
            if let Some((name, _)) = &instance.copy {
                index.by_loop.entry(folded(name)).or_default().push(position);
            }
            if let Some(symbol) = &instance.definition.symbolic_name
                && instance.copy.is_none()
            {
                index.by_symbol.insert(folded(symbol), position);
            }
        }
        index
    }

    /// All resources that an element of `dependsOn` means.
    pub(crate) fn dependencies(&self, text: &str) -> Result<Vec<usize>, String> {
        let key = folded_id(text);
        if let Some(all) = self.by_loop.get(&key) {
            return Ok(all.clone());
        }
        if let Some(one) =
            self.by_symbol.get(&key).or_else(|| self.by_id.get(&key)).or_else(|| self.by_path.get(&key))
        {
            return Ok(vec![*one]);
        }
        match self.by_name.get(&key).map(Vec::as_slice) {
            Some([one]) => Ok(vec![*one]),
            Some(several) => {
                let deployed: Vec<usize> =
                    several.iter().copied().filter(|position| self.deployed[*position]).collect();
                match deployed.as_slice() {
                    [one] => Ok(vec![*one]),
                    _ => Err(format!(
                        "The resource name '{text}' is ambiguous: the template has '{}' resources of that name. Use \
                         'resourceId' to name one. Please see https://aka.ms/arm-template for usage details.",
                        several.len()
                    )),
                }
            }
            None if self.incomplete => Ok(Vec::new()),
            None => Err(format!(
                "The resource '{text}' is not defined in the template. Please see https://aka.ms/arm-template for usage \
                 details."
            )),
        }
    }

    /// The target of a runtime function's first argument: an id, a name or a symbolic name.
    pub(crate) fn target(&self, name: &str) -> Eval<Target> {
        let key = folded_id(name);
        if name.starts_with('/') {
            return Ok(match self.by_id.get(&key) {
                Some(position) => self.targets[*position].clone(),
                None => match self
                    .outer
                    .as_ref()
                    .and_then(|outer| outer.by_id.get(&key).map(|at| &outer.targets[*at]))
                {
                    Some(target) => Target { resource: None, outer: target.resource, ..target.clone() },
                    None => Target { id: name.to_owned(), api_version: None, resource: None, outer: None },
                },
            });
        }
        if let Some(position) = self.by_symbol.get(&key).or_else(|| self.by_path.get(&key)) {
            return Ok(self.targets[*position].clone());
        }
        match self.by_name.get(&key).map(Vec::as_slice) {
            Some([one]) => return Ok(self.targets[*one].clone()),
            Some(several) => {
                let deployed: Vec<&usize> =
                    several.iter().filter(|position| self.deployed[**position]).collect();
                if let [one] = deployed.as_slice() {
                    return Ok(self.targets[**one].clone());
                }
                return Err(Fault::new(format!(
                    "The template reference '{name}' is not valid: several template resources have this name. Please see \
                     https://aka.ms/arm-function-reference for usage details."
                )));
            }
            None => {}
        }
        if let Some(outer) = &self.outer
            && let Ok(target) = outer.target(name)
        {
            return Ok(Target { resource: None, outer: target.resource, ..target });
        }
        if self.incomplete {
            return Err(Fault::Deferred);
        }
        Err(Fault::new(format!(
            "The template reference '{name}' is not valid: could not find template resource or resource copy with this name. \
             Please see https://aka.ms/arm-function-reference for usage details."
        )))
    }

    /// The deployed resources of a copy loop.
    pub(crate) fn loop_targets(&self, name: &str) -> Eval<Vec<Target>> {
        match self.by_loop.get(&folded(name)) {
            Some(all) => Ok(all
                .iter()
                .filter(|position| self.deployed[**position])
                .map(|position| self.targets[*position].clone())
                .collect()),
            None if self.incomplete => Err(Fault::Deferred),
            None => Err(Fault::new(format!(
                "The template reference '{name}' is not valid: could not find a resource copy with this name. Please see \
                 https://aka.ms/arm-function-reference for usage details."
            ))),
        }
    }
}

/// `A.B/parents/children` and `p/c` to `A.B/parents/p/children/c`.
fn interleaved(resource_type: &str, name: &str) -> String {
    let mut segments = resource_type.split('/');
    let mut path = segments.next().unwrap_or_default().to_owned();
    for (kind, name) in segments.zip(name.split('/')) {
        let _ = write!(path, "/{kind}/{name}");
    }
    path
}

/// Runs the loops of all resources and computes what is known before anything is deployed.
pub(crate) fn expand(
    document: &Document,
    scope: &TemplateScope,
    target: &Scope,
    budget: &Budget,
) -> (Vec<Instance>, ResourceIndex, Vec<Diagnostic>) {
    let mut expansion =
        Expansion { document, scope, target, budget, instances: Vec::new(), faults: Vec::new(), full: false };
    for definition in &document.resources {
        expansion.definition(definition, None);
    }
    expansion.duplicates();
    let mut index = ResourceIndex::new(&expansion.instances);
    index.incomplete = !expansion.faults.is_empty();
    (expansion.instances, index, expansion.faults)
}

struct Expansion<'e> {
    document: &'e Document,
    scope: &'e TemplateScope,
    target: &'e Scope,
    budget: &'e Budget,
    instances: Vec<Instance>,
    faults: Vec<Diagnostic>,
    /// The limit was exceeded and said so.
    full: bool,
}

impl Expansion<'_> {
    fn definition(&mut self, definition: &Arc<ResourceDefinition>, parent: Option<usize>) {
        let Some(copy) = &definition.copy else {
            let loops = parent.map_or_else(Vec::new, |parent| self.instances[parent].loops.clone());
            self.instance(definition, parent, loops, None);
            return;
        };
        let mut evaluator = Evaluator::new(self.scope, Place::Header);
        evaluator.budget = Some(self.budget);
        let count = match evaluator.count(&copy.count) {
            Ok(count) => count,
            Err(fault) => {
                self.fault(definition, &definition.name, fault);
                return;
            }
        };
        for index in 0..count {
            let running = Loop { name: Some(copy.name.clone()), index, unnamed: true };
            let position = Some((copy.name.clone(), index as usize));
            if !self.instance(definition, parent, vec![running], position) {
                // The next turn would say the same again.
                return;
            }
        }
    }

    fn instance(
        &mut self,
        definition: &Arc<ResourceDefinition>,
        parent: Option<usize>,
        loops: Vec<Loop>,
        copy: Option<(String, usize)>,
    ) -> bool {
        if self.instances.len() == MAX_RESOURCES {
            if !self.full {
                self.full = true;
                self.faults.push(self.document.invalid(
                    format!(
                        "The number of template resources limit exceeded. Limit: '{MAX_RESOURCES}' and actual: more than \
                         '{MAX_RESOURCES}'. Please see https://aka.ms/arm-template/#resources for usage details."
                    ),
                    Span::new(definition.span.start, definition.span.start + 1),
                ));
            }
            return false;
        }
        match self.header(definition, parent, loops, copy) {
            Ok(instance) => {
                let position = self.instances.len();
                self.instances.push(instance);
                for child in &definition.children {
                    self.definition(child, Some(position));
                }
                true
            }
            Err((tree, fault)) => {
                self.fault(definition, tree, fault);
                false
            }
        }
    }

    fn header<'d>(
        &self,
        definition: &'d Arc<ResourceDefinition>,
        parent: Option<usize>,
        loops: Vec<Loop>,
        copy: Option<(String, usize)>,
    ) -> Result<Instance, (&'d Tree, Fault)> {
        let mut evaluator = Evaluator::new(self.scope, Place::Header);
        evaluator.budget = Some(self.budget);
        evaluator.loops.clone_from(&loops);
        let condition = match &definition.condition {
            None => true,
            Some(tree) => boolean(&mut evaluator, tree).map_err(|fault| (tree, fault))?,
        };
        let mut text =
            |tree: &'d Tree, what: &str| string(&mut evaluator, tree, what).map_err(|fault| (tree, fault));
        let mut name = text(&definition.name, "name")?;
        let mut resource_type = text(&definition.kind, "type")?;
        let api_version = match &definition.api_version {
            Some(tree) => text(tree, "apiVersion")?,
            None => String::new(),
        };
        let location = definition.location.as_ref().map(|tree| text(tree, "location")).transpose()?;
        let extension_of = definition.scope.as_ref().map(|tree| text(tree, "scope")).transpose()?;
        let mut scope = self.target.clone();
        if let Some(nested) = &definition.nested {
            let subscription =
                nested.subscription_id.as_ref().map(|tree| text(tree, "subscriptionId")).transpose()?;
            let group = nested.resource_group.as_ref().map(|tree| text(tree, "resourceGroup")).transpose()?;
            scope = scope.moved(subscription, group);
        }
        if let Some(parent) = parent.map(|parent| &self.instances[parent]) {
            // A child may also be written with its full type and name.
            if !resource_type.contains('.') {
                resource_type = format!("{}/{resource_type}", parent.resource_type);
                name = format!("{}/{name}", parent.name);
            }
        }
        self.check_segments(definition, &resource_type, &name)
            .map_err(|message| (&definition.name, Fault::new(message)))?;
        let base = match extension_of {
            None => scope.resource_group_id(),
            Some(id) if id.starts_with('/') => id.trim_end_matches('/').to_owned(),
            Some(relative) => format!("{}/providers/{relative}", scope.resource_group_id()),
        };
        let id = format!("{base}/providers/{}", interleaved(&resource_type, &name));
        Ok(Instance {
            definition: Arc::clone(definition),
            loops,
            id,
            resource_type,
            name,
            api_version,
            location,
            scope,
            condition,
            copy,
        })
    }

    fn check_segments(
        &self,
        definition: &ResourceDefinition,
        resource_type: &str,
        name: &str,
    ) -> Result<(), String> {
        let types = resource_type.split('/').count();
        let place = self.place(definition.span);
        if types < 2 || resource_type.split('/').any(str::is_empty) {
            return Err(format!(
                "The template resource '{name}' {place} is not valid. The resource type '{resource_type}' must have a \
                 namespace and at least one type. Please see https://aka.ms/arm-template/#resources for usage details."
            ));
        }
        if name.split('/').any(|segment| segment.trim().is_empty()) {
            return Err(format!(
                "The template resource '{name}' for type '{resource_type}' {place} has an empty name segment. Please see \
                 https://aka.ms/arm-template/#resources for usage details."
            ));
        }
        if name.split('/').count() + 1 != types {
            return Err(format!(
                "The template resource '{name}' for type '{resource_type}' {place} has incorrect segment lengths. A nested \
                 resource type must have identical number of segments as its resource name. A root resource type must have \
                 segment length one greater than its resource name. Please see https://aka.ms/arm-template/#resources for \
                 usage details."
            ));
        }
        Ok(())
    }

    fn place(&self, span: Span) -> String {
        let position = crate::diagnostic::position(&self.document.source, span.start);
        format!("at line '{}' and column '{}'", position.line, position.column)
    }

    fn fault(&mut self, definition: &ResourceDefinition, tree: &Tree, fault: Fault) {
        let Fault::Failed(failure) = fault else {
            // Nothing of a header waits for a deployment: the functions that do are refused there.
            self.faults
                .push(self.document.invalid("A resource header depends on deployed state.", tree.span));
            return;
        };
        let message = self.scope.scrub(&failure.message);
        let detail = if message.starts_with("The template resource '")
            || failure.code != crate::Code::InvalidTemplate
        {
            message
        } else {
            let shown = &self.document.source[definition.name.span.start..definition.name.span.end];
            let hint = if message.contains("Please see ") {
                ""
            } else {
                " Please see https://aka.ms/arm-template-expressions for usage details."
            };
            format!(
                "The template resource '{}' {} is not valid: {}.{hint}",
                shown.trim_matches(['"', '\'']),
                self.place(definition.span),
                message.trim_end_matches('.')
            )
        };
        let span = failure.span.unwrap_or(tree.span);
        self.faults.push(self.document.diagnostic(failure.code, detail, span));
    }

    fn duplicates(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (position, instance) in self.instances.iter().enumerate() {
            if instance.is_deployed() && seen.insert(folded_id(&instance.id), position).is_some() {
                let detail = format!(
                    "The resource '{}' {} is defined multiple times in a template. Please see \
                     https://aka.ms/arm-template/#resources for usage details.",
                    instance.path(),
                    self.place(instance.definition.span)
                );
                let span = instance.definition.name.span;
                // One message for a loop that makes the same name over and over.
                if !self.faults.iter().any(|known| known.span == Some(span)) {
                    self.faults.push(self.document.invalid(detail, span));
                }
            }
        }
    }
}

pub(crate) fn boolean(evaluator: &mut Evaluator<'_>, tree: &Tree) -> Eval<bool> {
    match evaluator.tree(tree)? {
        Value::Bool(value) => Ok(value),
        other => Err(Fault::new(format!(
            "The 'condition' must evaluate to a boolean, it is of type '{}'.",
            type_name(&other)
        ))),
    }
}

fn string(evaluator: &mut Evaluator<'_>, tree: &Tree, what: &str) -> Eval<String> {
    match evaluator.tree(tree)? {
        Value::String(text) => Ok(text),
        other => Err(Fault::new(format!(
            "The '{what}' property must evaluate to a string, it is of type '{}'.",
            type_name(&other)
        ))),
    }
}
