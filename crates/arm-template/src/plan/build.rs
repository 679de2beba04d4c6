//! Makes a plan: bodies checked, dependencies resolved, order found.

use super::fold::Folds;
use super::{CopyPosition, Plan, PlannedResource, SkippedResource};
use crate::diagnostic::{Code, Diagnostic, Span, position};
use crate::document::{Document, raw_template};
use crate::expr::eval::{Budget, Eval, Evaluator, Fault, Place};
use crate::graph;
use crate::resources::{self, Instance, ResourceIndex, Turn};
use crate::scope::TemplateScope;
use crate::target::Scope;
use crate::tree::Tree;
use crate::value::type_name;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// What a plan is made of.
pub(crate) struct Build<'a> {
    pub(crate) document: Arc<Document>,
    pub(crate) scope: Arc<TemplateScope>,
    pub(crate) target: Arc<Scope>,
    pub(crate) outer: Option<Arc<ResourceIndex>>,
    pub(crate) history: Map<String, Value>,
    pub(crate) inputs: Inputs<'a>,
}

/// What planning uses up.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) new_guid: &'a dyn Fn() -> Uuid,
    pub(crate) budget: &'a Budget,
    /// How many deployments are around this one.
    pub(crate) depth: usize,
}

/// Faults, each said once.
struct Faults {
    all: Vec<Diagnostic>,
    said: HashSet<(Span, String)>,
}

impl Faults {
    /// Adds a fault unless its cause was said before, of another turn of the same loop or another use of a variable.
    fn add(&mut self, cause: &Fault, fault: Diagnostic) {
        let message = match cause {
            Fault::Failed(failure) => failure.message.clone(),
            Fault::Deferred => String::new(),
        };
        if self.said.insert((fault.span.unwrap_or_default(), message)) {
            self.all.push(fault);
        }
    }
}

/// Makes the plan.
///
/// # Errors
/// Everything that is wrong with resources and outputs.
pub(crate) fn build(build: Build<'_>) -> Result<Plan, Vec<Diagnostic>> {
    let Build { document, scope, target, outer, history, inputs } = build;
    let (instances, mut index, all) = resources::expand(&document, &scope, &target, inputs.budget);
    index.outer = outer;
    let mut plan = Plan {
        document,
        scope,
        target,
        index: Arc::new(index),
        instances,
        resources: Vec::new(),
        sources: Vec::new(),
        bodies: Vec::new(),
        skipped: Vec::new(),
        history,
        outer_reads: BTreeSet::new(),
        nested_ids: BTreeSet::new(),
    };
    let mut faults = Faults { all, said: HashSet::new() };
    let (dependencies, bodies) = plan.look_at_resources(&mut faults, inputs);
    plan.look_at_asserts(&mut faults, inputs.budget);
    plan.look_at_outputs(&mut faults, inputs.budget);
    if !faults.all.is_empty() {
        return Err(faults.all);
    }
    plan.arrange(&dependencies, bodies)?;
    Ok(plan)
}

type Dependencies = Vec<BTreeSet<usize>>;

impl Plan {
    /// Evaluates the bodies as far as they go, and finds what each resource waits for.
    fn look_at_resources(
        &mut self,
        faults: &mut Faults,
        inputs: Inputs<'_>,
    ) -> (Dependencies, Vec<Option<Value>>) {
        let mut dependencies = vec![BTreeSet::new(); self.instances.len()];
        let mut bodies = Vec::with_capacity(self.instances.len());
        let mut outer_reads = BTreeSet::new();
        let mut nested_ids = BTreeSet::new();
        let mut folds = Folds::default();
        for (position, instance) in self.instances.iter().enumerate() {
            let mut body = None;
            if !instance.definition.existing {
                match self.depends_on(instance, inputs.budget) {
                    Ok(needs) => dependencies[position].extend(needs),
                    Err((span, fault)) => {
                        faults.add(
                            &fault,
                            resource_fault(&self.document, &self.scope, instance, span, fault.clone()),
                        );
                    }
                }
            }
            if instance.is_deployed() {
                let mut evaluator = self.evaluator(instance);
                evaluator.budget = Some(inputs.budget);
                let mut broken = false;
                let members = folds.body(instance, || self.evaluator(instance));
                match evaluate_body(&mut evaluator, instance, members) {
                    Ok(value) => body = Some(value),
                    Err((_, Fault::Deferred)) => {}
                    Err((span, fault)) => {
                        broken = true;
                        faults.add(
                            &fault,
                            resource_fault(&self.document, &self.scope, instance, span, fault.clone()),
                        );
                    }
                }
                if !broken {
                    folds.evaluated(instance);
                }
                let mut calls = std::mem::take(&mut evaluator.calls);
                // What is wrong with a body is wrong with the parameters and the link of a nested deployment.
                match (!broken).then(|| self.preview(instance, inputs)).flatten() {
                    None => {}
                    Some(Ok(nested)) => {
                        let here = self.target.id();
                        if nested.target.id().eq_ignore_ascii_case(&here) {
                            nested_ids.extend(nested.named_resource_ids());
                        }
                        calls.extend(nested.outer_reads.iter().map(|position| {
                            crate::expr::eval::RuntimeCall { resource: Some(*position), outer: None }
                        }));
                    }
                    Some(Err(nested)) => {
                        for fault in nested {
                            if !faults.all.contains(&fault) {
                                faults.all.push(fault);
                            }
                        }
                    }
                }
                outer_reads.extend(calls.iter().filter_map(|call| call.outer));
                dependencies[position].extend(calls.iter().filter_map(|call| call.resource));
            }
            bodies.push(body);
        }
        self.outer_reads = outer_reads;
        self.nested_ids = nested_ids;
        self.serial_loops(&mut dependencies);
        (dependencies, bodies)
    }

    fn depends_on(&self, instance: &Instance, budget: &Budget) -> Result<Vec<usize>, (Span, Fault)> {
        let Some(tree) = &instance.definition.depends_on else { return Ok(Vec::new()) };
        let mut evaluator = self.evaluator(instance);
        evaluator.place = Place::Header;
        evaluator.budget = Some(budget);
        let invalid = |message: String| (tree.span, Fault::new(message));
        let elements = match evaluator.tree(tree).map_err(|fault| (tree.span, fault))? {
            Value::Array(elements) => elements,
            other => {
                return Err(invalid(format!(
                    "'dependsOn' must be an array, it is of type '{}'.",
                    type_name(&other)
                )));
            }
        };
        let mut needs = Vec::new();
        for element in elements {
            let Value::String(name) = element else {
                return Err(invalid(format!(
                    "The elements of 'dependsOn' must be strings, one is of type '{}'.",
                    type_name(&element)
                )));
            };
            needs.extend(self.index.dependencies(&name).map_err(invalid)?);
        }
        Ok(needs)
    }

    /// In a serial loop each batch waits for the one before it.
    fn serial_loops(&self, dependencies: &mut Dependencies) {
        let mut loops: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        for (position, instance) in self.instances.iter().enumerate() {
            if let Some(Turn { name, index, batch: Some(batch) }) = &instance.copy {
                loops.entry(name).or_default().push((position, index / batch));
            }
        }
        for members in loops.values() {
            for (position, batch) in members {
                let before =
                    members.iter().filter(|(_, other)| other + 1 == *batch).map(|(position, _)| *position);
                dependencies[*position].extend(before);
            }
        }
    }

    /// Orders the deployed resources; what is not deployed is waited for by nobody.
    fn arrange(
        &mut self,
        dependencies: &Dependencies,
        mut bodies: Vec<Option<Value>>,
    ) -> Result<(), Vec<Diagnostic>> {
        let deployed: Vec<usize> =
            (0..self.instances.len()).filter(|position| self.instances[*position].is_deployed()).collect();
        let mut place = vec![None; self.instances.len()];
        for (at, position) in deployed.iter().enumerate() {
            place[*position] = Some(at);
        }
        let compact: Vec<BTreeSet<usize>> = deployed
            .iter()
            .map(|position| dependencies[*position].iter().filter_map(|need| place[*need]).collect())
            .collect();
        let order = graph::sort(&compact).map_err(|cycle| {
            let members: Vec<&Instance> = cycle.iter().map(|at| &self.instances[deployed[*at]]).collect();
            vec![self.circular(&members)]
        })?;
        let mut rank = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            rank[*old] = new;
        }
        // Looked for in the whole document, once for all turns of a loop.
        let mut path: Option<(Span, String)> = None;
        for old in &order {
            let position = deployed[*old];
            let instance = &self.instances[position];
            let span = instance.definition.span;
            if path.as_ref().is_none_or(|(known, _)| *known != span) {
                path = Some((span, self.document.origin.path_of(span)));
            }
            let mut depends_on: Vec<usize> = compact[*old].iter().map(|need| rank[*need]).collect();
            depends_on.sort_unstable();
            self.resources.push(PlannedResource {
                id: instance.id.clone(),
                resource_type: instance.resource_type.clone(),
                name: instance.name.clone(),
                api_version: instance.api_version.clone(),
                location: instance.location.clone(),
                depends_on,
                subscription_id: instance.scope.subscription_id.clone(),
                resource_group: instance.scope.resource_group.name.clone(),
                level: instance.scope.level,
                symbolic_name: instance.definition.symbolic_name.clone(),
                copy: instance
                    .copy
                    .as_ref()
                    .map(|turn| CopyPosition { name: turn.name.to_string(), index: turn.index }),
                path: path.as_ref().map_or_else(String::new, |(_, path)| path.clone()),
            });
            self.sources.push(position);
            self.bodies.push(bodies[position].take());
        }
        self.skipped = self
            .instances
            .iter()
            .filter(|instance| !instance.condition)
            .map(|instance| SkippedResource {
                id: instance.id.clone(),
                resource_type: instance.resource_type.clone(),
                name: instance.name.clone(),
                api_version: instance.api_version.clone(),
            })
            .collect();
        Ok(())
    }

    fn circular(&self, members: &[&Instance]) -> Diagnostic {
        let Some(first) = members.first() else {
            return Diagnostic::new(Code::InvalidTemplate, "Circular dependency detected.");
        };
        let mut way: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        way.push(&first.name);
        self.document
            .invalid(
                format!(
                    "Circular dependency detected on resource: '{}'. Please see https://aka.ms/arm-template/#resources for \
                     usage details.",
                    first.id
                ),
                first.definition.name.span,
            )
            .with_help(format!("each waits for the next: {}", way.join(" -> ")))
    }
}

/// The body of a resource out of its `members`, or the first place where it fails; what waits for a deployment only when nothing fails.
pub(super) fn evaluate_body(
    evaluator: &mut Evaluator<'_>,
    instance: &Instance,
    members: &[(String, Tree)],
) -> Result<Value, (Span, Fault)> {
    let definition = &instance.definition;
    let mut body = Map::with_capacity(members.len() + 1);
    let mut deferred = false;
    for (name, tree) in members {
        match evaluator.tree(tree) {
            Ok(value) => {
                body.insert(name.clone(), value);
            }
            Err(Fault::Deferred) => deferred = true,
            Err(fault) => return Err((tree.span, fault)),
        }
    }
    if deferred {
        return Err((definition.span, Fault::Deferred));
    }
    check_tags(&body, instance, &evaluator.scope.document).map_err(|fault| (definition.span, fault))?;
    if let (Some(nested), Some(Value::Object(properties))) = (&definition.nested, body.get_mut("properties"))
    {
        if let Some(template) = raw_template(nested) {
            properties.insert("template".to_owned(), template);
        }
        return Ok(Value::Object(body));
    }
    let body = Value::Object(body);
    evaluator.spend(&body).map_err(|fault| (definition.span, fault))?;
    Ok(body)
}

/// Tags are strings, at most 50.
fn check_tags(body: &Map<String, Value>, instance: &Instance, document: &Document) -> Eval<()> {
    let Some(Value::Object(tags)) = body.get("tags") else { return Ok(()) };
    match tags.iter().find(|(_, value)| value.is_object() || value.is_array()) {
        Some((name, _)) => {
            let place = position(&document.source, instance.definition.span.start);
            Err(Fault::new(format!(
                "The template resource '{}' at line '{}' and column '{}' has an invalid tag '{name}'.",
                instance.name, place.line, place.column
            )))
        }
        None if tags.len() > 50 => Err(Fault::new(format!(
            "The template resource '{}' has '{}' tags. The limit is '50'.",
            instance.name,
            tags.len()
        ))),
        None => Ok(()),
    }
}

/// A fault in a resource, in the service's words.
pub(super) fn resource_fault(
    document: &Document,
    scope: &TemplateScope,
    instance: &Instance,
    span: Span,
    fault: Fault,
) -> Diagnostic {
    let Fault::Failed(failure) = fault else {
        return document.invalid("The resource depends on state that is not deployed.", span);
    };
    let message = scope.scrub(&failure.message);
    let known = message.starts_with("The resource '") || message.starts_with("The template resource '");
    let detail = if known || failure.code != Code::InvalidTemplate {
        message
    } else {
        let place = position(&document.source, instance.definition.span.start);
        format!(
            "Unable to process template language expressions for resource '{}' at line '{}' and column '{}'. '{message}'",
            instance.id, place.line, place.column
        )
    };
    document.diagnostic(failure.code, detail, failure.span.unwrap_or(span))
}

impl Plan {
    /// What the template says that must be true.
    fn look_at_asserts(&self, faults: &mut Faults, budget: &Budget) {
        for assert in &self.document.asserts {
            let mut evaluator = Evaluator::new(&self.scope, Place::Header);
            evaluator.budget = Some(budget);
            let why = match resources::boolean(&mut evaluator, &assert.condition) {
                Ok(true) | Err(Fault::Deferred) => continue,
                Ok(false) => "it evaluates to 'false'".to_owned(),
                Err(Fault::Failed(failure)) => self.scope.scrub(failure.message.trim_end_matches('.')),
            };
            let detail = format!("The template assertion '{}' does not hold: {why}.", assert.name);
            faults.all.push(self.document.invalid(detail, assert.name_span));
        }
    }

    fn look_at_outputs(&self, faults: &mut Faults, budget: &Budget) {
        for output in &self.document.outputs {
            let mut evaluator = self.output_evaluator(output);
            evaluator.budget = Some(budget);
            match self.output(&mut evaluator, output) {
                Ok(_) | Err(Fault::Deferred) => {}
                Err(fault) => {
                    faults.add(&fault, self.output_fault(output, fault.clone(), Code::InvalidTemplate));
                }
            }
        }
    }
}
