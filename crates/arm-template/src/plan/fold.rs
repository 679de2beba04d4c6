//! What is the same in every turn of a loop is computed once.

use crate::expr::Expr;
use crate::expr::eval::Evaluator;
use crate::functions::Allowed;
use crate::resources::Instance;
use crate::tree::{Constant, Tree, TreeKind};
use serde_json::Value;
use std::collections::HashMap;

/// The bodies of resources in loops, as far as the turns have them in common. They are there from the second turn on: then
/// all parameters and variables that they name are known, and a fold counts against the bounds of evaluation exactly what
/// each later turn would.
#[derive(Default)]
pub(super) struct Folds {
    /// By where the definition starts; none after the first turn.
    bodies: HashMap<usize, Option<Vec<(String, Tree)>>>,
}

impl Folds {
    /// The body to evaluate for a resource. `evaluator` is one of that resource, without a budget.
    pub(super) fn body<'f, 'e>(
        &'f mut self,
        instance: &'f Instance,
        evaluator: impl FnOnce() -> Evaluator<'e>,
    ) -> &'f [(String, Tree)] {
        let written = &instance.definition.body;
        match self.bodies.get_mut(&instance.definition.span.start) {
            None => written,
            Some(fold) => fold.get_or_insert_with(|| {
                let mut evaluator = evaluator();
                written.iter().map(|(name, tree)| (name.clone(), folded(&mut evaluator, tree))).collect()
            }),
        }
    }

    /// Takes note of a body in which nothing was wrong.
    pub(super) fn evaluated(&mut self, instance: &Instance) {
        if !instance.loops.is_empty() {
            self.bodies.entry(instance.definition.span.start).or_default();
        }
    }
}

fn folded(evaluator: &mut Evaluator<'_>, tree: &Tree) -> Tree {
    let kind = match &tree.kind {
        TreeKind::Expression(expr) if is_the_same_each_turn(expr) => match evaluator.measured(tree) {
            Ok(constant) => TreeKind::Constant(constant),
            Err(_) => tree.kind.clone(),
        },
        TreeKind::Array(elements) => {
            array(elements.iter().map(|element| folded(evaluator, element)).collect())
        }
        TreeKind::Object(object) => {
            let object = object.map(&mut |tree| folded(evaluator, tree));
            if object.slots.is_empty() && object.keyed.is_empty() && object.copies.is_empty() {
                let steps = 1 + object.steps_after;
                TreeKind::Constant(Constant { value: Value::Object(object.skeleton), steps })
            } else {
                TreeKind::Object(object)
            }
        }
        kind => kind.clone(),
    };
    Tree { kind, span: tree.span }
}

fn array(elements: Vec<Tree>) -> TreeKind {
    if !elements.iter().all(Tree::is_constant) {
        return TreeKind::Array(elements);
    }
    let mut steps = 1;
    let values = elements.into_iter().filter_map(|element| {
        let TreeKind::Constant(constant) = element.kind else { return None };
        steps += constant.steps;
        Some(constant.value)
    });
    let value = Value::Array(values.collect());
    TreeKind::Constant(Constant { value, steps })
}

/// Neither the turn nor what is deployed has a part in it.
fn is_the_same_each_turn(expr: &Expr) -> bool {
    let mut same = true;
    expr.walk(&mut |inner| {
        let function = inner.call().and_then(|call| call.function);
        same &= function.is_none_or(|function| function.place == Allowed::Anywhere);
    });
    same
}

#[cfg(test)]
mod tests;
