//! Computes expressions. Total: every input gives a value or a named fault, in bounded time, memory and stack.

use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::partial;
use crate::deployed::Deployed;
use crate::diagnostic::{Code, Span};
use crate::functions::object::access;
use crate::functions::{Allowed, Arguments, Outcome, Run, unable};
use crate::jsonc::reader::source_offset;
use crate::resources::ResourceIndex;
use crate::scope::TemplateScope;
use crate::tree::{Key, Object, Tree, TreeKind};
use crate::value::{folded, same_name, type_name};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::sync::Arc;
use uuid::Uuid;

/// Deepest recursion of the evaluator, over expressions, variables, parameters and lambdas together. A level takes up to
/// 3.5 KiB of stack without optimisation, a thread has 2 MiB by default.
pub(crate) const MAX_DEPTH: usize = 350;
/// How many values one evaluation may make: a template of a few lines can ask for any number.
const MAX_STEPS: usize = 2_000_000;
/// How many values all evaluations of one plan may make.
const MAX_PLAN_STEPS: usize = 20_000_000;
/// Most nested deployments that one plan looks into.
const MAX_NESTED: usize = 800;
/// Deepest value; deeper than a template can write it, and no deeper than other JSON readers take.
const MAX_VALUE_DEPTH: usize = 100;
/// Most elements of one copy loop.
pub(crate) const MAX_COPY: i64 = 800;

pub(crate) type Eval<T> = Result<T, Fault>;

/// Why there is no value.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It depends on what has not been deployed yet.
    Deferred,
    Failed(Box<Failure>),
}

/// A message, and the place when it is known.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    /// Byte range in the expression; becomes `span` when the expression's place is known.
    at: Option<(usize, usize)>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure {
            code: Code::InvalidTemplate,
            message: message.into(),
            span: None,
            at: None,
        }))
    }

    fn coded(code: Code, message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure { code, message: message.into(), span: None, at: None }))
    }

    /// Adds the range in the expression unless a narrower one is known.
    fn within(mut self, at: (usize, usize)) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.span.is_none()
            && failure.at.is_none()
        {
            failure.at = Some(at);
        }
        self
    }

    /// Turns the range in the expression into one of the file; `literal` is the whole JSON string.
    fn placed(mut self, source: &str, literal: Span) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.span.is_none()
        {
            // One byte further: the expression starts behind the bracket.
            let place = |decoded: usize| source_offset(source, literal, decoded + 1);
            failure.span = Some(match failure.at.take() {
                Some((start, end)) => Span::new(place(start), place(end)),
                None => literal,
            });
        }
        self
    }

    fn wrapped(mut self, wrap: impl FnOnce(&str) -> String) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.message = wrap(&failure.message);
        }
        self
    }
}

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
    pub(crate) name: Option<String>,
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

/// What is left of the bounds of one plan.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<usize>,
    nested: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: Cell::new(MAX_PLAN_STEPS), nested: Cell::new(MAX_NESTED) }
    }
}

impl Budget {
    /// Takes one nested deployment.
    ///
    /// # Errors
    /// With the message when none is left.
    pub(crate) fn take_nested(&self) -> Result<(), String> {
        match self.nested.get().checked_sub(1) {
            Some(left) => {
                self.nested.set(left);
                Ok(())
            }
            None => Err(format!("The number of nested deployments limit exceeded. Limit: '{MAX_NESTED}'.")),
        }
    }

    fn take_steps(&self, steps: usize) -> bool {
        let left = self.steps.get().checked_sub(steps);
        self.steps.set(left.unwrap_or(0));
        left.is_some()
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
    /// What is evaluated, for messages: `resource 'x'`, `output 'y'`.
    pub(crate) owner: String,
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
            owner: "expression".to_owned(),
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
            TreeKind::Constant(value) => self.spend(value).map(|()| value.clone()),
            TreeKind::Expression(expr) => self.expression(expr, tree.span),
            TreeKind::Array(elements) => self.elements(elements),
            TreeKind::Object(object) => self.members(object),
        };
        self.depth -= 1;
        result
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
        let mut map = Map::with_capacity(object.entries.len() + object.copies.len());
        let mut deferred = false;
        for entry in &object.entries {
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
        for copy in &object.copies {
            match self.copy(&copy.name, &copy.count, &copy.input) {
                Ok(values) => {
                    map.insert(copy.name.clone(), values);
                }
                Err(Fault::Deferred) => deferred = true,
                Err(fault) => return Err(fault),
            }
        }
        if deferred { Err(Fault::Deferred) } else { Ok(Value::Object(map)) }
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
        self.loops.push(Loop { name: Some(name.to_owned()), index: 0, unnamed: false });
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

    /// `parameters` and `variables`, without a copy of the value.
    fn named_value(&mut self, call: &Call, function: &str) -> Eval<Arc<Value>> {
        let name = match self.value(&call.arguments[0])? {
            Value::String(name) => name,
            other => return Err(not_a_name(function, &other)),
        };
        if function == "variables" {
            return self.variable(&name);
        }
        if let Some(arguments) = &self.user_arguments {
            return match crate::value::get(arguments, &name) {
                Some(value) => Ok(Arc::new(value.clone())),
                None => Err(Fault::new(format!(
                    "The template function parameter '{name}' is not found. Please see https://aka.ms/arm-template for \
                     usage details."
                ))),
            };
        }
        self.parameter(&name)
    }

    /// The value of a template parameter, given or by default.
    pub(crate) fn parameter(&mut self, name: &str) -> Eval<Arc<Value>> {
        let scope = self.scope;
        let key = folded(name);
        let definition = scope.document.parameters.iter().find(|parameter| same_name(&parameter.name, name));
        if self.placeholders() && definition.is_some_and(|definition| definition.kind.is_secure()) {
            // What is printed for people shows no secret.
            return Err(Fault::Deferred);
        }
        if let Some(known) = scope.known_parameter(&key) {
            return Ok(known);
        }
        let Some(default) = definition.and_then(|definition| definition.default.as_ref()) else {
            return Err(Fault::new(format!(
                "The template parameter '{name}' is not found. Please see https://aka.ms/arm-template/#parameters for \
                 usage details."
            )));
        };
        let value =
            Arc::new(self.elsewhere(Place::ParameterDefault, format!("parameter '{name}'"), |this| {
                this.tree(default)
            })?);
        scope.keep_parameter(key, Arc::clone(&value));
        Ok(value)
    }

    fn variable(&mut self, name: &str) -> Eval<Arc<Value>> {
        let scope = self.scope;
        if self.place == Place::UserFunction || self.place == Place::ParameterDefault {
            return Err(Fault::new(unexpected_here("variables")));
        }
        let key = folded(name);
        // A variable may hold a secret, which placeholders hide: computed anew for them.
        let cached = !self.placeholders();
        if let Some(known) = scope.known_variable(&key).filter(|_| cached) {
            return known.map_err(Fault::Failed);
        }
        let Some(variable) = scope.document.variables.get(&key) else {
            return Err(Fault::new(format!(
                "The template variable '{name}' is not found. Please see https://aka.ms/arm-template/#variables for usage \
                 details."
            )));
        };
        let result =
            self.elsewhere(Place::Variable, format!("variable '{}'", variable.name), |this| match &variable
                .value
            {
                crate::document::VariableValue::Tree(tree) => this.tree(tree),
                crate::document::VariableValue::Copy(copy) => this.copy(&copy.name, &copy.count, &copy.input),
            })
            .map_err(|fault| {
                fault.wrapped(|message| {
                    if message.starts_with("The template variable '") {
                        return message.to_owned();
                    }
                    format!(
                        "The template variable '{}' is not valid: {message}. Please see \
                         https://aka.ms/arm-template-expressions for usage details.",
                        variable.name,
                        message = message.trim_end_matches('.')
                    )
                })
            });
        match result {
            Ok(value) => {
                let value = Arc::new(value);
                if !cached {
                    return Ok(value);
                }
                scope.keep_variable(key, Ok(Arc::clone(&value)));
                Ok(value)
            }
            // A cycle or an exhausted bound depends on where the evaluation started: not kept.
            Err(Fault::Failed(failure)) if self.active.is_empty() => {
                scope.keep_variable(key, Err(failure.clone()));
                Err(Fault::Failed(failure))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Evaluates at another place of the template: no loops, lambdas or function arguments from here.
    fn elsewhere<T>(
        &mut self,
        place: Place,
        what: String,
        run: impl FnOnce(&mut Self) -> Eval<T>,
    ) -> Eval<T> {
        if self.active.contains(&what) {
            let mut cycle = self.active.clone();
            cycle.push(what);
            return Err(Fault::new(format!("Circular reference detected: {}.", cycle.join(" -> "))));
        }
        self.active.push(what);
        let place = std::mem::replace(&mut self.place, place);
        let loops = std::mem::take(&mut self.loops);
        let lambdas = std::mem::take(&mut self.lambdas);
        let arguments = self.user_arguments.take();
        let result = run(self);
        self.place = place;
        self.loops = loops;
        self.lambdas = lambdas;
        self.user_arguments = arguments;
        self.active.pop();
        result
    }

    fn user_function(&mut self, call: &Call) -> Eval<Value> {
        let scope = self.scope;
        let name = call.full_name();
        let Some(function) = scope.document.functions.get(&folded(&name)) else {
            return Err(Fault::new(unknown_function(&name)));
        };
        let values = self.arguments(call)?;
        if values.len() != function.parameters.len() {
            return Err(Fault::new(wrong_count(
                &name,
                values.len(),
                function.parameters.len(),
                function.parameters.len(),
            )));
        }
        let mut arguments = Map::new();
        for (parameter, value) in function.parameters.iter().zip(values) {
            if !parameter.kind.accepts(&value) {
                return Err(Fault::new(unable(
                    &name,
                    format_args!(
                        "the parameter '{}' must be of type '{}', the provided value is of type '{}'",
                        parameter.name,
                        parameter.kind.expected(),
                        type_name(&value)
                    ),
                )));
            }
            arguments.insert(parameter.name.clone(), value);
        }
        self.elsewhere(Place::UserFunction, format!("function '{name}'"), |this| {
            this.user_arguments = Some(arguments);
            this.tree(&function.output)
        })
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

/// How many values and blocks of text there are in a value, as far as a little more than `most`.
fn weight(value: &Value, most: usize, depth: usize) -> Eval<usize> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Fault::new(format!(
            "The template language expression can't be evaluated: its value is nested deeper than '{MAX_VALUE_DEPTH}' levels."
        )));
    }
    let mut total = 1;
    let mut add = |inner: &Value| -> Eval<bool> {
        total += weight(inner, most.saturating_sub(total), depth + 1)?;
        Ok(total > most)
    };
    match value {
        Value::Array(values) => {
            for inner in values {
                if add(inner)? {
                    break;
                }
            }
        }
        Value::Object(map) => {
            for inner in map.values() {
                if add(inner)? {
                    break;
                }
            }
        }
        Value::String(text) => total += text.len() / 64,
        _ => {}
    }
    Ok(total)
}

fn too_deep() -> Fault {
    Fault::new(format!(
        "The template language expression can't be evaluated: it is nested deeper than '{MAX_DEPTH}' levels."
    ))
}

// Faults are made apart from the recursion: their temporaries would be in each of its stack frames.

fn misplaced(call: &Call) -> Fault {
    Fault::new(unexpected_here(&call.name))
}

fn unsupported(call: &Call, reason: &str) -> Fault {
    Fault::coded(Code::FeatureNotSupported, not_supported(&call.name, reason))
}

fn not_a_name(function: &str, found: &Value) -> Fault {
    Fault::new(unable(
        function,
        format_args!("the name must be a string, it is of type '{}'", type_name(found)),
    ))
}

fn exhausted() -> Fault {
    Fault::new(format!(
        "The template language expression can't be evaluated: it makes more than '{MAX_STEPS}' values."
    ))
}

pub(crate) fn unexpected_here(name: &str) -> String {
    format!(
        "The template function '{name}' is not expected at this location. Please see \
         https://aka.ms/arm-template-expressions for usage details."
    )
}

pub(crate) fn unknown_function(name: &str) -> String {
    format!(
        "The template function '{name}' is not valid. Please see https://aka.ms/arm-template-expressions for usage \
         details."
    )
}

pub(crate) fn not_supported(name: &str, reason: &str) -> String {
    format!("The template function '{name}' is not supported here: {reason}.")
}

pub(crate) fn wrong_count(name: &str, found: usize, least: usize, most: usize) -> String {
    let expected = match (least, most) {
        (least, most) if least == most => format!("'{least}'"),
        (least, usize::MAX) => format!("'{least}' or more"),
        (least, most) => format!("'{least}' to '{most}'"),
    };
    unable(
        name,
        format_args!("the actual number of arguments '{found}' doesn't match the expected number {expected}"),
    )
}
