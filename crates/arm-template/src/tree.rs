//! A piece of the template with its expressions parsed.

use crate::diagnostic::Span;
use crate::expr::Expr;
use serde_json::{Map, Value};

/// A JSON value of the template and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) kind: TreeKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum TreeKind {
    /// No expression in it.
    Constant(Constant),
    Expression(Expr),
    Array(Vec<Tree>),
    Object(Object),
}

/// A value that needs no evaluation, and what it counts against the bounds of evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    pub(crate) value: Value,
    pub(crate) steps: usize,
}

impl Constant {
    /// A null, boolean, number or text: one step for the visit, one for the value, one for each block of its text.
    pub(crate) fn scalar(value: Value) -> Self {
        let blocks = value.as_str().map_or(0, |text| text.len() / 64);
        Self { value, steps: 2 + blocks }
    }

    /// An array or object as written, whose parts count `steps` each on their own: the visit is one for all.
    pub(crate) fn composed(value: Value, steps: impl Iterator<Item = usize>) -> Self {
        Self { value, steps: 2 + steps.map(|steps| steps - 1).sum::<usize>() }
    }
}

/// An object that is not the same every time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    /// The members with a plain name, as far as the first that has none, in order; null where a slot is. Copied whole:
    /// that spares the hashing of each name.
    pub(crate) skeleton: Map<String, Value>,
    /// The members of the skeleton that are computed, in its order.
    pub(crate) slots: Vec<Slot>,
    /// Steps of the constant members after the last slot.
    pub(crate) steps_after: usize,
    /// The members from the first whose name is an expression.
    pub(crate) keyed: Vec<Entry>,
    /// The object's member `copy`, when it is a list of loops.
    pub(crate) copies: Vec<Copy>,
}

/// A computed member of a skeleton.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// How many members are between the slot before and this one.
    pub(crate) skip: usize,
    /// Steps of the constant members in between.
    pub(crate) steps_before: usize,
    pub(crate) value: Tree,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Tree,
}

#[derive(Debug, Clone)]
pub(crate) enum Key {
    Plain(String),
    Expression(Expr, Span),
}

/// A loop that makes an array: of a property or a variable.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) name: String,
    pub(crate) count: Tree,
    pub(crate) input: Tree,
}

impl Tree {
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self.kind, TreeKind::Constant(_))
    }
}

impl Object {
    /// Members with distinct plain names go into the skeleton, until one has an expression for a name.
    pub(crate) fn new(entries: Vec<Entry>, copies: Vec<Copy>) -> Self {
        let mut object = Self { copies, skeleton: Map::with_capacity(entries.len()), ..Self::default() };
        let mut skip = 0;
        for entry in entries {
            match entry.key {
                Key::Plain(name) if object.keyed.is_empty() => object.add(name, entry.value, &mut skip),
                _ => object.keyed.push(entry),
            }
        }
        object
    }

    /// Adds a member to the skeleton; `skip` counts the constant ones since the last slot.
    fn add(&mut self, name: String, tree: Tree, skip: &mut usize) {
        if let TreeKind::Constant(constant) = tree.kind {
            self.steps_after += constant.steps;
            self.skeleton.insert(name, constant.value);
            *skip += 1;
            return;
        }
        let steps_before = std::mem::take(&mut self.steps_after);
        self.slots.push(Slot { skip: std::mem::take(skip), steps_before, value: tree });
        self.skeleton.insert(name, Value::Null);
    }

    /// Replaces the values of slots; what becomes constant goes into the skeleton.
    pub(crate) fn map(&self, change: &mut dyn FnMut(&Tree) -> Tree) -> Self {
        let mut mapped = Self {
            skeleton: self.skeleton.clone(),
            keyed: self.keyed.clone(),
            copies: self.copies.clone(),
            ..Self::default()
        };
        let (mut values, mut skip) = (mapped.skeleton.values_mut(), 0);
        for slot in &self.slots {
            mapped.steps_after += slot.steps_before;
            skip += slot.skip;
            let place = values.nth(slot.skip);
            let value = change(&slot.value);
            match (value.kind, place) {
                (TreeKind::Constant(constant), Some(place)) => {
                    *place = constant.value;
                    mapped.steps_after += constant.steps;
                    skip += 1;
                }
                (kind, _) => mapped.slots.push(Slot {
                    skip: std::mem::take(&mut skip),
                    steps_before: std::mem::take(&mut mapped.steps_after),
                    value: Tree { kind, span: value.span },
                }),
            }
        }
        mapped.steps_after += self.steps_after;
        mapped
    }
}
