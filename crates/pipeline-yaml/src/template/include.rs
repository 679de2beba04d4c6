//! Templates: which file a reference names, and what of it goes where the reference stands.
//!
//! Source: azure-devops-docs: templates.md ("Reference template paths", "Extend from a template", limits).

use std::rc::Rc;

use super::expansion::{Expansion, get, taken};
use super::parameters::Given;
use super::place::Place;
use crate::fault::Position;
use crate::yaml::{self, Entry, Node, Value as Tree};

/// Most templates of a pipeline, and how deep they may be nested (templates.md, "Imposed limits").
const MOST: usize = 100;
const DEEPEST: usize = 100;

/// A file of the pipeline.
pub(super) struct Source {
    /// From the root of the repository: `/ci/steps.yml`.
    pub(super) path: String,
    pub(super) text: String,
    /// `None` for what could not be read, and for the file itself.
    pub(super) tree: Option<Rc<Node>>,
}

impl Expansion<'_> {
    /// The items that a reference in a list stands for. `None`, here and below, also where it was told why there are none.
    pub(super) fn include(&mut self, reference: &Node, place: Place) -> Option<Vec<Node>> {
        let key = place.key()?;
        let depth = self.chain.len();
        let held = self.held(reference);
        self.chain.truncate(depth);
        let mut held = held?;
        let own = taken(&mut held, key);
        for entry in &held {
            let message = format!(
                "has no place here: a template that is named under `{key}` holds `parameters` and `{key}`"
            );
            self.found.add(entry.at, &entry.key, message);
        }
        let Some(own) = own else {
            if held.is_empty() {
                self.refuse(
                    reference,
                    &format!("has no `{key}` in it, as what is named under `{key}` must have"),
                );
            }
            return None;
        };
        match own.value.value {
            Tree::List(items) => Some(items),
            Tree::Null => Some(Vec::new()),
            Tree::Map(entries) if place == Place::Variables => {
                Some(entries.into_iter().map(variable).collect())
            }
            other => {
                self.found.add(own.value.at, key, format!("is {}; it needs a list", other.kind()));
                None
            }
        }
    }

    /// Puts what a file extends into the file.
    pub(super) fn extended(&mut self, mut entries: Vec<Entry>) -> Option<Vec<Entry>> {
        while let Some(extends) = taken(&mut entries, "extends") {
            for key in ["stages", "jobs", "steps"] {
                if let Some(entry) = taken(&mut entries, key) {
                    let message = "cannot stand beside `extends`: the template says what runs";
                    self.found.add(entry.at, key, message);
                }
            }
            if get(&extends.value, "template").is_none() {
                let message = "names no template; write `extends:` with `template: FILE` below it";
                self.found.add(extends.at, "extends", message);
                return None;
            }
            for entry in self.held(&extends.value)? {
                self.put(&mut entries, entry);
            }
        }
        Some(entries)
    }

    /// What a template holds, its expressions replaced. It stays the last one in the chain.
    fn held(&mut self, reference: &Node) -> Option<Vec<Entry>> {
        let (file, given) = self.named(reference)?;
        self.descend(file, reference.at)?;
        let tree = self.sources.get(file).and_then(|source| source.tree.clone())?;
        let Tree::Map(entries) = &tree.value else {
            let message = format!("is {}; a template is a mapping", tree.value.kind());
            self.found.add(tree.at, "", message);
            return None;
        };
        let mut entries = entries.clone();
        let declared = taken(&mut entries, "parameters");
        let given = Given::Reference(reference.at, given);
        let scope = self.bind(declared.as_ref(), &given, reference.at)?;
        self.map(&entries, &scope, Place::Root)
    }

    /// Goes into a template.
    fn descend(&mut self, file: usize, at: Position) -> Option<()> {
        if self.chain.len() < DEEPEST {
            self.chain.push(file);
            return Some(());
        }
        let circle = self.chain.iter().rposition(|known| *known == file).map(|start| {
            let names = self.chain[start..].iter().chain([&file]);
            let names =
                names.filter_map(|number| self.sources.get(*number)).map(|source| source.path.as_str());
            format!("; they go in a circle: {}", names.collect::<Vec<_>>().join(" → "))
        });
        let message =
            format!("templates are nested deeper than {DEEPEST} levels{}", circle.unwrap_or_default());
        self.give_up(at, &message)
    }

    /// The file that a reference names, and the values that it gives.
    fn named<'n>(&mut self, reference: &'n Node) -> Option<(usize, &'n [Entry])> {
        let Tree::Map(entries) = &reference.value else { return None };
        for entry in entries.iter().filter(|entry| !["template", "parameters"].contains(&entry.key.as_str()))
        {
            let message =
                "cannot stand beside `template`; a reference to a template has `template` and `parameters`";
            self.found.add(entry.at, &entry.key, message);
        }
        let given = match get(reference, "parameters").map(|node| (&node.value, node.at)) {
            None | Some((Tree::Null, _)) => &[],
            Some((Tree::Map(entries), _)) => entries.as_slice(),
            Some((other, at)) => {
                let message = format!("is {}; it needs a mapping: `name: value`", other.kind());
                self.found.add(at, "parameters", message);
                return None;
            }
        };
        let named = get(reference, "template")?;
        let Tree::Text(name) = &named.value else {
            self.refuse(reference, &format!("is {}; it needs the path of a file", named.value.kind()));
            return None;
        };
        // A reference is read from the file that it is written in, also where a parameter brought it here.
        let from = self.sources.get(named.at.file).map(|source| source.path.clone()).unwrap_or_default();
        match resolve(&from, name) {
            Ok(path) => self.load(&path, reference).map(|file| (file, given)),
            Err(why) => {
                self.refuse(reference, &format!("is `{name}`; {why}"));
                None
            }
        }
    }

    fn refuse(&mut self, reference: &Node, why: &str) {
        let at = get(reference, "template").map_or(reference.at, |named| named.at);
        self.found.add(at, "template", why);
    }

    /// The number of a file, which is read once.
    fn load(&mut self, path: &str, reference: &Node) -> Option<usize> {
        if let Some(known) = self.sources.iter().skip(1).position(|source| source.path == path) {
            return Some(known + 1);
        }
        let Some(templates) = self.inputs.templates else {
            let why =
                "names a file, but there is no repository to read it from; write out what the template holds";
            self.refuse(reference, why);
            return None;
        };
        if self.sources.len() > MOST {
            return self.give_up(reference.at, &format!("the file has more than {MOST} templates"));
        }
        let Some(text) = templates(path) else {
            self.refuse(reference, &format!("names a file that is not there: {path}"));
            return None;
        };
        let number = self.found.template(path);
        let tree = yaml::document(&text, number, self.found).map(Rc::new);
        self.sources.push(Source { path: path.to_owned(), text, tree });
        Some(number)
    }
}

/// A variable of a mapping as an item of a list.
fn variable(entry: Entry) -> Node {
    let Entry { key, at, value } = entry;
    let name = Node { at, value: Tree::Text(key), plain: false };
    let fields = [("name", name), ("value", value)];
    let fields = fields.map(|(key, value)| Entry { key: key.to_owned(), at, value });
    Node { at, value: Tree::Map(fields.into()), plain: false }
}

/// The path from the root of the repository that a reference in a file means.
pub(super) fn resolve(from: &str, name: &str) -> Result<String, String> {
    let name = name.replace('\\', "/");
    let (name, base) = match name.rsplit_once('@') {
        Some((name, "self")) => (name.to_owned(), ""),
        Some((_, repository)) => {
            return Err(format!(
                "there is no repository `{repository}`, only that of the file itself (`@self`)"
            ));
        }
        None if name.starts_with('/') => (name, ""),
        None => (name, from.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err("that is outside of the repository".to_owned()),
            ".." => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() || name.ends_with('/') {
        return Err("that is no file".to_owned());
    }
    Ok(format!("/{}", parts.join("/")))
}
