//! JSON to trees: strings become literals or expressions, and what can be said of an expression without its values is
//! said here.

use super::reader::Reader;
use crate::diagnostic::Span;
use crate::expr::eval::{Place, unexpected_here, unknown_function, wrong_count};
use crate::expr::{self, Expr, Text};
use crate::jsonc::{Kind, Member, Node, reader::source_offset};
use crate::tree::{Constant, Copy, Entry, Key, Object, Tree, TreeKind};
use crate::value::folded;
use serde_json::Value;
use std::collections::HashMap;

/// Longest string, in characters.
const MAX_LITERAL: usize = 131_072;

impl Reader<'_> {
    /// A value whose strings may be expressions; `copy` members are loops where `copies`.
    pub(super) fn tree(&mut self, node: &Node, place: Place, copies: bool) -> Tree {
        let kind = match &node.kind {
            Kind::String(text) => self.text(text, node.span, place),
            Kind::Array(elements) => {
                let elements: Vec<Tree> =
                    elements.iter().map(|element| self.tree(element, place, copies)).collect();
                if elements.iter().all(Tree::is_constant) {
                    array(elements)
                } else {
                    TreeKind::Array(elements)
                }
            }
            Kind::Object(members) => self.object(members, place, copies),
            _ => TreeKind::Constant(Constant::scalar(node.to_value())),
        };
        Tree { kind, span: node.span }
    }

    fn object(&mut self, members: &[Member], place: Place, copies: bool) -> TreeKind {
        let mut entries: Vec<Entry> = Vec::with_capacity(members.len());
        let mut loops = Vec::new();
        let mut places = Places::default();
        for member in members {
            if copies && member.name.eq_ignore_ascii_case("copy") && member.value.elements().is_some() {
                loops = self.copies(&member.value, place);
                continue;
            }
            let key = match self.text(&member.name, member.name_span, place) {
                TreeKind::Expression(expr) => Key::Expression(expr, member.name_span),
                TreeKind::Constant(Constant { value: Value::String(name), .. }) => Key::Plain(name),
                _ => Key::Plain(member.name.clone()),
            };
            let value = self.tree(&member.value, place, copies);
            // The last of several members with one name counts.
            match places.of(&key, &entries) {
                Some(place) => entries[place] = Entry { key, value },
                None => entries.push(Entry { key, value }),
            }
        }
        let plain = |entry: &Entry| matches!(entry.key, Key::Plain(_)) && entry.value.is_constant();
        if !loops.is_empty() || !entries.iter().all(plain) {
            return TreeKind::Object(Object::new(entries, loops));
        }
        let mut steps = Vec::with_capacity(entries.len());
        let pairs = entries.into_iter().filter_map(|entry| {
            let (Key::Plain(name), TreeKind::Constant(constant)) = (entry.key, entry.value.kind) else {
                return None;
            };
            steps.push(constant.steps);
            Some((name, constant.value))
        });
        let value = Value::Object(pairs.collect());
        TreeKind::Constant(Constant::composed(value, steps.into_iter()))
    }

    /// `[{"name", "count", "input"}]`.
    pub(super) fn copies(&mut self, node: &Node, place: Place) -> Vec<Copy> {
        let mut copies: Vec<Copy> = Vec::new();
        for element in node.elements().unwrap_or_default() {
            self.known_members(
                element,
                "TemplateCopyProperty",
                &["name", "count", "input", "mode", "batchSize"],
            );
            let name = element.get("name").and_then(Node::as_str);
            let (Some(name), Some(count), Some(input)) = (name, element.get("count"), element.get("input"))
            else {
                self.invalid(
                    "The copy loop is not valid: it needs the members 'name', 'count' and 'input'. Please see \
                     https://aka.ms/arm-copy for usage details.",
                    element.span,
                );
                continue;
            };
            if copies.iter().any(|copy| crate::value::same_name(&copy.name, name)) {
                self.invalid(
                    format!("The copy loop '{name}' is defined multiple times in one 'copy'."),
                    element.span,
                );
                continue;
            }
            let count = self.tree(count, place, false);
            let input = self.tree(input, place, true);
            copies.push(Copy { name: name.to_owned(), count, input });
        }
        copies
    }

    fn text(&mut self, text: &str, span: Span, place: Place) -> TreeKind {
        if text.len() > MAX_LITERAL && text.chars().count() > MAX_LITERAL {
            self.invalid(format!("The template literal length limit of '{MAX_LITERAL}' exceeded."), span);
            return TreeKind::Constant(Constant::scalar(Value::Null));
        }
        match expr::classify(text) {
            Ok(Text::Literal(text)) => TreeKind::Constant(Constant::scalar(Value::String(text))),
            Ok(Text::Expression(expr)) => {
                self.check(&expr, span, place);
                TreeKind::Expression(expr)
            }
            Err(error) => {
                let place = |decoded: usize| source_offset(&self.source, span, decoded);
                let exact = Span::new(place(error.at.0), place(error.at.1));
                self.invalid(
                    format!(
                        "{}. Please see https://aka.ms/arm-template-expressions for usage details.",
                        error.message
                    ),
                    exact,
                );
                TreeKind::Constant(Constant::scalar(Value::Null))
            }
        }
    }

    /// Functions exist, may stand here and have the right number of arguments.
    fn check(&mut self, expr: &Expr, literal: Span, place: Place) {
        let mut faults = Vec::new();
        expr.walk(&mut |inner| {
            let Some(call) = inner.call() else { return };
            let name = call.full_name();
            let message = match (call.function, &call.namespace) {
                (None, Some(_)) if self.user_functions.contains(&folded(&name)) => {
                    (place == Place::UserFunction && !self.symbolic).then(|| unexpected_here(&name))
                }
                (None, _) => Some(unknown_function(&name)),
                (Some(function), _) if !place.allows(function.place) => Some(unexpected_here(&call.name)),
                (Some(function), _) => {
                    let found = call.arguments.len();
                    let fits = (function.least..=function.most).contains(&found);
                    (!fits).then(|| wrong_count(&call.name, found, function.least, function.most))
                }
            };
            if let Some(message) = message {
                let offset = |decoded: usize| source_offset(&self.source, literal, decoded + 1);
                faults.push((message, Span::new(offset(inner.at.0), offset(inner.at.1))));
            }
        });
        for (message, span) in faults {
            self.invalid(message, span);
        }
    }
}

/// Finds the member of a plain name again.
#[derive(Default)]
struct Places(HashMap<String, usize>);

impl Places {
    /// So many members are looked through one by one, which is quicker than to hash their names.
    const FEW: usize = 16;

    /// Where the member of this name is among `entries`, all of which were asked for before they were added.
    fn of(&mut self, key: &Key, entries: &[Entry]) -> Option<usize> {
        let Key::Plain(name) = key else { return None };
        let plain = |entry: &Entry| matches!(&entry.key, Key::Plain(known) if known == name);
        let few = &entries[..entries.len().min(Self::FEW)];
        let found = few.iter().position(plain).or_else(|| self.0.get(name).copied());
        if found.is_none() && few.len() == Self::FEW {
            self.0.insert(name.clone(), entries.len());
        }
        found
    }
}

/// An array whose elements are all constant.
fn array(elements: Vec<Tree>) -> TreeKind {
    let mut steps = Vec::with_capacity(elements.len());
    let values = elements.into_iter().filter_map(|element| {
        let TreeKind::Constant(constant) = element.kind else { return None };
        steps.push(constant.steps);
        Some(constant.value)
    });
    let value = Value::Array(values.collect());
    TreeKind::Constant(Constant::composed(value, steps.into_iter()))
}

#[cfg(test)]
mod tests {
    use crate::Placeholders;
    use crate::tests::support::{plan, template};
    use serde_json::{Value, json};

    /// Few members are looked through, many are hashed: names come again from among the first and from among the last.
    #[test]
    fn the_last_of_several_members_with_one_name_counts_however_many_there_are() {
        for members in [3, 16, 17, 40] {
            for last in ["\"text\"", "\"[string(1)]\""] {
                let again = [0, members - 1, members - 1];
                let once = (0..members).map(|name| (name, name.to_string()));
                let written = once.chain(
                    again.into_iter().enumerate().map(|(turn, name)| (name, format!("[{turn}, {last}]"))),
                );
                let members_text: Vec<String> =
                    written.map(|(name, value)| format!("\"m{name}\": {value}")).collect();
                let outputs = json!({"outputs": {"o": {"type": "object", "value": "HERE"}}});
                let text = template(outputs).replace("\"HERE\"", &format!("{{{}}}", members_text.join(", ")));
                let found = plan(&text, json!({})).unwrap().outputs(&Placeholders).unwrap();
                let found = found["o"]["value"].as_object().expect("an object");
                let said = if last.contains('[') { "1" } else { "text" };
                let value = |name: usize| match name {
                    0 => json!([0, said]),
                    name if name == members - 1 => json!([2, said]),
                    name => Value::from(name),
                };
                let expected: Vec<_> = (0..members).map(|name| (format!("m{name}"), value(name))).collect();
                let found: Vec<_> = found.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
