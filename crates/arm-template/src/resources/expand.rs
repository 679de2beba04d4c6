//! Runs loops, computes names and ids, and checks them.

use super::{Instance, ResourceIndex, Turn, boolean, interleave};
use crate::diagnostic::{Code, Diagnostic, Span, position};
use crate::document::{Batch, Document, ResourceCopy, ResourceDefinition};
use crate::expr::eval::{Budget, Eval, Evaluator, Fault, Loop, Place};
use crate::profile::ApiProfile;
use crate::scope::TemplateScope;
use crate::target::{Scope, management_group};
use crate::tree::Tree;
use crate::value::{folded_id, same_name, type_name};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// Most resources of one template, after its loops.
const MAX_RESOURCES: usize = 800;

/// Runs the loops of all resources and computes what is known before anything is deployed.
pub(crate) fn expand(
    document: &Document,
    scope: &TemplateScope,
    target: &Arc<Scope>,
    budget: &Budget,
) -> (Arc<Vec<Instance>>, ResourceIndex, Vec<Diagnostic>) {
    let mut expansion = Expansion {
        document,
        scope,
        target,
        here: target.id(),
        budget,
        instances: Vec::new(),
        faults: Vec::new(),
        full: false,
    };
    for definition in &document.resources {
        expansion.definition(definition, None);
    }
    expansion.duplicates();
    let loops = document.resources.iter().filter_map(|definition| definition.copy.as_ref());
    let instances = Arc::new(expansion.instances);
    let mut index = ResourceIndex::new(&instances, loops.map(|copy| copy.name.to_string()).collect());
    index.incomplete = !expansion.faults.is_empty();
    (instances, index, expansion.faults)
}

struct Expansion<'e> {
    document: &'e Document,
    scope: &'e TemplateScope,
    target: &'e Arc<Scope>,
    /// The id of `target`: most resources have ids that begin with it.
    here: String,
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
        let counts = evaluator.count(&copy.count).and_then(|count| Ok((count, batch(&mut evaluator, copy)?)));
        let (count, batch) = match counts {
            Ok(counts) => counts,
            Err(fault) => {
                self.fault(definition, &definition.name, fault);
                return;
            }
        };
        for index in 0..count {
            let running = Loop { name: Some(Arc::clone(&copy.name)), index, unnamed: true };
            let turn = Turn { name: Arc::clone(&copy.name), index: index as usize, batch };
            if !self.instance(definition, parent, vec![running], Some(turn)) {
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
        copy: Option<Turn>,
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
        copy: Option<Turn>,
    ) -> Result<Instance, (&'d Tree, Fault)> {
        let mut evaluator = Evaluator::new(self.scope, Place::Header);
        evaluator.budget = Some(self.budget);
        evaluator.loops = loops;
        let condition = match &definition.condition {
            None => true,
            Some(tree) => boolean(&mut evaluator, tree).map_err(|fault| (tree, fault))?,
        };
        let mut text = |tree: &'d Tree, what: &str| match string(&mut evaluator, tree, what) {
            // The name of what is not deployed may be made of what is not there.
            Err(Fault::Failed(_)) if !condition => Ok(String::new()),
            result => result.map_err(|fault| (tree, fault)),
        };
        let mut name = text(&definition.name, "name")?;
        let mut resource_type = text(&definition.kind, "type")?;
        let api_version = definition.api_version.as_ref().map(|tree| text(tree, "apiVersion")).transpose()?;
        let location = definition.location.as_ref().map(|tree| text(tree, "location")).transpose()?;
        let extension_of = definition.scope.as_ref().map(|tree| text(tree, "scope")).transpose()?;
        let subscription =
            definition.subscription_id.as_ref().map(|tree| text(tree, "subscriptionId")).transpose()?;
        let group = definition.resource_group.as_ref().map(|tree| text(tree, "resourceGroup")).transpose()?;
        // An empty name stands for the deployment's own group: modules of the Bicep registry rest on it.
        let group = group.filter(|name| !name.is_empty());
        let mut scope = match (subscription, group) {
            (None, None) => Arc::clone(self.target),
            (subscription, group) => Arc::new(self.target.moved(subscription, group)),
        };
        if let Some(parent) = parent.map(|parent| &self.instances[parent]) {
            // A child may also be written with its full type and name.
            if !resource_type.contains('.') {
                resource_type = format!("{}/{resource_type}", parent.resource_type);
                name = format!("{}/{name}", parent.name);
            }
        }
        let api_version = match (api_version, definition.profile) {
            (Some(version), _) => version,
            (None, Some(profile)) => match profile.version(&resource_type) {
                Some(version) => version.to_owned(),
                None => return Err((&definition.kind, Fault::new(no_version(profile, &resource_type)))),
            },
            (None, None) => String::new(),
        };
        match self.check_segments(definition, &resource_type, &name) {
            Err(message) if condition => return Err((&definition.name, Fault::new(message))),
            _ => {}
        }
        let base = match (extension_of, &definition.scope) {
            (Some(named), Some(tree)) if definition.nested.is_some() => {
                let target = self.target.named(&named);
                scope = Arc::new(target.ok_or_else(|| (tree, Fault::new(bad_scope(&named))))?);
                Cow::Owned(scope.id())
            }
            (None, _) if Arc::ptr_eq(&scope, self.target) => Cow::Borrowed(self.here.as_str()),
            (named, _) => Cow::Owned(base_of(named, &scope)),
        };
        let id = id_of(&base, &resource_type, &name);
        Ok(Instance {
            definition: Arc::clone(definition),
            loops: evaluator.loops,
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
        let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
        let types = slashes(resource_type) + 1;
        // Counts the lines of the text up to there: for a message alone, not for each of 800 resources.
        let place = || self.place(definition.span);
        if types < 2 || resource_type.split('/').any(str::is_empty) {
            return Err(format!(
                "The template resource '{name}' {} is not valid. The resource type '{resource_type}' must have a \
                 namespace and at least one type. Please see https://aka.ms/arm-template/#resources for usage details.",
                place()
            ));
        }
        if name.split('/').any(|segment| segment.trim().is_empty()) {
            return Err(format!(
                "The template resource '{name}' for type '{resource_type}' {} has an empty name segment. Please see \
                 https://aka.ms/arm-template/#resources for usage details.",
                place()
            ));
        }
        if slashes(name) + 2 != types {
            return Err(format!(
                "The template resource '{name}' for type '{resource_type}' {} has incorrect segment lengths. A nested \
                 resource type must have identical number of segments as its resource name. A root resource type must have \
                 segment length one greater than its resource name. Please see https://aka.ms/arm-template/#resources for \
                 usage details.",
                place()
            ));
        }
        Ok(())
    }

    fn place(&self, span: Span) -> String {
        let position = position(&self.document.source, span.start);
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
        let detail =
            if message.starts_with("The template resource '") || failure.code != Code::InvalidTemplate {
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
        let mut seen = HashSet::with_capacity(self.instances.len());
        for instance in &self.instances {
            if instance.is_deployed() && !seen.insert(folded_id(&instance.id)) {
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

/// The id that the ids of resources with that `scope` start with.
fn base_of(named: Option<String>, scope: &Scope) -> String {
    match named {
        None => scope.id(),
        Some(id) if id.starts_with('/') => id.trim_end_matches('/').to_owned(),
        // Management groups are the tenant's.
        Some(relative) if management_group(&relative).is_some() => format!("/providers/{relative}"),
        Some(relative) => format!("{}/providers/{relative}", scope.id()),
    }
}

/// Resource groups and subscriptions have ids without a provider.
fn id_of(base: &str, resource_type: &str, name: &str) -> String {
    if same_name(resource_type, "Microsoft.Resources/resourceGroups") && is_subscription(base) {
        return format!("{base}/resourceGroups/{name}");
    }
    if same_name(resource_type, "Microsoft.Resources/subscriptions") && base.is_empty() {
        return format!("/subscriptions/{name}");
    }
    const PROVIDERS: &str = "/providers/";
    let mut id = String::with_capacity(base.len() + PROVIDERS.len() + resource_type.len() + 1 + name.len());
    id.push_str(base);
    id.push_str(PROVIDERS);
    interleave(&mut id, resource_type, name);
    id
}

fn is_subscription(base: &str) -> bool {
    base.split('/').count() == 3 && base.get(..15).is_some_and(|start| same_name(start, "/subscriptions/"))
}

/// How many turns run at once: as many as `batchSize` says, which public templates compute from parameters.
fn batch(evaluator: &mut Evaluator<'_>, copy: &ResourceCopy) -> Eval<Option<usize>> {
    let tree = match &copy.batch {
        Batch::All => return Ok(None),
        Batch::One => return Ok(Some(1)),
        Batch::Many(tree) => tree,
    };
    match evaluator.tree(tree)?.as_u64() {
        Some(size) if size >= 1 => Ok(Some(usize::try_from(size).unwrap_or(usize::MAX))),
        _ => Err(Fault::new("The copy 'batchSize' must be an integer of at least '1'.")
            .placed(&evaluator.scope.document.source, tree.span)),
    }
}

fn no_version(profile: ApiProfile, resource_type: &str) -> String {
    format!(
        "The API profile '{}' has no version for the resource type '{resource_type}' that is known here: give the resource \
         an 'apiVersion'.",
        profile.name()
    )
}

fn bad_scope(named: &str) -> String {
    format!(
        "The scope '{named}' of a nested deployment is not valid. The supported scopes are '/', \
         'Microsoft.Management/managementGroups/NAME', '/subscriptions/ID' and '/subscriptions/ID/resourceGroups/NAME'"
    )
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
