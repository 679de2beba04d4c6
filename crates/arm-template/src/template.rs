//! The way in: a text becomes a template, a template becomes a plan.

use crate::diagnostic::Diagnostic;
use crate::document::{self, Document};
use crate::expr::eval::Budget;
use crate::jsonc::{self, Node};
use crate::linked::{Linked, Links};
use crate::plan::{self, Plan};
use crate::roles::CustomRoles;
use crate::scope::{Mode, TemplateScope, public_cloud};
use crate::target::{Level, Scope};
use crate::{parameters, resources};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// A template whose form is right; nothing of it has been evaluated.
#[derive(Debug, Clone)]
pub struct Template {
    document: Arc<Document>,
}

/// What a deployment adds to a template.
pub struct PlanRequest<'a> {
    /// `{"name": {"value": …}}`, as in a deployment's request.
    pub parameters: Map<String, Value>,
    pub scope: Scope,
    pub deployment_name: String,
    pub mode: Mode,
    /// What `utcNow()` gives.
    pub now: jiff::Timestamp,
    /// What `newGuid()` gives.
    pub new_guid: &'a dyn Fn() -> Uuid,
    /// What `environment()` gives; none stands for the public cloud.
    pub environment: Option<Value>,
    /// What `deployer()` gives: `{"objectId", "tenantId"}`; without it the function is refused.
    pub deployer: Option<Value>,
    /// Finds roles that are not built in, for `roleDefinitions()`; without it they are refused.
    pub custom_roles: Option<Arc<dyn CustomRoles>>,
    /// Gives the texts of linked templates; without it they are refused.
    pub linked: Option<Arc<dyn Linked>>,
    /// The address of the template itself, for `relativePath` and `deployment().properties.templateLink`.
    pub template_uri: Option<String>,
}

impl fmt::Debug for PlanRequest<'_> {
    /// Leaves the parameters out: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanRequest")
            .field("scope", &self.scope)
            .field("deployment_name", &self.deployment_name)
            .field("mode", &self.mode)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a template: JSON with comments and strings over several lines, all expressions parsed, all functions known.
    ///
    /// # Errors
    /// Everything that is wrong with the form of the template, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let root = jsonc::parse(text).map_err(|fault| vec![fault])?;
        Self::from_root(text, root)
    }

    /// Reads the template that is a part of a larger text, for example of a deployment's request body; `node` comes from
    /// [`jsonc::parse`] of that text. Places count in the whole text, paths from the template.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_node(text: &str, node: &Node) -> Result<Self, Vec<Diagnostic>> {
        Self::from_root(text, node.clone())
    }

    fn from_root(text: &str, root: Node) -> Result<Self, Vec<Diagnostic>> {
        let root = Arc::new(root);
        let document = document::read(&Arc::from(text), &root, &root)?;
        Ok(Self { document: Arc::new(document) })
    }

    /// The names of the parameters and whether each has a default, in the order of the template.
    pub fn parameter_names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.document
            .parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.default.is_some()))
    }

    /// Where the template's `$schema` says that it is deployed to.
    pub fn level(&self) -> Level {
        self.document
            .root
            .get("$schema")
            .and_then(Node::as_str)
            .and_then(Level::of_schema)
            .unwrap_or_default()
    }

    /// The template as plain JSON, for the deployment's history.
    pub fn to_value(&self) -> Value {
        self.document.root.to_value()
    }

    /// Evaluates everything that is known before anything is deployed.
    ///
    /// # Errors
    /// Everything that is wrong: parameters first, since nothing can be said without them, then resources and outputs.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Plan, Vec<Diagnostic>> {
        self.plan_within(request, &Budget::default())
    }

    pub(crate) fn plan_within(
        &self,
        request: &PlanRequest<'_>,
        budget: &Budget,
    ) -> Result<Plan, Vec<Diagnostic>> {
        let mut scope = TemplateScope::new(
            Arc::clone(&self.document),
            request.scope.clone(),
            request.deployment_name.clone(),
            request.mode,
        );
        scope.now = request.now;
        scope.environment = request.environment.clone().unwrap_or_else(public_cloud);
        scope.deployer.clone_from(&request.deployer);
        scope.custom_roles.clone_from(&request.custom_roles);
        scope.links = Links::new(request.linked.clone());
        scope.template_uri.clone_from(&request.template_uri);
        let history = parameters::resolve(&scope, &request.parameters, request.new_guid, budget)?;
        plan::build(plan::Build {
            document: Arc::clone(&self.document),
            scope: Arc::new(scope),
            target: Arc::new(request.scope.clone()),
            outer: None::<Arc<resources::ResourceIndex>>,
            history,
            inputs: plan::Inputs { new_guid: request.new_guid, budget, depth: 0 },
        })
    }
}
