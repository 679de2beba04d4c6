//! Tags of builds and definitions. They are told apart without regard to case; the first spelling stays.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::build_refusal::BuildRefusal;
use super::project::Person;
use super::{Document, State};
use crate::wire::ids::{DefinitionId, RunId};

fn check(tags: &[String]) -> Result<(), BuildRefusal> {
    if tags.iter().any(|tag| tag.trim().is_empty() || tag.len() > 400) {
        return Err(BuildRefusal::InvalidBuild("A tag is empty or longer than 400 characters.".to_owned()));
    }
    Ok(())
}

fn merge(tags: &mut BTreeSet<String>, add: Vec<String>, remove: &[String]) {
    for tag in add {
        if !tags.iter().any(|known| known.eq_ignore_ascii_case(&tag)) {
            tags.insert(tag);
        }
    }
    tags.retain(|known| !remove.iter().any(|tag| tag.eq_ignore_ascii_case(known)));
}

impl State {
    /// Adds and removes tags; those that there are then.
    pub(crate) fn tag_build(
        &mut self,
        id: RunId,
        (add, remove): (Vec<String>, Vec<String>),
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, BuildRefusal> {
        self.build(id)?;
        check(&add)?;
        let notes = self.noted(id, by, now);
        merge(&mut notes.tags, add, &remove);
        Ok(notes.tags.clone())
    }

    /// The same for a definition. It is no new revision of it.
    pub(crate) fn tag_definition(
        &mut self,
        id: DefinitionId,
        add: Vec<String>,
        remove: &[String],
    ) -> Result<&BTreeSet<String>, BuildRefusal> {
        check(&add)?;
        let known = self.project.definitions.get_mut(&id).ok_or(BuildRefusal::DefinitionNotFound(id))?;
        merge(&mut known.tags, add, remove);
        self.dirty.insert(Document::Definition(id));
        Ok(&known.tags)
    }

    /// The tags of all builds.
    pub(crate) fn build_tags(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for build in self.builds().filter(|build| !build.is_deleted()) {
            all.extend(build.tags().cloned());
        }
        all
    }
}
