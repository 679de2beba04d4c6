//! The text as a tree with places. The only module that knows the YAML library.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use crate::fault::{Faults, Found, Position};

/// Longest file, in bytes.
const LONGEST: usize = 256 << 10;
/// Deepest nesting. A pipeline file needs seven.
pub(crate) const DEEPEST: usize = 32;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its first character.
    pub at: Position,
    /// What it is.
    pub value: Value,
    /// Whether it is a scalar without quotes, which other readers of YAML take for a number or a truth value where it
    /// looks like one.
    pub plain: bool,
}

/// What a file says at one place.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Any other scalar, as it is written: Azure Pipelines knows no numbers or truth values here.
    Text(String),
    /// Values, in order.
    List(Vec<Node>),
    /// Keys with their values, in order; no key is there twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub at: Position,
    /// What it stands for.
    pub value: Node,
}

impl Value {
    /// What it is, in a sentence.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads the only document of another file in the same YAML, such as a seed: one without anchors, tags and templates.
///
/// Scalars are text as they are written, so that whoever reads a key says what its value means.
pub fn tree(text: &str) -> Result<Node, Faults> {
    let mut found = Found::default();
    let root = document(text, 0, &mut found);
    if let Some(root) = &root {
        no_templates(text, root, &mut found);
    }
    found.or(root)
}

/// The parts of a file whose keys are read by several readers: for each list of keys the same text with the lines of all
/// other keys empty, so that lines keep their numbers. A part without a key is empty.
///
/// # Errors
/// The text is no YAML; a key is in no list; keys of two parts stand in one line.
pub fn parts(text: &str, readers: &[&[&str]]) -> Result<Vec<String>, Faults> {
    let root = tree(text)?;
    let Value::Map(entries) = &root.value else {
        // Each reader says what it needs.
        return Ok(readers.iter().map(|_| text.to_owned()).collect());
    };
    let mut found = Found::default();
    let mut owners = Vec::new();
    for entry in entries {
        let Some(owner) = readers.iter().position(|keys| keys.contains(&entry.key.as_str())) else {
            let known = readers.concat();
            let near = known.iter().find(|key| key.eq_ignore_ascii_case(&entry.key));
            let why = near.map_or_else(
                || format!("is not supported here; supported: {}", known.join(", ")),
                |near| format!("is not a key; it is written `{near}`"),
            );
            found.add(entry.at, &entry.key, why);
            continue;
        };
        if owners.last().is_some_and(|(line, before)| *line == entry.at.line && *before != owner) {
            found.add(entry.at, &entry.key, "stands in the line of another key; begin a line with it");
        }
        owners.push((entry.at.line, owner));
    }
    found.or(Some(()))?;
    Ok((0..readers.len()).map(|reader| part(text, &owners, reader)).collect())
}

/// The lines of one reader's keys; what stands before the first key is everybody's.
fn part(text: &str, owners: &[(usize, usize)], reader: usize) -> String {
    let own =
        |line: usize| owners.iter().rfind(|(begins, _)| *begins <= line).is_none_or(|one| one.1 == reader);
    if !owners.iter().any(|(_, owner)| *owner == reader) {
        return String::new();
    }
    let lines = text.split_inclusive('\n').enumerate();
    lines.map(|(index, line)| if own(index + 1) { line } else { "\n" }).collect()
}

/// Reads the only document of a text. Faults of YAML itself end the reading, others do not.
pub(crate) fn read(text: &str, found: &mut Found) -> Option<Node> {
    let root = document(text, 0, found);
    if matches!(&root, Some(Node { value: Value::Null, .. })) {
        found.add(Position::START, "", "the file is empty; it needs `steps` or `jobs`");
        return None;
    }
    root
}

/// Reads the only document of a text that has a number among the files of a pipeline; an empty one is null.
pub(crate) fn document(text: &str, file: usize, found: &mut Found) -> Option<Node> {
    let start = Position { file, ..Position::START };
    if text.len() > LONGEST {
        found.add(start, "", format!("the file has {} bytes; the most is {LONGEST}", text.len()));
        return None;
    }
    // Windows editors put it there; YAML allows it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader { parser: Parser::new_from_str(text), file, depth: 0, found }.document()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: usize,
    depth: usize,
    found: &'a mut Found,
}

impl<'a> Reader<'a> {
    fn position(&self, marker: Marker) -> Position {
        Position { file: self.file, line: marker.line().max(1), column: marker.col() + 1 }
    }

    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        match self.parser.next_event()? {
            Ok(event) => Some(event),
            Err(error) => {
                let at = self.position(*error.marker());
                self.found.add(at, "", format!("this is no YAML: {}", error.info()));
                None
            }
        }
    }

    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            let at = self.position(span.start);
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    self.found.add(at, "", "a second document begins here; the file may have one");
                    return root;
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        let at = Position { file: self.file, ..Position::START };
        Some(root.unwrap_or(Node { at, value: Value::Null, plain: false }))
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Option<Node> {
        let at = self.position(span.start);
        let plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(at, anchor, tag.is_some());
                if style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_only(at, anchor, tag.is_some());
                Value::List(self.nested(at, Self::list)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_only(at, anchor, tag.is_some());
                Value::Map(self.nested(at, Self::map)?)
            }
            Event::Alias(_) => {
                self.found.add(at, "", "aliases (`*name`) are not supported; write the value out");
                Value::Null
            }
            _ => return None,
        };
        Some(Node { at, value, plain })
    }

    fn nested<T>(&mut self, at: Position, read: fn(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == DEEPEST {
            self.found.add(at, "", format!("the file is nested deeper than {DEEPEST} levels"));
            return None;
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn list(&mut self) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(items),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Option<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => return Some(entries),
                other => other,
            };
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            let Value::Text(name) = key.value else {
                self.found.add(key.at, "", format!("a key must be text; this one is {}", key.value.kind()));
                continue;
            };
            // Two conditions may be the same.
            let is_template = name.starts_with("${{");
            if let Some(line) = lines.insert(name.clone(), key.at.line).filter(|_| !is_template) {
                self.found.add(key.at, &name, format!("is there twice; the first is in line {line}"));
                continue;
            }
            entries.push(Entry { key: name, at: key.at, value });
        }
    }

    /// Azure Pipelines refuses anchors too, and has no use for tags.
    fn plain_only(&mut self, at: Position, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.found.add(
                at,
                "",
                "anchors (`&name`) are not supported; write the value out where it is used",
            );
        }
        if tagged {
            self.found.add(at, "", "tags (`!name`) are not supported; every value is text");
        }
    }
}

/// Notes the template expressions of a file that has none.
fn no_templates(source: &str, node: &Node, found: &mut Found) {
    let mut check = |text: &str, at: Position| {
        if text.contains("${{") {
            let message = "template expressions (`${{ }}`) are not supported here; write the value";
            found.add(place_of_template(source, at), "", message);
        }
    };
    match &node.value {
        Value::Null => {}
        Value::Text(text) => check(text, node.at),
        Value::List(items) => items.iter().for_each(|item| no_templates(source, item, found)),
        Value::Map(entries) => {
            for entry in entries {
                check(&entry.key, entry.at);
            }
            for entry in entries {
                no_templates(source, &entry.value, found);
            }
        }
    }
}

/// Where the first template expression of a text is that begins at a place.
pub(crate) fn place_of_template(source: &str, start: Position) -> Position {
    let lines = source.lines().enumerate().skip(start.line - 1);
    let at =
        lines.map(|(index, line)| (index + 1, line.find("${{").map(|byte| line[..byte].chars().count() + 1)));
    at.into_iter()
        .find_map(|(line, column)| Some(Position { line, column: column?, ..start }))
        .unwrap_or(start)
}
