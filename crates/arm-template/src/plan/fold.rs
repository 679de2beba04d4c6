//! What is the same in every turn of a loop is computed once.

use crate::document::ResourceDefinition;
use crate::expr::Expr;
use crate::expr::eval::Evaluator;
use crate::functions::Allowed;
use crate::resources::Instance;
use crate::tree::{Constant, Tree, TreeKind};
use serde_json::Value;
use std::collections::HashMap;

/// After so many turns all parameters and variables that a body names are known: a fold then counts against the bounds of
/// evaluation exactly what each later turn would.
const TURNS_BEFORE: usize = 2;

/// The bodies of resources in loops, as far as the turns have them in common.
#[derive(Default)]
pub(super) struct Folds {
    /// By where the definition starts.
    definitions: HashMap<usize, Fold>,
}

#[derive(Default)]
struct Fold {
    turns: usize,
    body: Option<Vec<(String, Tree)>>,
}

impl Folds {
    /// The body to evaluate for a resource of that definition.
    pub(super) fn body<'f>(&'f self, definition: &'f ResourceDefinition) -> &'f [(String, Tree)] {
        let fold = self.definitions.get(&definition.span.start);
        fold.and_then(|fold| fold.body.as_ref()).unwrap_or(&definition.body)
    }

    /// Takes note of a body in which nothing was wrong. `evaluator` is one of its resource, without a budget.
    pub(super) fn evaluated<'a>(&mut self, instance: &Instance, evaluator: impl FnOnce() -> Evaluator<'a>) {
        if instance.loops.is_empty() {
            return;
        }
        let fold = self.definitions.entry(instance.definition.span.start).or_default();
        fold.turns += 1;
        if fold.turns == TURNS_BEFORE {
            let mut evaluator = evaluator();
            let body = instance.definition.body.iter();
            fold.body = Some(body.map(|(name, tree)| (name.clone(), folded(&mut evaluator, tree))).collect());
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
