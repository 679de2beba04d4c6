//! Computes expressions. Total: every input gives a value or a named fault, in bounded time, memory and stack.

mod budget;
mod fault;
mod named;

use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::partial;
use crate::deployed::Deployed;
use crate::diagnostic::Span;
use crate::functions::object::access;
use crate::functions::{Allowed, Arguments, Outcome, Run, unable};
use crate::resources::ResourceIndex;
use crate::scope::TemplateScope;
use crate::tree::{Constant, Entry, Key, Object, Tree, TreeKind};
use crate::value::type_name;
use budget::{MAX_STEPS, exhausted, weight};
use fault::{misplaced, too_deep, unsupported};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) use budget::Budget;
pub(crate) use fault::{Failure, Fault, unexpected_here, unknown_function, wrong_count};

/// Deepest recursion of the evaluator, over expressions, variables, parameters and lambdas together. A level takes up to
/// 3.5 KiB of stack without optimisation, a thread has 2 MiB by default.
pub(crate) const MAX_DEPTH: usize = 350;
/// Stands in `expand` for a loop whose count only a deployment knows.
pub(crate) const UNCOUNTED: &str = "[copy]";
/// Most elements of one copy loop.
pub(crate) const MAX_COPY: i64 = 800;

pub(crate) type Eval<T> = Result<T, Fault>;

/// Where the expression stands; decides which functions may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    ParameterDefault,
    Variable,
    /// Name, type, location, condition, count, dependsOn: known before anything is deployed.
    Header,
    Body,
    Output,
    UserFunction,
}

impl Place {
    pub(crate) fn allows(self, allowed: Allowed) -> bool {
        match allowed {
            Allowed::Anywhere | Allowed::Loop => true,
            Allowed::ParameterDefault => self == Self::ParameterDefault,
            Allowed::Runtime => matches!(self, Self::Body | Self::Output),
        }
    }
}

/// One running copy loop.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    /// None for the loop of an output.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) index: i64,
    /// Whether `copyIndex()` without a name means this loop.
    pub(crate) unnamed: bool,
}

/// A call of `reference` or `list*` that was met.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeCall {
    /// Position in the template's resources, when the target is one of them.
    pub(crate) resource: Option<usize>,
    /// Position in the resources of the template around it.
    pub(crate) outer: Option<usize>,
}

/// A value that is perhaps shared with the cache of parameters and variables.
pub(crate) enum Held {
    Owned(Value),
    Shared(Arc<Value>),
}

impl Held {
    fn get(&self) -> &Value {
        match self {
            Self::Owned(value) => value,
            Self::Shared(value) => value,
        }
    }
}

pub(crate) struct Evaluator<'a> {
    pub(crate) scope: &'a TemplateScope,
    pub(crate) index: Option<&'a ResourceIndex>,
    pub(crate) deployed: Option<&'a dyn Deployed>,
    pub(crate) guid: Option<&'a dyn Fn() -> Uuid>,
    /// None while a deployment runs: its evaluations are bounded one by one.
    pub(crate) budget: Option<&'a Budget>,
    pub(crate) place: Place,
    /// What is evaluated, for messages: a `resource` or an `output`, and its name.
    pub(crate) owner: (&'static str, &'a str),
    pub(crate) loops: Vec<Loop>,
    pub(crate) calls: Vec<RuntimeCall>,
    /// Lambda variables, innermost last; without a value while what they stand for is not deployed.
    pub(crate) lambdas: Vec<(String, Option<Value>)>,
    /// Arguments of the user function being evaluated.
    user_arguments: Option<Map<String, Value>>,
    /// Parameters and variables being evaluated: a name that comes up again is a cycle.
    active: Vec<String>,
    depth: usize,
    steps: usize,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(scope: &'a TemplateScope, place: Place) -> Self {
        Self {
            scope,
            index: None,
            deployed: None,
            guid: None,
            budget: None,
            place,
            owner: ("expression", ""),
            loops: Vec::new(),
            calls: Vec::new(),
            lambdas: Vec::new(),
            user_arguments: None,
            active: Vec::new(),
            depth: 0,
            steps: 0,
        }
    }

    pub(crate) fn placeholders(&self) -> bool {
        self.deployed.is_some_and(Deployed::only_placeholders)
    }

    /// The value of a piece of the template.
    pub(crate) fn tree(&mut self, tree: &Tree) -> Eval<Value> {
        self.enter()?;
        let result = match &tree.kind {
            TreeKind::Constant(constant) => self.step(constant.steps - 1).map(|()| constant.value.clone()),
            TreeKind::Expression(expr) => self.expression(expr, tree.span),
            TreeKind::Array(elements) => self.elements(elements),
            TreeKind::Object(object) => self.members(object),
        };
        self.depth -= 1;
        result
    }

    /// The value of a piece of the template, and what it counts against the bounds.
    pub(crate) fn measured(&mut self, tree: &Tree) -> Eval<Constant> {
        let before = self.steps;
        let value = self.tree(tree)?;
        Ok(Constant { value, steps: self.steps - before })
    }

    fn elements(&mut self, elements: &[Tree]) -> Eval<Value> {
        let mut values = Vec::with_capacity(elements.len());
        let mut deferred = false;
        for element in elements {
            match self.tree(element) {
                Ok(value) => values.push(value),
                Err(Fault::Deferred) => deferred = true,
                Err(fault) => return Err(fault),
            }
        }
        if deferred { Err(Fault::Deferred) } else { Ok(Value::Array(values)) }
    }

    fn members(&mut self, object: &Object) -> Eval<Value> {
        let mut map = object.skeleton.clone();
        let mut deferred = self.slots(object, &mut map)?;
        deferred |= self.keyed(&object.keyed, &mut map)?;
        for copy in &object.copies {
            match self.copy(&copy.name, &copy.count, &copy.input) {
                Err(Fault::Deferred) if self.placeholders() => {
                    map.insert(copy.name.clone(), Value::from(UNCOUNTED));
                }
                Ok(values) => {
                    map.insert(copy.name.clone(), values);
                }
                Err(Fault::Deferred) => deferred = true,
                Err(fault) => return Err(fault),
            }
        }
        if deferred { Err(Fault::Deferred) } else { Ok(Value::Object(map)) }
    }

    /// Fills in the computed members of the skeleton; whether one of them waits for a deployment.
    fn slots(&mut self, object: &Object, map: &mut Map<String, Value>) -> Eval<bool> {
        let mut places = map.values_mut();
        let mut deferred = false;
        for slot in &object.slots {
            self.constant_steps(slot.steps_before)?;
            match (self.tree(&slot.value), places.nth(slot.skip)) {
                (Ok(value), Some(place)) => *place = value,
                (Err(Fault::Failed(failure)), _) => return Err(Fault::Failed(failure)),
                _ => deferred = true,
            }
        }
        self.constant_steps(object.steps_after)?;
        Ok(deferred)
    }

    /// Adds the members whose names are computed, and those after them; whether one of them waits for a deployment.
    fn keyed(&mut self, entries: &[Entry], map: &mut Map<String, Value>) -> Eval<bool> {
        let mut deferred = false;
        for entry in entries {
            let key = match &entry.key {
                Key::Plain(name) => Ok(name.clone()),
                Key::Expression(expr, span) => self.key(expr, *span),
            };
            match (key, self.tree(&entry.value)) {
                (Ok(key), Ok(value)) => {
                    map.insert(key, value);
                }
                (Err(Fault::Failed(failure)), _) | (_, Err(Fault::Failed(failure))) => {
                    return Err(Fault::Failed(failure));
                }
                _ => deferred = true,
            }
        }
        Ok(deferred)
    }

    fn key(&mut self, expr: &Expr, span: Span) -> Eval<String> {
        match self.expression(expr, span)? {
            Value::String(key) => Ok(key),
            other => Err(Fault::new(format!(
                "The template language expression of a property name must evaluate to a string, it is of type '{}'.",
                type_name(&other)
            ))
            .placed(&self.scope.document.source, span)),
        }
    }

    /// Evaluates an expression that is a whole JSON string at `span`.
    pub(crate) fn expression(&mut self, expr: &Expr, span: Span) -> Eval<Value> {
        match self.value(expr) {
            Err(Fault::Deferred) if self.placeholders() && self.active.is_empty() => {
                Ok(Value::String(format!("[{}]", partial::reduce(self, expr))))
            }
            result => result.map_err(|fault| fault.placed(&self.scope.document.source, span)),
        }
    }

    /// The count of a copy loop.
    pub(crate) fn count(&mut self, tree: &Tree) -> Eval<i64> {
        let place = std::mem::replace(&mut self.place, Place::Header);
        let count = self.tree(tree);
        self.place = place;
        let shown = match count? {
            // A placeholder: the count is known only to a deployment.
            Value::String(text) if self.placeholders() && text.starts_with('[') => {
                return Err(Fault::Deferred);
            }
            Value::Number(number) => match number.as_i64() {
                Some(count) if (0..=MAX_COPY).contains(&count) => return Ok(count),
                _ => number.to_string(),
            },
            Value::String(text) => text,
            other => type_name(&other).to_owned(),
        };
        let message = format!(
            "The copy count '{shown}' is not valid. The copy count must be a non-negative integer value and cannot exceed \
             '{MAX_COPY}'. Please see https://aka.ms/arm-copy for usage details."
        );
        Err(Fault::new(message).placed(&self.scope.document.source, tree.span))
    }

    /// The array that a property, variable or output copy makes.
    pub(crate) fn copy(&mut self, name: &str, count: &Tree, input: &Tree) -> Eval<Value> {
        let count = self.count(count)?;
        let mut values = Vec::with_capacity(count as usize);
        let mut deferred = false;
        self.loops.push(Loop { name: Some(Arc::from(name)), index: 0, unnamed: false });
        for index in 0..count {
            if let Some(running) = self.loops.last_mut() {
                running.index = index;
            }
            match self.tree(input) {
                Ok(value) => values.push(value),
                Err(Fault::Deferred) => deferred = true,
                Err(fault) => {
                    self.loops.pop();
                    return Err(fault);
                }
            }
        }
        self.loops.pop();
        if deferred { Err(Fault::Deferred) } else { Ok(Value::Array(values)) }
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expr: &Expr) -> Eval<Value> {
        match self.held(expr)? {
            Held::Owned(value) => Ok(value),
            Held::Shared(value) => {
                self.spend(&value)?;
                Ok(Arc::unwrap_or_clone(value))
            }
        }
    }

    /// Argument `index` of a call, which must be a boolean.
    pub(crate) fn boolean(&mut self, call: &Call, index: usize) -> Eval<bool> {
        match self.value(&call.arguments[index])? {
            Value::Bool(value) => Ok(value),
            other => Err(Fault::new(unable(
                &call.name,
                format_args!(
                    "the parameter at position '{}' must be a boolean, it is of type '{}'",
                    index + 1,
                    type_name(&other)
                ),
            ))
            .within(call.arguments[index].at)),
        }
    }

    /// All arguments. A fault in one of them comes before what cannot be known yet in another.
    pub(crate) fn arguments(&mut self, call: &Call) -> Eval<Vec<Value>> {
        let mut values = Vec::with_capacity(call.arguments.len());
        let mut deferred = false;
        for argument in &call.arguments {
            match self.value(argument) {
                Ok(value) => values.push(value),
                Err(Fault::Deferred) => deferred = true,
                Err(fault) => return Err(fault),
            }
        }
        if deferred { Err(Fault::Deferred) } else { Ok(values) }
    }

    fn held(&mut self, expr: &Expr) -> Eval<Held> {
        self.enter()?;
        let held = match &expr.kind {
            Kind::String(text) => Ok(Held::Owned(Value::String(text.clone()))),
            Kind::Integer(value) => Ok(Held::Owned(crate::value::integer(*value))),
            Kind::Call(call) => self.call(call),
            Kind::Access(call, steps) => self.access(call, steps),
        };
        self.depth -= 1;
        held.map_err(|fault| fault.within(expr.at))
    }

    fn access(&mut self, call: &Call, steps: &[Step]) -> Eval<Held> {
        let base = match self.call(call) {
            Ok(base) => base,
            Err(Fault::Deferred) => {
                // What stands in the brackets is still looked at.
                for step in steps {
                    if let Accessor::Index(index) = &step.accessor {
                        self.held(index)?;
                    }
                }
                return Err(Fault::Deferred);
            }
            Err(fault) => return Err(fault),
        };
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps {
            keys.push(match &step.accessor {
                Accessor::Property(name) => Value::String(name.clone()),
                Accessor::Index(index) => self.value(index)?,
            });
        }
        let mut value = base.get();
        for (step, key) in steps.iter().zip(&keys) {
            value = access(value, key).map_err(|message| Fault::new(message).within(step.at))?;
        }
        let value = value.clone();
        self.spend(&value)?;
        Ok(Held::Owned(value))
    }

    fn call(&mut self, call: &Call) -> Eval<Held> {
        let Some(function) = call.function else {
            return self.user_function(call).map(Held::Owned);
        };
        if !self.place.allows(function.place) {
            return Err(misplaced(call));
        }
        match function.run {
            Run::Named => self.named_value(call, function.name).map(Held::Shared),
            Run::Special(run) => run(self, call).map(Held::Owned),
            Run::Unsupported(reason) => Err(unsupported(call, reason)),
            Run::Plain(run) => {
                let values = self.arguments(call)?;
                self.plain(function.name, values, run).map(Held::Owned)
            }
        }
    }

    fn plain(
        &mut self,
        name: &'static str,
        values: Vec<Value>,
        run: fn(Arguments) -> Outcome,
    ) -> Eval<Value> {
        let value = run(Arguments { name, values }).map_err(Fault::new)?;
        self.spend(&value)?;
        Ok(value)
    }

    /// Bounds recursion; whoever enters counts `depth` down again.
    fn enter(&mut self) -> Eval<()> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.step(1)?;
        self.depth += 1;
        Ok(())
    }

    /// Counts constants as their visits would; a level deeper than this one must still be allowed.
    fn constant_steps(&mut self, steps: usize) -> Eval<()> {
        if steps > 0 && self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.step(steps)
    }

    /// Counts a value that was made against the bounds.
    pub(crate) fn spend(&mut self, value: &Value) -> Eval<()> {
        let left = MAX_STEPS.saturating_sub(self.steps);
        let cost = weight(value, left, 0)?;
        self.step(cost)
    }

    fn step(&mut self, cost: usize) -> Eval<()> {
        self.steps = self.steps.saturating_add(cost);
        let planned = self.budget.is_none_or(|budget| budget.take_steps(cost));
        if self.steps > MAX_STEPS || !planned { Err(exhausted()) } else { Ok(()) }
    }
}
