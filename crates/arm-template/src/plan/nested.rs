//! Nested deployments: a plan inside of a plan.

use super::Plan;
use super::build::{Build, Inputs, build, resource_fault};
use crate::deployed::Deployed;
use crate::diagnostic::{Diagnostic, Span};
use crate::document::Nested;
use crate::expr::eval::{Budget, Evaluator, Fault};
use crate::parameters;
use crate::resources::Instance;
use crate::scope::{Mode, Scope, TemplateScope, locked};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

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
        let scope = group.unwrap_or_else(|| instance.scope.clone());
        Some(match parameters_of(&mut evaluator, nested) {
            Ok(parameters) => self.inside(
                instance,
                nested,
                scope,
                &parameters,
                Inputs { new_guid, budget: &Budget::default() },
            ),
            Err(fault) => Err(vec![resource_fault(
                &self.document,
                &self.scope,
                instance,
                instance.definition.span,
                fault,
            )]),
        })
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
        let parameters = if nested.inner {
            let mut evaluator = self.evaluator(instance);
            evaluator.budget = Some(inputs.budget);
            // A fault in them has been said with the body.
            parameters_of(&mut evaluator, nested).ok()?
        } else {
            Map::new()
        };
        Some(self.inside(instance, nested, instance.scope.clone(), &parameters, inputs))
    }

    fn inside(
        &self,
        instance: &Instance,
        nested: &Nested,
        target: Scope,
        given: &Map<String, Value>,
        inputs: Inputs<'_>,
    ) -> Result<Plan, Vec<Diagnostic>> {
        if !nested.inner {
            // Outer scope: the template around it is what its expressions see.
            return build(Build {
                document: Arc::clone(&nested.document),
                scope: Arc::clone(&self.scope),
                target,
                outer: Some(Arc::clone(&self.index)),
                history: Map::new(),
                inputs,
            });
        }
        let mut scope = TemplateScope::new(
            Arc::clone(&nested.document),
            target.clone(),
            instance.name.clone(),
            Mode::Incremental,
        );
        scope.now = self.scope.now;
        scope.environment = self.scope.environment.clone();
        scope.deployer.clone_from(&self.scope.deployer);
        locked(&scope.secrets).clone_from(&locked(&self.scope.secrets));
        let history = parameters::resolve(&scope, given, inputs.new_guid, inputs.budget)?;
        build(Build {
            document: Arc::clone(&nested.document),
            scope: Arc::new(scope),
            target,
            outer: None,
            history,
            inputs,
        })
    }
}

fn parameters_of(evaluator: &mut Evaluator<'_>, nested: &Nested) -> Result<Map<String, Value>, Fault> {
    match nested.parameters.as_ref().map(|tree| evaluator.tree(tree)).transpose()? {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(parameters)) => Ok(parameters),
        Some(_) => Err(Fault::new("The parameters of a nested deployment must be an object.")),
    }
}
