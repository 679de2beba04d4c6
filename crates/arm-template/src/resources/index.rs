//! Finds resources by the ways in which a template names them.

use super::Instance;
use crate::expr::eval::{Eval, Fault};
use crate::value::{folded, folded_id};
use std::collections::HashMap;
use std::sync::Arc;

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
    pub(super) fn new(instances: &[Instance]) -> Self {
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
            match (&instance.definition.symbolic_name, &instance.copy) {
                (Some(symbol), None) => {
                    index.by_symbol.insert(folded(symbol), position);
                }
                // One turn of a loop is `symbol[3]`, all of them are `symbol`.
                (Some(symbol), Some((name, turn))) => {
                    index.by_symbol.insert(folded(&format!("{symbol}[{turn}]")), position);
                    if folded(symbol) != folded(name) {
                        index.by_loop.entry(folded(symbol)).or_default().push(position);
                    }
                }
                (None, _) => {}
            }
        }
        index
    }

    /// Makes a loop known that may have run no time: what depends on it waits for nothing.
    pub(super) fn know_loop(&mut self, name: &str) {
        self.by_loop.entry(folded(name)).or_default();
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
        // Above subscriptions `resourceId` gives the tenant's id, wherever the resource is.
        let path = key.strip_prefix("/providers/").filter(|path| !path.contains("/providers/"));
        if let Some(one) = path.and_then(|path| self.by_path.get(path)) {
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
