//! Nested deployments: a plan inside of a plan.

use super::Plan;
use super::build::{Build, Inputs, build, resource_fault};
use crate::deployed::Deployed;
use crate::diagnostic::{Diagnostic, Span};
use crate::document::{self, Document, Nested, NestedTemplate};
use crate::expr::eval::{Budget, Evaluator, Fault};
use crate::linked::address;
use crate::parameters;
use crate::resources::Instance;
use crate::scope::{Mode, TemplateScope, locked};
use crate::target::Scope;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// Most deployments inside of each other. Azure's own bound is not published; a linked template may link itself.
const MAX_DEPTH: usize = 30;

impl Plan {
    /// Whether a resource is a nested deployment, to be run with [`Plan::nested`].
    pub fn is_nested(&self, index: usize) -> bool {
        self.instances[self.sources[index]].definition.nested.is_some()
    }

    /// The plan of a nested deployment, once everything that it depends on is deployed. None for any other resource.
    /// `group` is the resource group that it goes to, when the caller knows more of it than its name.
    ///
    /// # Errors
    /// Everything that is wrong with the nested template and its parameters.
    pub fn nested(
        &self,
        index: usize,
        deployed: &dyn Deployed,
        group: Option<Scope>,
        new_guid: &dyn Fn() -> Uuid,
    ) -> Option<Result<Plan, Vec<Diagnostic>>> {
        let instance = &self.instances[self.sources[index]];
        let nested = instance.definition.nested.as_ref()?;
        let mut evaluator = self.evaluator(instance);
        evaluator.deployed = Some(deployed);
        let scope = group.unwrap_or_else(|| Scope::clone(&instance.scope));
        let inputs = Inputs { new_guid, budget: &Budget::default(), depth: 0 };
        let plan = self
            .contents(&mut evaluator, nested, instance)
            .and_then(|contents| self.inside(instance, nested.inner, scope, contents, inputs));
        Some(plan.map_err(|stop| match stop {
            Stop::Faults(faults) => faults,
            Stop::Deferred => {
                let span = instance.definition.span;
                vec![resource_fault(&self.document, &self.scope, instance, span, Fault::Deferred)]
            }
        }))
    }

    /// The plan of a nested deployment before anything is deployed; none while its parameters wait for something.
    pub(super) fn preview(
        &self,
        instance: &Instance,
        inputs: Inputs<'_>,
    ) -> Option<Result<Plan, Vec<Diagnostic>>> {
        let nested = instance.definition.nested.as_ref()?;
        if let Err(message) = inputs.budget.take_nested() {
            let span = instance.definition.span;
            return Some(Err(vec![self.document.invalid(message, Span::new(span.start, span.start + 1))]));
        }
        if inputs.depth == MAX_DEPTH {
            let span = instance.definition.name.span;
            let detail = format!("Deployments are nested deeper than '{MAX_DEPTH}' levels.");
            return Some(Err(vec![self.document.invalid(detail, span)]));
        }
        let mut evaluator = self.evaluator(instance);
        evaluator.budget = Some(inputs.budget);
        let inputs = Inputs { depth: inputs.depth + 1, ..inputs };
        let plan = self.contents(&mut evaluator, nested, instance).and_then(|contents| {
            self.inside(instance, nested.inner, Scope::clone(&instance.scope), contents, inputs)
        });
        match plan {
            Ok(plan) => Some(Ok(plan)),
            Err(Stop::Faults(faults)) => Some(Err(faults)),
            Err(Stop::Deferred) => None,
        }
    }

    /// The template and the parameters of a nested deployment.
    fn contents(
        &self,
        evaluator: &mut Evaluator<'_>,
        nested: &Nested,
        instance: &Instance,
    ) -> Result<Contents, Stop> {
        let span = instance.definition.span;
        let stop = |fault: Fault| match fault {
            Fault::Deferred => Stop::Deferred,
            fault @ Fault::Failed(_) => {
                Stop::Faults(vec![resource_fault(&self.document, &self.scope, instance, span, fault)])
            }
        };
        // What is wrong with the link is shown where the link is.
        let here = |mut faults: Vec<Diagnostic>, link: Span| {
            for fault in &mut faults {
                if fault.span.is_none() {
                    *fault = fault.clone().at(&self.document.source, link);
                    fault.path = self.document.origin.path_of(link);
                }
            }
            Stop::Faults(faults)
        };
        let (document, uri) = match &nested.template {
            NestedTemplate::Inline(document) => (Arc::clone(document), None),
            NestedTemplate::Computed(tree) => {
                let text = Arc::from(evaluator.tree(tree).map_err(stop)?.to_string());
                (document::read_whole(&text).map_err(Stop::Faults)?, None)
            }
            NestedTemplate::Linked(link) => {
                let uri = address(evaluator, link).map_err(stop)?;
                let document = self.scope.links.template(&uri).map_err(|faults| here(faults, link.span))?;
                (document, Some(uri))
            }
        };
        let parameters = match &nested.parameters_link {
            _ if !nested.inner => Map::new(),
            None => parameters_of(evaluator, nested).map_err(stop)?,
            Some(link) => {
                let uri = address(evaluator, link).map_err(stop)?;
                self.scope.links.parameters(&uri).map_err(|fault| here(vec![fault], link.span))?
            }
        };
        Ok(Contents { document, uri, parameters })
    }

    fn inside(
        &self,
        instance: &Instance,
        inner: bool,
        target: Scope,
        contents: Contents,
        inputs: Inputs<'_>,
    ) -> Result<Plan, Stop> {
        let Contents { document, uri, parameters: given } = contents;
        if !inner {
            // Outer scope: the template around it is what its expressions see.
            return build(Build {
                document,
                scope: Arc::clone(&self.scope),
                target: Arc::new(target),
                outer: Some(Arc::clone(&self.index)),
                history: Map::new(),
                inputs,
            })
            .map_err(Stop::Faults);
        }
        let mut scope = TemplateScope::new(
            Arc::clone(&document),
            target.clone(),
            instance.name.clone(),
            Mode::Incremental,
        );
        scope.now = self.scope.now;
        scope.environment = self.scope.environment.clone();
        scope.deployer.clone_from(&self.scope.deployer);
        scope.custom_roles.clone_from(&self.scope.custom_roles);
        scope.links = self.scope.links.clone();
        scope.template_uri = uri;
        locked(&scope.secrets).clone_from(&locked(&self.scope.secrets));
        let history =
            parameters::resolve(&scope, &given, inputs.new_guid, inputs.budget).map_err(Stop::Faults)?;
        build(Build {
            document,
            scope: Arc::new(scope),
            target: Arc::new(target),
            outer: None,
            history,
            inputs,
        })
        .map_err(Stop::Faults)
    }
}

/// What a nested deployment deploys.
struct Contents {
    document: Arc<Document>,
    /// Of a linked template.
    uri: Option<String>,
    parameters: Map<String, Value>,
}

/// Why there is no plan.
enum Stop {
    Faults(Vec<Diagnostic>),
    /// Something of it is known only when other resources are deployed.
    Deferred,
}

fn parameters_of(evaluator: &mut Evaluator<'_>, nested: &Nested) -> Result<Map<String, Value>, Fault> {
    match nested.parameters.as_ref().map(|tree| evaluator.tree(tree)).transpose()? {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(parameters)) => Ok(parameters),
        Some(_) => Err(Fault::new("The parameters of a nested deployment must be an object.")),
    }
}
