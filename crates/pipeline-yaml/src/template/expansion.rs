//! Replaces expressions in a tree, within bounds. Lists and mappings are in `insertion`, directives in `branches`.

use std::cell::Cell;
use std::rc::Rc;

use super::directive::{directive, split};
use super::expression::{Known, Scope, evaluate};
use super::include::Source;
use super::parameters::{self, Given};
use super::place::Place;
use super::value::Value;
use super::{Inputs, functions};
use crate::fault::{Found, Position};
use crate::yaml::{Entry, Node, Value as Tree, place_of_template};

/// Most values of a file whose expressions are replaced: `each` in `each` must not fill the memory.
const MOST_NODES: usize = 50_000;
/// Longest text of all values that expressions made, in bytes.
const LONGEST: usize = 4 << 20;
/// Deepest nesting of lists and mappings while templates are read: 100 templates in one another, each with two conditions
/// around the next. Without optimizations it takes 1 MB of the stack, of the 2 MB that a thread has.
const DEEPEST: usize = 400;

pub(super) struct Expansion<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) found: &'a mut Found,
    /// The file itself, then its templates, by the numbers of their places.
    pub(super) sources: Vec<Source>,
    /// Which templates are being read, the outermost first.
    pub(super) chain: Vec<usize>,
    /// What is known of the variables at the present place; what stands later counts.
    pub(super) variables: Vec<(String, String)>,
    nodes: usize,
    bytes: usize,
    depth: usize,
    /// It was told that there is too much: nothing more is read.
    pub(super) full: bool,
}

// A function that gives `None` gives up the whole file, which is `full`; whatever else is wrong is told and read over.
impl<'a> Expansion<'a> {
    pub(super) fn new(source: &str, inputs: &'a Inputs<'a>, found: &'a mut Found) -> Self {
        let source = Source { path: inputs.path.clone(), text: source.to_owned(), tree: None };
        let known = inputs.variables.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            inputs,
            found,
            sources: vec![source],
            chain: Vec::new(),
            variables: known.collect(),
            nodes: 0,
            bytes: 0,
            depth: 0,
            full: false,
        }
    }

    /// The file as a whole.
    pub(super) fn file(mut self, root: Node) -> Option<Node> {
        let Tree::Map(mut entries) = root.value else { return Some(root) };
        let declared = taken(&mut entries, "parameters");
        let given = Given::Request(&self.inputs.parameters);
        let scope = self.bind(declared.as_ref(), &given, root.at)?;
        let entries = self.map(&entries, &scope, Place::Root)?;
        let entries = self.extended(entries)?;
        Some(Node { at: root.at, value: Tree::Map(entries), plain: root.plain })
    }

    /// The scope of a file; `None` where a value is wrong, for then what would stand in the file is not known, and so
    /// what is wrong with the rest is not either.
    pub(super) fn bind(
        &mut self,
        declared: Option<&Entry>,
        given: &Given<'_>,
        start: Position,
    ) -> Option<Scope> {
        let before = self.found.count();
        let values = parameters::bind(declared, given, start, self.found);
        let scope = Scope(vec![("parameters".to_owned(), Value::Object(Rc::new(values)))]);
        (self.found.count() == before).then_some(scope)
    }

    pub(super) fn node(&mut self, node: &Node, scope: &Scope, place: Place) -> Option<Node> {
        let value = match &node.value {
            Tree::Null => {
                self.count(node.at, 0)?;
                Tree::Null
            }
            Tree::Text(text) => {
                self.count(node.at, 0)?;
                match self.scalar(text, node.at, scope) {
                    Some(made) => return self.settle(made, place),
                    None if self.full => return None,
                    // What is wrong with the rest of the file is told too, so the text is read on as it is.
                    None => Tree::Text(text.clone()),
                }
            }
            Tree::List(items) => Tree::List(self.list(items, scope, place)?),
            Tree::Map(entries) => {
                let mark = self.variables.len();
                let made = self.map(entries, scope, place)?;
                if place.has_own_variables() {
                    self.variables.truncate(mark);
                }
                Tree::Map(made)
            }
        };
        Some(Node { at: node.at, value, plain: node.plain })
    }

    pub(super) fn count(&mut self, at: Position, bytes: usize) -> Option<()> {
        self.nodes += 1;
        self.bytes += bytes;
        if self.nodes <= MOST_NODES && self.bytes <= LONGEST {
            return Some(());
        }
        self.give_up(
            at,
            &format!("the file's expressions make more than {MOST_NODES} values or {LONGEST} bytes"),
        )
    }

    pub(super) fn give_up<T>(&mut self, at: Position, why: &str) -> Option<T> {
        if !std::mem::replace(&mut self.full, true) {
            self.found.add(at, "", why);
        }
        None
    }

    /// Goes a level deeper; [`Self::leave`] comes back.
    pub(super) fn enter(&mut self, at: Option<Position>) -> Option<()> {
        let at = at.unwrap_or(Position::START);
        self.depth += 1;
        if self.depth > DEEPEST {
            return self
                .give_up(at, &format!("the file and its templates are nested deeper than {DEEPEST} levels"));
        }
        self.count(at, 0)
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn fault(&mut self, at: Position, message: impl Into<String>) {
        let source = self.sources.get(at.file).map_or("", |source| source.text.as_str());
        self.found.add(place_of_template(source, at), "", message);
    }

    /// Tells that what stands below a directive does not fit where the directive stands.
    pub(super) fn misplaced(&mut self, at: Position, below: &Node, wanted: &str) {
        let kind = below.value.kind();
        self.found.add(at, "", format!("has {kind} below it; it needs {wanted} here"));
    }

    pub(super) fn evaluate(&mut self, text: &str, at: Position, scope: &Scope) -> Option<Value> {
        let known = Known { scope, variables: &self.variables, copied: Cell::new(0) };
        let value = evaluate(text.trim(), &known);
        self.nodes += known.copied.get();
        self.count(at, 0)?;
        value.map_err(|why| self.fault(at, why)).ok()
    }

    /// A text that is one expression is its value, whatever that is; within other text it is text. `None` also where an
    /// expression is wrong.
    pub(super) fn scalar(&mut self, text: &str, at: Position, scope: &Scope) -> Option<Node> {
        let parts = match split(text) {
            Ok(parts) => parts,
            Err(why) => {
                self.fault(at, why);
                return None;
            }
        };
        if let [(before, Some(inner))] = parts.as_slice()
            && before.is_empty()
        {
            if directive(inner).is_some() {
                self.fault(at, format!("`${{{{{inner}}}}}` can only be a key, with a `:` behind it"));
                return None;
            }
            let node = self.evaluate(inner, at, scope)?.node(at);
            self.weigh(&node)?;
            return Some(node);
        }
        let text = self.text(&parts, at, scope)?;
        Some(Node { at, value: Tree::Text(text), plain: false })
    }

    fn text(&mut self, parts: &[(&str, Option<&str>)], at: Position, scope: &Scope) -> Option<String> {
        let mut made = String::new();
        for (before, inner) in parts {
            made.push_str(before);
            let Some(inner) = inner else { continue };
            let value = self.evaluate(inner, at, scope)?;
            match functions::text(&value) {
                Ok(text) => made.push_str(&text),
                Err(why) => self.fault(at, why),
            }
        }
        self.count(at, made.len())?;
        Some(made)
    }

    /// Counts what an expression put into the file.
    fn weigh(&mut self, node: &Node) -> Option<()> {
        match &node.value {
            Tree::Null => self.count(node.at, 0),
            Tree::Text(text) => self.count(node.at, text.len()),
            Tree::List(items) => items.iter().try_for_each(|item| self.weigh(item)),
            Tree::Map(entries) => entries.iter().try_for_each(|entry| self.weigh(&entry.value)),
        }
    }
}

/// What a mapping says under a key.
pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Tree::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    }
}

/// Takes a key out of a mapping.
pub(super) fn taken(entries: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    let index = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(index))
}
