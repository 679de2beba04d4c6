//! Folders of definitions: those that somebody made, those that definitions are in, and those above them.
//!
//! Source: azure-devops (PyPI): build_client.py (`create_folder`, `update_folder`, `delete_folder`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::build_refusal::BuildRefusal;
use super::project::Person;
use super::{Document, Moment, State};
use crate::wire::ids::DefinitionId;

/// A folder that somebody made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Folder {
    pub(crate) description: Option<String>,
    pub(crate) created: (Timestamp, Person),
    pub(crate) changed: Option<(Timestamp, Person)>,
}

/// The one form of a folder: `\`, `\nightly`.
pub(crate) fn folder_path(text: &str) -> String {
    let parts = text.split(['\\', '/']).map(str::trim).filter(|part| !part.is_empty());
    format!("\\{}", parts.collect::<Vec<_>>().join("\\"))
}

/// What a path is called after a folder at or above it was renamed; `None` where it is in another folder.
fn moved(path: &str, from: &str, to: &str) -> Option<String> {
    let rest = path.get(..from.len()).filter(|head| head.eq_ignore_ascii_case(from))?;
    let rest = &path[rest.len()..];
    (rest.is_empty() || rest.starts_with('\\')).then(|| format!("{to}{rest}"))
}

fn checked(path: &str) -> Result<String, BuildRefusal> {
    let path = folder_path(path);
    let odd = |c: char| c.is_control() || "\":<>|?*@".contains(c);
    if path == "\\" || path.len() > 400 || path.chars().any(odd) {
        return Err(BuildRefusal::InvalidFolder(format!(
            "The folder path '{path}' is not valid: it is the root, longer than 400 characters or has one of \" : < > | \
             ? * @ in it."
        )));
    }
    Ok(path)
}

impl State {
    /// The paths of all folders, in their order.
    pub(crate) fn folder_paths(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::from(["\\".to_owned()]);
        let of_definitions = self.project.definitions.values().map(|definition| &definition.content.path);
        for path in of_definitions.chain(self.project.folders.keys()) {
            let mut above = String::new();
            for name in path.split('\\').filter(|name| !name.is_empty()) {
                above = format!("{above}\\{name}");
                paths.insert(above.clone());
            }
        }
        paths
    }

    fn known_folder(&self, path: &str) -> Result<String, BuildRefusal> {
        let path = folder_path(path);
        let found = self.folder_paths().into_iter().find(|known| known.eq_ignore_ascii_case(&path));
        found.ok_or(BuildRefusal::FolderNotFound(path))
    }

    /// Makes a folder, and those above it.
    pub(crate) fn add_folder(
        &mut self,
        path: &str,
        description: Option<String>,
        by: Person,
        now: Timestamp,
    ) -> Result<String, BuildRefusal> {
        let path = checked(path)?;
        if self.known_folder(&path).is_ok() {
            return Err(BuildRefusal::FolderExists(path));
        }
        self.put_folder(&path, Folder { description, created: (now, by), changed: None });
        Ok(path)
    }

    fn put_folder(&mut self, path: &str, folder: Folder) {
        self.project.folders.insert(path.to_owned(), folder);
        self.dirty.insert(Document::Folder(path.to_owned()));
    }

    fn remove_folder(&mut self, path: &str) -> Option<Folder> {
        self.dirty.insert(Document::Folder(path.to_owned()));
        self.project.folders.remove(path)
    }

    /// Describes a folder anew, or gives it another path: what is in it and below it goes with it.
    pub(crate) fn update_folder(
        &mut self,
        path: &str,
        to: &str,
        description: Option<String>,
        (by, now): (Person, Timestamp),
    ) -> Result<String, BuildRefusal> {
        let from = self.known_folder(&checked(path)?)?;
        let to = checked(to)?;
        if to != from {
            self.check_move(&from, &to)?;
            self.move_folder(&from, &to);
        }
        let known = self.project.folders.get(&to);
        let created = known.map_or_else(|| (self.meta.created_on, by.clone()), |known| known.created.clone());
        let description = description.or_else(|| known.and_then(|known| known.description.clone()));
        self.put_folder(&to, Folder { description, created, changed: Some((now, by)) });
        Ok(to)
    }

    fn check_move(&self, from: &str, to: &str) -> Result<(), BuildRefusal> {
        if !to.eq_ignore_ascii_case(from) && moved(to, from, from).is_some() {
            return Err(BuildRefusal::InvalidFolder(format!(
                "The folder {from} cannot be moved into itself."
            )));
        }
        match self.known_folder(to) {
            Ok(known) if !known.eq_ignore_ascii_case(from) => Err(BuildRefusal::FolderExists(known)),
            _ => Ok(()),
        }
    }

    fn move_folder(&mut self, from: &str, to: &str) {
        for path in self.project.folders.keys().cloned().collect::<Vec<_>>() {
            if let Some(new) = moved(&path, from, to)
                && let Some(folder) = self.remove_folder(&path)
            {
                self.put_folder(&new, folder);
            }
        }
        for definition in self.project.definitions.values_mut() {
            if let Some(new) = moved(&definition.content.path, from, to) {
                definition.content.path = new;
                self.dirty.insert(Document::Definition(definition.id));
            }
        }
    }

    /// Deletes a folder with what is in it and below it: folders, definitions, their builds. Refused before anything is
    /// deleted where one of the definitions cannot be.
    pub(crate) fn delete_folder(&mut self, path: &str, moment: Moment<'_>) -> Result<(), BuildRefusal> {
        let path = self.known_folder(&checked(path)?)?;
        let inside = |other: &str| moved(other, &path, &path).is_some();
        let definitions: Vec<DefinitionId> = self
            .project
            .definitions
            .values()
            .filter(|definition| inside(&definition.content.path))
            .map(|definition| definition.id)
            .collect();
        for id in &definitions {
            self.check_deletable(*id, moment.now)?;
        }
        for id in definitions {
            self.delete_definition(id, moment)?;
        }
        for folder in self.project.folders.keys().filter(|one| inside(one)).cloned().collect::<Vec<_>>() {
            self.remove_folder(&folder);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_folder_goes_with_it_and_nothing_else_does() {
        for (path, expected) in [
            ("\\ci", Some("\\build")),
            ("\\CI\\nightly", Some("\\build\\nightly")),
            ("\\city", None),
            ("\\", None),
            ("\\other\\ci", None),
        ] {
            assert_eq!(moved(path, "\\ci", "\\build").as_deref(), expected, "{path}");
        }
        assert_eq!(moved("\\é", "\\ci", "\\build"), None, "no character is cut in two");
    }
}
