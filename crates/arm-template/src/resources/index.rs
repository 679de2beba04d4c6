//! Finds resources by the ways in which a template names them.

use super::{Instance, Turn};
use crate::expr::eval::{Eval, Fault};
use crate::value::{folded, folded_id};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Finds resources by the ways in which a template names them.
#[derive(Debug, Default)]
pub(crate) struct ResourceIndex {
    instances: Arc<Vec<Instance>>,
    /// All loops of resources, also those that run no time: what depends on one of these waits for nothing.
    loops: Vec<String>,
    /// Made when a resource is first looked for: most templates name none.
    names: OnceLock<Names>,
    /// Some resource could not be expanded: what is not found may be that one.
    pub(crate) incomplete: bool,
    /// The resources of the template around this one.
    pub(crate) outer: Option<Arc<ResourceIndex>>,
}

/// Positions of resources by folded keys.
#[derive(Debug, Default)]
struct Names {
    name: HashMap<String, Vec<usize>>,
    path: HashMap<String, usize>,
    id: HashMap<String, usize>,
    turns: HashMap<String, Vec<usize>>,
    symbol: HashMap<String, usize>,
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

impl Names {
    fn new(instances: &[Instance], loops: &[String]) -> Self {
        let mut names = Self::default();
        for (position, instance) in instances.iter().enumerate() {
            names.name.entry(folded(&instance.name)).or_default().push(position);
            // Of two resources with one id only one has a true condition: that one counts.
            for (map, key) in
                [(&mut names.id, folded_id(&instance.id)), (&mut names.path, folded(&instance.path()))]
            {
                if instance.condition || !map.contains_key(&key) {
                    map.insert(key, position);
                }
            }
            if let Some(turn) = &instance.copy {
                names.turns.entry(folded(&turn.name)).or_default().push(position);
            }
            match (&instance.definition.symbolic_name, &instance.copy) {
                (Some(symbol), None) => {
                    names.symbol.insert(folded(symbol), position);
                }
                // One turn of a loop is `symbol[3]`, all of them are `symbol`.
                (Some(symbol), Some(Turn { name, index, .. })) => {
                    names.symbol.insert(folded(&format!("{symbol}[{index}]")), position);
                    if folded(symbol) != folded(name) {
                        names.turns.entry(folded(symbol)).or_default().push(position);
                    }
                }
                (None, _) => {}
            }
        }
        for name in loops {
            names.turns.entry(folded(name)).or_default();
        }
        names
    }
}

impl ResourceIndex {
    /// An index of all resources; `loops` are the names of all loops.
    pub(super) fn new(instances: &Arc<Vec<Instance>>, loops: Vec<String>) -> Self {
        Self { instances: Arc::clone(instances), loops, ..Self::default() }
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::new(&self.instances, &self.loops))
    }

    fn target_at(&self, position: usize) -> Target {
        let instance = &self.instances[position];
        Target {
            id: instance.id.clone(),
            api_version: Some(instance.api_version.clone()),
            resource: Some(position),
            outer: None,
        }
    }

    fn is_deployed(&self, position: usize) -> bool {
        self.instances[position].condition
    }

    /// All resources that an element of `dependsOn` means.
    pub(crate) fn dependencies(&self, text: &str) -> Result<Vec<usize>, String> {
        let key = folded_id(text);
        let names = self.names();
        if let Some(all) = names.turns.get(&key) {
            return Ok(all.clone());
        }
        if let Some(one) =
            names.symbol.get(&key).or_else(|| names.id.get(&key)).or_else(|| names.path.get(&key))
        {
            return Ok(vec![*one]);
        }
        // Above subscriptions `resourceId` gives the tenant's id, wherever the resource is.
        let path = key.strip_prefix("/providers/").filter(|path| !path.contains("/providers/"));
        if let Some(one) = path.and_then(|path| names.path.get(path)) {
            return Ok(vec![*one]);
        }
        match names.name.get(&key).map(Vec::as_slice) {
            Some([one]) => Ok(vec![*one]),
            Some(several) => {
                let deployed: Vec<usize> =
                    several.iter().copied().filter(|position| self.is_deployed(*position)).collect();
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
        let names = self.names();
        if name.starts_with('/') {
            return Ok(match names.id.get(&key) {
                Some(position) => self.target_at(*position),
                None => match self
                    .outer
                    .as_ref()
                    .and_then(|outer| outer.names().id.get(&key).map(|at| outer.target_at(*at)))
                {
                    Some(target) => Target { resource: None, outer: target.resource, ..target },
                    None => Target { id: name.to_owned(), api_version: None, resource: None, outer: None },
                },
            });
        }
        if let Some(position) = names.symbol.get(&key).or_else(|| names.path.get(&key)) {
            return Ok(self.target_at(*position));
        }
        match names.name.get(&key).map(Vec::as_slice) {
            Some([one]) => return Ok(self.target_at(*one)),
            Some(several) => {
                let deployed: Vec<&usize> =
                    several.iter().filter(|position| self.is_deployed(**position)).collect();
                if let [one] = deployed.as_slice() {
                    return Ok(self.target_at(**one));
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
        match self.names().turns.get(&folded(name)) {
            Some(all) => Ok(all
                .iter()
                .filter(|position| self.is_deployed(**position))
                .map(|position| self.target_at(*position))
                .collect()),
            None if self.incomplete => Err(Fault::Deferred),
            None => Err(Fault::new(format!(
                "The template reference '{name}' is not valid: could not find a resource copy with this name. Please see \
                 https://aka.ms/arm-function-reference for usage details."
            ))),
        }
    }
}
