//! Lists and mappings: what directives and expressions put into them, the templates that items name, and which variables
//! are known where.

use super::branches::Chain;
use super::directive::{self, whole};
use super::expansion::{Expansion, get};
use super::expression::Scope;
use super::place::Place;
use crate::yaml::{Entry, Node, Value as Tree};

/// Most variables that are known at once. There can be no more in a file that is read: 500 of the file, stage and job each.
const MOST_VARIABLES: usize = 2_000;
impl Expansion<'_> {
    pub(super) fn list(&mut self, items: &[Node], scope: &Scope, place: Place) -> Option<Vec<Node>> {
        self.enter(items.first().map(|item| item.at))?;
        let (mut made, mut chain) = (Vec::new(), Chain::None);
        for item in items {
            if let Some(entries) = directives(item) {
                self.conditional(entries, scope, place, &mut chain, &mut made)?;
                continue;
            }
            chain = Chain::None;
            match &item.value {
                Tree::Text(text) if whole(text).is_some() => self.splice(item, scope, place, &mut made)?,
                _ => {
                    let node = self.node(item, scope, place.item())?;
                    self.push(node, place, &mut made)?;
                }
            }
        }
        self.leave();
        Some(made)
    }

    /// An item of a list that is directives: as many items as they choose. Mappings below them are one item together.
    fn conditional(
        &mut self,
        entries: &[Entry],
        scope: &Scope,
        place: Place,
        chain: &mut Chain,
        made: &mut Vec<Node>,
    ) -> Option<()> {
        let mut fields = Vec::new();
        for entry in entries {
            let Some(directive) = directive::of_key(&entry.key) else { continue };
            for scope in self.chosen(&directive, entry.at, scope, chain) {
                match &entry.value.value {
                    Tree::Null => {}
                    Tree::List(items) => made.extend(self.list(items, &scope, place)?),
                    Tree::Map(below) => {
                        for entry in self.map(below, &scope, place.item())? {
                            self.put(&mut fields, entry);
                        }
                    }
                    Tree::Text(text) if whole(text).is_some() => {
                        self.splice(&entry.value, &scope, place, made)?;
                    }
                    Tree::Text(_) => self.misplaced(entry.at, &entry.value, "a list or a mapping"),
                }
            }
        }
        let Some(first) = fields.first() else { return Some(()) };
        let item = Node { at: first.at, value: Tree::Map(fields), plain: false };
        self.push(item, place, made)
    }

    /// An expression that stands for an item: a list is as many items.
    fn splice(&mut self, item: &Node, scope: &Scope, place: Place, made: &mut Vec<Node>) -> Option<()> {
        self.count(item.at, 0)?;
        let Tree::Text(text) = &item.value else { return Some(()) };
        let items = match self.scalar(text, item.at, scope) {
            Some(Node { value: Tree::List(items), .. }) => items,
            Some(node) => vec![node],
            None if self.full => return None,
            None => vec![item.clone()],
        };
        for item in items {
            let item = self.settle(item, place.item())?;
            self.push(item, place, made)?;
        }
        Some(())
    }

    /// Adds an item; what names a template is what the template holds.
    fn push(&mut self, item: Node, place: Place, made: &mut Vec<Node>) -> Option<()> {
        if place.key().is_some() && get(&item, "template").is_some() {
            match self.include(&item, place) {
                Some(items) => made.extend(items),
                None if self.full => return None,
                // The rest can be read, and what is wrong with it be told.
                None => {
                    self.found.leave_out(item.at);
                    made.push(item);
                }
            }
            return Some(());
        }
        if place == Place::Variables
            && let (Some(name), Some(value)) = (get(&item, "name"), get(&item, "value"))
            && let Tree::Text(name) = &name.value
        {
            self.define(name, value);
        }
        made.push(item);
        Some(())
    }

    /// Puts templates into what an expression brought, such as the steps of a parameter, and learns its variables.
    pub(super) fn settle(&mut self, node: Node, place: Place) -> Option<Node> {
        let value = match node.value {
            Tree::List(items) if place.key().is_some() => {
                let mut made = Vec::new();
                for item in items {
                    let item = self.settle(item, place.item())?;
                    self.push(item, place, &mut made)?;
                }
                Tree::List(made)
            }
            Tree::Map(entries) if place == Place::Variables => {
                for entry in &entries {
                    self.define(&entry.key, &entry.value);
                }
                Tree::Map(entries)
            }
            Tree::Map(mut entries) if place.has_variables() => {
                let mark = self.variables.len();
                entries.sort_by_key(|entry| entry.key != "variables");
                for entry in &mut entries {
                    let value = std::mem::replace(&mut entry.value.value, Tree::Null);
                    let value = Node { value, ..entry.value };
                    entry.value = self.settle(value, place.of_key(&entry.key))?;
                }
                self.variables.truncate(mark);
                Tree::Map(entries)
            }
            value => value,
        };
        Some(Node { value, ..node })
    }

    /// The text of a variable is known from here on.
    pub(super) fn define(&mut self, name: &str, value: &Node) {
        let text = match &value.value {
            Tree::Text(text) => text.clone(),
            Tree::Null => String::new(),
            _ => return,
        };
        if self.variables.len() < MOST_VARIABLES {
            self.variables.push((name.to_owned(), text));
        }
    }

    pub(super) fn map(&mut self, entries: &[Entry], scope: &Scope, place: Place) -> Option<Vec<Entry>> {
        self.enter(entries.first().map(|entry| entry.at))?;
        let mut variables = self.variables_first(entries, scope, place);
        if self.full {
            return None;
        }
        let (mut made, mut chain) = (Vec::<Entry>::new(), Chain::None);
        for entry in entries {
            if let Some(directive) = directive::of_key(&entry.key) {
                for scope in self.chosen(&directive, entry.at, scope, &mut chain) {
                    self.merge(entry, &scope, place, &mut made)?;
                }
                continue;
            }
            chain = Chain::None;
            let key = match self.scalar(&entry.key, entry.at, scope) {
                Some(Node { value: Tree::Text(key), .. }) => key,
                None if self.full => return None,
                None => continue,
                Some(other) => {
                    self.fault(entry.at, format!("a key must be text; this one is {}", other.value.kind()));
                    continue;
                }
            };
            let early = if entry.key == "variables" { variables.take() } else { None };
            let value = match early {
                Some(value) => value,
                None => self.node(&entry.value, scope, place.of_key(&key))?,
            };
            if place == Place::Variables {
                self.define(&key, &value);
            }
            self.put(&mut made, Entry { key, at: entry.at, value });
        }
        self.leave();
        Some(made)
    }

    /// Variables are known to whatever stands beside them, also before them.
    fn variables_first(&mut self, entries: &[Entry], scope: &Scope, place: Place) -> Option<Node> {
        let entry = entries.iter().find(|entry| place.has_variables() && entry.key == "variables")?;
        self.node(&entry.value, scope, Place::Variables)
    }

    /// Puts what stands below a directive into a mapping.
    fn merge(&mut self, entry: &Entry, scope: &Scope, place: Place, made: &mut Vec<Entry>) -> Option<()> {
        let below = match &entry.value.value {
            Tree::Map(below) => Tree::Map(self.map(below, scope, place)?),
            _ => self.node(&entry.value, scope, place)?.value,
        };
        match below {
            Tree::Map(entries) => entries.into_iter().for_each(|entry| self.put(made, entry)),
            Tree::Null => {}
            value => {
                let below = Node { at: entry.at, value, plain: false };
                self.misplaced(entry.at, &below, "a mapping");
            }
        }
        Some(())
    }

    pub(super) fn put(&mut self, made: &mut Vec<Entry>, entry: Entry) {
        match made.iter().find(|known| known.key == entry.key) {
            Some(known) => {
                let message = format!("is there twice; the first is in {}", self.found.line(known.at));
                self.found.add(entry.at, &entry.key, message);
            }
            None => made.push(entry),
        }
    }
}

/// The keys of an item of a list that are all directives.
fn directives(item: &Node) -> Option<&[Entry]> {
    match &item.value {
        Tree::Map(entries) if !entries.is_empty() => {
            entries.iter().all(|entry| directive::of_key(&entry.key).is_some()).then_some(entries.as_slice())
        }
        _ => None,
    }
}
