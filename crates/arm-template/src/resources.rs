//! Resource definitions to resources: loops run, names and ids computed. Bodies come later.

mod expand;
mod index;

use crate::document::ResourceDefinition;
use crate::expr::eval::{Eval, Evaluator, Fault, Loop};
use crate::target::Scope;
use crate::tree::Tree;
use crate::value::type_name;
use serde_json::Value;
use std::sync::Arc;

pub(crate) use expand::expand;
pub(crate) use index::{ResourceIndex, Target};

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
    pub(crate) scope: Arc<Scope>,
    /// False: the resource is not deployed.
    pub(crate) condition: bool,
    pub(crate) copy: Option<Turn>,
}

/// A turn of a copy loop.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) name: Arc<str>,
    pub(crate) index: usize,
    /// How many run at once, in a loop where not all do.
    pub(crate) batch: Option<usize>,
}

impl Instance {
    pub(crate) fn is_deployed(&self) -> bool {
        self.condition && !self.definition.existing
    }

    /// `type/name` in the order of an id: `A.B/parents/p/children/c`.
    fn path(&self) -> String {
        let mut path = String::new();
        interleave(&mut path, &self.resource_type, &self.name);
        path
    }
}

/// Adds `A.B/parents/children` and `p/c` as `A.B/parents/p/children/c`.
fn interleave(path: &mut String, resource_type: &str, name: &str) {
    let mut segments = resource_type.split('/');
    path.push_str(segments.next().unwrap_or_default());
    for segment in segments.zip(name.split('/')).flat_map(|(kind, name)| [kind, name]) {
        path.push('/');
        path.push_str(segment);
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
