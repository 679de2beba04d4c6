//! Parameters of a pipeline file, and the template expressions (`${{ }}`) that say where they go. Expressions are replaced
//! in the tree before anything else of the file is read.
//!
//! Source: azure-devops-docs: runtime-parameters.md, template-expressions.md.

mod expression;
mod functions;
mod parameters;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::fault::{Found, Position};
use crate::yaml::{Entry, Node, Value as Tree, place_of_template};
use expression::{Scope, evaluate};
use value::Value;

/// Most values of a file whose expressions are replaced: `each` in `each` must not fill the memory.
const MOST_NODES: usize = 50_000;
/// Longest text of all values that expressions made, in bytes.
const LONGEST: usize = 4 << 20;

/// Takes the parameters out of a file and replaces its expressions. `source` is the file's text, to find places in.
pub(crate) fn expand(
    mut root: Node,
    source: &str,
    given: &BTreeMap<String, String>,
    found: &mut Found,
) -> Option<Node> {
    let Tree::Map(entries) = &mut root.value else { return Some(root) };
    let declared = entries.iter().position(|entry| entry.key == "parameters").map(|at| entries.remove(at));
    let before = found.count();
    let values = parameters::bind(declared.as_ref(), given, root.at, found);
    if found.count() > before {
        // What would stand in the file is not known, so what is wrong with the rest is not either.
        return None;
    }
    let scope = Scope(vec![("parameters".to_owned(), Value::Object(Rc::new(values)))]);
    Expansion { source, found, nodes: 0, bytes: 0, full: false }.node(&root, &scope)
}

struct Expansion<'a> {
    source: &'a str,
    found: &'a mut Found,
    nodes: usize,
    bytes: usize,
    /// It was told that there is too much.
    full: bool,
}

/// A key that is no key.
enum Directive<'a> {
    If(&'a str),
    ElseIf(&'a str),
    Else,
    Each(&'a str, &'a str),
    Insert,
}

/// What became of the conditions before an `elseif` or `else`.
#[derive(Clone, Copy, PartialEq)]
enum Chain {
    None,
    Open,
    Taken,
}

impl Expansion<'_> {
    fn node(&mut self, node: &Node, scope: &Scope) -> Option<Node> {
        self.count(node.at, 0)?;
        let value = match &node.value {
            Tree::Null => Tree::Null,
            // What is wrong with the rest of the file is told too, so the text is read on as it is.
            Tree::Text(text) => match self.scalar(text, node.at, scope) {
                None if !self.full => Tree::Text(text.clone()),
                replaced => return replaced,
            },
            Tree::List(items) => Tree::List(self.list(items, scope)?),
            Tree::Map(entries) => Tree::Map(self.map(entries, scope)?),
        };
        Some(Node { at: node.at, value, plain: node.plain })
    }

    fn count(&mut self, at: Position, bytes: usize) -> Option<()> {
        self.nodes += 1;
        self.bytes += bytes;
        if self.nodes <= MOST_NODES && self.bytes <= LONGEST {
            return Some(());
        }
        if !std::mem::replace(&mut self.full, true) {
            let message =
                format!("the file's expressions make more than {MOST_NODES} values or {LONGEST} bytes");
            self.found.add(at, "", message);
        }
        None
    }

    fn fault(&mut self, at: Position, message: impl Into<String>) {
        let at = place_of_template(self.source, at);
        self.found.add(at, "", message);
    }

    /// Tells that what stands below a directive does not fit where the directive stands.
    fn misplaced(&mut self, at: Position, below: &Node, wanted: &str) {
        let kind = below.value.kind();
        self.found.add(at, "", format!("has {kind} below it; it needs {wanted} here"));
    }

    fn evaluate(&mut self, text: &str, at: Position, scope: &Scope) -> Option<Value> {
        evaluate(text.trim(), scope).map_err(|why| self.fault(at, why)).ok()
    }

    /// A text that is one expression is its value, whatever that is; within other text it is text.
    fn scalar(&mut self, text: &str, at: Position, scope: &Scope) -> Option<Node> {
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

    fn list(&mut self, items: &[Node], scope: &Scope) -> Option<Vec<Node>> {
        let (mut made, mut chain) = (Vec::new(), Chain::None);
        for item in items {
            let entry = match &item.value {
                Tree::Map(entries) if entries.len() == 1 => entries.first(),
                _ => None,
            };
            let inner = entry.and_then(|entry| whole(&entry.key));
            if let (Some(entry), Some(directive)) = (entry, inner.and_then(directive)) {
                for scope in self.chosen(&directive, entry.at, scope, &mut chain) {
                    match self.node(&entry.value, &scope)? {
                        Node { value: Tree::List(items), .. } => made.extend(items),
                        Node { value: Tree::Null, .. } => {}
                        other => self.misplaced(entry.at, &other, "a list"),
                    }
                }
                continue;
            }
            chain = Chain::None;
            let is_expression = matches!(&item.value, Tree::Text(text) if whole(text).is_some());
            match self.node(item, scope)? {
                // A list that stands for an item is as many items.
                Node { value: Tree::List(items), .. } if is_expression => made.extend(items),
                node => made.push(node),
            }
        }
        Some(made)
    }

    fn map(&mut self, entries: &[Entry], scope: &Scope) -> Option<Vec<Entry>> {
        let (mut made, mut chain) = (Vec::<Entry>::new(), Chain::None);
        for entry in entries {
            if let Some(directive) = whole(&entry.key).and_then(directive) {
                for scope in self.chosen(&directive, entry.at, scope, &mut chain) {
                    match self.node(&entry.value, &scope)? {
                        Node { value: Tree::Map(entries), .. } => {
                            for entry in entries {
                                self.put(&mut made, entry);
                            }
                        }
                        Node { value: Tree::Null, .. } => {}
                        other => self.misplaced(entry.at, &other, "a mapping"),
                    }
                }
                continue;
            }
            chain = Chain::None;
            let key = match self.scalar(&entry.key, entry.at, scope) {
                Some(Node { value: Tree::Text(key), .. }) => key,
                None => continue,
                Some(other) => {
                    self.fault(entry.at, format!("a key must be text; this one is {}", other.value.kind()));
                    continue;
                }
            };
            let value = self.node(&entry.value, scope)?;
            self.put(&mut made, Entry { key, at: entry.at, value });
        }
        Some(made)
    }

    fn put(&mut self, made: &mut Vec<Entry>, entry: Entry) {
        match made.iter().find(|known| known.key == entry.key) {
            Some(known) => {
                let message = format!("is there twice; the first is in line {}", known.at.line);
                self.found.add(entry.at, &entry.key, message);
            }
            None => made.push(entry),
        }
    }

    /// In which scopes what is below a directive is put in: in none, one, or one for each value.
    fn chosen(
        &mut self,
        directive: &Directive<'_>,
        at: Position,
        scope: &Scope,
        chain: &mut Chain,
    ) -> Vec<Scope> {
        let condition = match directive {
            Directive::If(condition) => Some(*condition),
            Directive::ElseIf(_) | Directive::Else if *chain == Chain::None => {
                self.fault(at, "`elseif` and `else` stand behind an `if`");
                return Vec::new();
            }
            Directive::ElseIf(_) | Directive::Else if *chain == Chain::Taken => return Vec::new(),
            Directive::ElseIf(condition) => Some(*condition),
            Directive::Else | Directive::Insert => None,
            Directive::Each(name, list) => {
                *chain = Chain::None;
                return self.each(name, list, at, scope);
            }
        };
        let holds = match condition {
            Some(condition) => self.evaluate(condition, at, scope).is_some_and(|value| value.truth()),
            None => true,
        };
        *chain = match (condition, holds) {
            (None, _) => Chain::None,
            (Some(_), true) => Chain::Taken,
            (Some(_), false) => Chain::Open,
        };
        if holds { vec![scope.clone()] } else { Vec::new() }
    }

    /// A mapping's values have `key` and `value`.
    fn each(&mut self, name: &str, list: &str, at: Position, scope: &Scope) -> Vec<Scope> {
        let pair = |(key, value): &(String, Value)| {
            Value::Object(Rc::new(vec![
                ("key".to_owned(), Value::String(key.clone())),
                ("value".to_owned(), value.clone()),
            ]))
        };
        let values = match self.evaluate(list, at, scope) {
            Some(Value::Array(items)) => items.to_vec(),
            Some(Value::Object(fields)) => fields.iter().map(pair).collect(),
            Some(Value::Null) | None => Vec::new(),
            Some(other) => {
                self.fault(at, format!("Expected an array or object. Value: {}", other.kind()));
                Vec::new()
            }
        };
        let inner = |value| Scope(scope.0.iter().cloned().chain([(name.to_owned(), value)]).collect());
        values.into_iter().map(inner).collect()
    }
}

/// What is inside a text that is one expression.
fn whole(text: &str) -> Option<&str> {
    match split(text).ok()?.as_slice() {
        [("", Some(inner))] => Some(inner),
        _ => None,
    }
}

fn directive(inner: &str) -> Option<Directive<'_>> {
    let inner = inner.trim();
    let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    Some(match word.to_ascii_lowercase().as_str() {
        "if" => Directive::If(rest),
        "elseif" => Directive::ElseIf(rest),
        "else" if rest.trim().is_empty() => Directive::Else,
        "insert" if rest.trim().is_empty() => Directive::Insert,
        "each" => {
            let (name, rest) = rest.trim_start().split_once(char::is_whitespace)?;
            let list = rest.trim_start().strip_prefix("in")?;
            list.starts_with(char::is_whitespace).then_some(Directive::Each(name, list))?
        }
        _ => return None,
    })
}

/// The parts of a text: what stands before each expression, and what is in it. Texts in quotes may hold braces.
fn split(text: &str) -> Result<Vec<(&str, Option<&str>)>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${{") {
        let mut quoted = false;
        let end = after.char_indices().find(|(at, c)| {
            quoted ^= *c == '\'';
            !quoted && after[*at..].starts_with("}}")
        });
        let Some((end, _)) = end else {
            return Err("the expression has no end: `}}` is missing".to_owned());
        };
        parts.push((before, Some(&after[..end])));
        rest = &after[end + 2..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push((rest, None));
    }
    Ok(parts)
}
