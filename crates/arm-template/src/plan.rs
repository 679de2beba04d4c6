//! A template with its parameters: what is deployed, where, in which order.

mod build;
mod fold;
mod nested;
mod output;

use crate::deployed::Deployed;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::expr::eval::{Evaluator, Place};
use crate::resources::{Instance, ResourceIndex};
use crate::scope::TemplateScope;
use crate::target::{Level, Scope};
use crate::value::folded;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

pub(crate) use build::{Build, Inputs, build};

/// The resources and outputs that a template stands for.
pub struct Plan {
    document: Arc<Document>,
    scope: Arc<TemplateScope>,
    target: Arc<Scope>,
    index: Arc<ResourceIndex>,
    instances: Arc<Vec<Instance>>,
    resources: Vec<PlannedResource>,
    /// Position of each resource in `instances`.
    sources: Vec<usize>,
    /// The bodies that wait for nothing.
    bodies: Vec<Option<Value>>,
    skipped: Vec<SkippedResource>,
    history: Map<String, Value>,
    /// Positions in the resources of the template around this one that this one reads.
    outer_reads: BTreeSet<usize>,
    /// Ids that nested templates name in the same resource group, as far as they are known.
    nested_ids: BTreeSet<String>,
}

impl fmt::Debug for Plan {
    /// Bodies may hold secrets: not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("resources", &self.resources)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// A resource to deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedResource {
    /// Full id, in the template's casing.
    pub id: String,
    /// `Microsoft.ContainerInstance/containerGroups`; for a child all types.
    pub resource_type: String,
    /// For a child `parent/child`.
    pub name: String,
    pub api_version: String,
    pub location: Option<String>,
    /// Positions in [`Plan::resources`], all smaller than this one's.
    pub depends_on: Vec<usize>,
    pub subscription_id: String,
    /// Empty above resource groups.
    pub resource_group: String,
    /// Where the resource itself is, for a nested deployment where it deploys to.
    pub level: Level,
    /// With languageVersion 2.0.
    pub symbolic_name: Option<String>,
    pub copy: Option<CopyPosition>,
    /// JSON path of the definition in the template, for example `resources[0]`.
    pub path: String,
}

/// Which turn of a copy loop made a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPosition {
    pub name: String,
    pub index: usize,
}

/// A resource whose condition is false: it is as if the template did not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedResource {
    pub id: String,
    pub resource_type: String,
    pub name: String,
    pub api_version: String,
}

impl Plan {
    /// What to deploy, each after everything that it depends on, otherwise in the order of the template.
    pub fn resources(&self) -> &[PlannedResource] {
        &self.resources
    }

    /// What is left out by its condition.
    pub fn skipped(&self) -> &[SkippedResource] {
        &self.skipped
    }

    /// The positions of [`Plan::resources`] in waves: a wave needs nothing but what the waves before it made.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        let mut depth = vec![0; self.resources.len()];
        let mut waves: Vec<Vec<usize>> = Vec::new();
        for (position, resource) in self.resources.iter().enumerate() {
            depth[position] = resource.depends_on.iter().map(|need| depth[*need] + 1).max().unwrap_or(0);
            if waves.len() <= depth[position] {
                waves.push(Vec::new());
            }
            waves[depth[position]].push(position);
        }
        waves
    }

    /// The request body for the provider: `location`, `tags`, `sku`, `properties` and the like, without name, type and
    /// api-version, with everything that reads deployed state answered by `deployed`. For a nested deployment its
    /// `properties` hold the parameters as evaluated and the template as written.
    ///
    /// # Errors
    /// When `deployed` has no answer, or an expression fails on it.
    ///
    /// # Panics
    /// When `index` is not a position of [`Plan::resources`].
    pub fn body(&self, index: usize, deployed: &dyn Deployed) -> Result<Value, Diagnostic> {
        match &self.bodies[index] {
            Some(body) if self.shows(deployed) => Ok(body.clone()),
            _ => self.evaluated_body(index, deployed),
        }
    }

    /// All resources with their bodies, see [`Plan::body`], without a copy of what the plan holds.
    ///
    /// # Errors
    /// As [`Plan::body`], for the first resource that has none.
    pub fn into_bodies(
        mut self,
        deployed: &dyn Deployed,
    ) -> Result<Vec<(PlannedResource, Value)>, Diagnostic> {
        let bodies =
            std::mem::take(&mut self.bodies).into_iter().enumerate().map(|(index, body)| match body {
                Some(body) if self.shows(deployed) => Ok(body),
                _ => self.evaluated_body(index, deployed),
            });
        let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
        Ok(self.resources.into_iter().zip(bodies).collect())
    }

    /// Whether what was evaluated before anything is deployed may be given out: placeholders hide secrets.
    fn shows(&self, deployed: &dyn Deployed) -> bool {
        !(deployed.only_placeholders() && self.scope.conceals)
    }

    fn evaluated_body(&self, index: usize, deployed: &dyn Deployed) -> Result<Value, Diagnostic> {
        let instance = &self.instances[self.sources[index]];
        let mut evaluator = self.evaluator(instance);
        evaluator.deployed = Some(deployed);
        build::evaluate_body(&mut evaluator, instance, &instance.definition.body).map_err(|(span, fault)| {
            build::resource_fault(&self.document, &self.scope, instance, span, fault)
        })
    }

    fn evaluator<'p>(&'p self, instance: &'p Instance) -> Evaluator<'p> {
        let mut evaluator = Evaluator::new(&self.scope, Place::Body);
        evaluator.owner = ("resource", &instance.name);
        evaluator.index = Some(&self.index);
        evaluator.loops.clone_from(&instance.loops);
        evaluator
    }

    /// Whether the body of a resource reads deployed state.
    pub fn is_deferred(&self, index: usize) -> bool {
        self.bodies[index].is_none()
    }

    /// The parameters for a deployment's GET: `{"p": {"type": "String", "value": …}}`, for secure ones the type alone.
    pub fn parameters_for_history(&self) -> Map<String, Value> {
        self.history.clone()
    }

    /// A value made from this plan, with `***` in place of its secure parameters, for people to read.
    pub fn without_secrets(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.scope.scrub(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.without_secrets(value)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (name, self.without_secrets(value))).collect()
            }
            plain => plain,
        }
    }

    /// The ids of the top-level resources that the template names in its own resource group, in lower case: what a
    /// Complete deployment keeps. Resources with a false condition are not named. Nested templates for the same group are
    /// included as far as their parameters do not read deployed state; add the ids of [`Plan::nested`] plans that ran.
    pub fn named_resource_ids(&self) -> BTreeSet<String> {
        let mut ids = self.nested_ids.clone();
        for (resource, source) in self.resources.iter().zip(&self.sources) {
            let group = &self.instances[*source].scope;
            let is_top_level = resource.resource_type.split('/').count() == 2;
            let here = group.id().eq_ignore_ascii_case(&self.target.id());
            if is_top_level && here && self.instances[*source].definition.scope.is_none() {
                ids.insert(folded(&resource.id));
            }
        }
        ids
    }

    /// Where the resources of this plan are deployed.
    pub fn scope(&self) -> &Scope {
        &self.target
    }
}
