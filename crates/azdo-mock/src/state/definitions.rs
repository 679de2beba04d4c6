//! Definitions (pipelines) and the files they name. There is no repository: the control API and the seed give the texts,
//! each under the path that a definition's `yamlFilename` would have.
//!
//! Source: azure-devops (PyPI): build/models.py (`BuildDefinition`); MicrosoftDocs/azure-devops-docs: run-number.md.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::build_refusal::BuildRefusal;
use super::project::Person;
use super::{Document, Moment, State};
use crate::wire::ids::{DefinitionId, QueueId, RunId};
use crate::wire::job::DEFINITION;

/// A definition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) id: DefinitionId,
    pub(crate) content: Content,
    /// Grows by one with each change.
    pub(crate) revision: i32,
    pub(crate) created_on: Timestamp,
    pub(crate) changed_on: Timestamp,
    pub(crate) author: Option<Person>,
    pub(crate) tags: BTreeSet<String>,
    /// Who changed it before, the first one first; the present revision is not among them.
    #[serde(default)]
    pub(crate) earlier: Vec<Revision>,
    /// The day of the last build number and how many that day has had.
    last_number: Option<(String, u32)>,
}

/// A revision of a definition that is over. Only that it was there is kept, not what it said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revision {
    pub(crate) number: i32,
    pub(crate) name: String,
    pub(crate) changed_on: Timestamp,
    pub(crate) author: Option<Person>,
}

/// What people write into a definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) name: String,
    /// The folder: `\`, `\nightly`.
    pub(crate) path: String,
    pub(crate) description: Option<String>,
    /// As it was written; [`file_path`] is how it is looked up.
    pub(crate) yaml_filename: String,
    /// Where jobs go whose file names no pool; `None`: the first queue.
    pub(crate) queue: Option<QueueId>,
    pub(crate) disabled: bool,
    pub(crate) variables: BTreeMap<String, DefinitionVariable>,
    /// Fields that are kept and change nothing.
    pub(crate) rest: Map<String, Value>,
}

/// A variable of a definition. Serialized only into the encrypted store.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionVariable {
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) is_secret: bool,
    #[serde(default)]
    pub(crate) allow_override: bool,
}

impl std::fmt::Debug for DefinitionVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_secret { "secret" } else { self.value.as_deref().unwrap_or_default() })
    }
}

impl Content {
    /// A definition of this name in the root folder.
    pub(crate) fn of(name: &str, yaml_filename: String) -> Self {
        Self {
            name: name.to_owned(),
            path: "\\".to_owned(),
            description: None,
            yaml_filename,
            queue: None,
            disabled: false,
            variables: BTreeMap::new(),
            rest: Map::new(),
        }
    }

    fn check(&self) -> Result<(), BuildRefusal> {
        let odd = |c: char| c.is_control() || "\"/:<>\\|?*@".contains(c);
        if self.name.trim().is_empty() || self.name.len() > 260 || self.name.chars().any(odd) {
            return Err(BuildRefusal::InvalidDefinition(format!(
                "The definition name '{}' is not valid: it is empty, longer than 260 characters or has one of \
                 \" / : < > \\ | ? * @ in it.",
                self.name
            )));
        }
        if file_path(&self.yaml_filename) == "/" {
            return Err(BuildRefusal::InvalidDefinition("The YAML process has no yamlFilename.".to_owned()));
        }
        Ok(())
    }
}

/// The one form of a file's path: `/ci/build.yml`.
pub(crate) fn file_path(name: &str) -> String {
    let parts = name.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".");
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}

impl Definition {
    /// The definition of what the control API queues.
    pub(super) fn control(now: Timestamp) -> Self {
        Self::new(DefinitionId::CONTROL, Content::of(DEFINITION, format!("{DEFINITION}.yml")), None, now)
    }

    /// What people hung on it.
    pub(crate) fn properties(&self) -> Map<String, Value> {
        self.content.rest.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The revision that it is in.
    pub(crate) fn present(&self) -> Revision {
        Revision {
            number: self.revision,
            name: self.content.name.clone(),
            changed_on: self.changed_on,
            author: self.author.clone(),
        }
    }

    fn new(id: DefinitionId, content: Content, author: Option<Person>, now: Timestamp) -> Self {
        Self {
            id,
            content,
            revision: 1,
            created_on: now,
            changed_on: now,
            author,
            tags: BTreeSet::new(),
            earlier: Vec::new(),
            last_number: None,
        }
    }
}

impl State {
    /// The definition, or the refusal that says it is not there.
    pub(crate) fn definition(&self, id: DefinitionId) -> Result<&Definition, BuildRefusal> {
        self.project.definitions.get(&id).ok_or(BuildRefusal::DefinitionNotFound(id))
    }

    /// Puts a pipeline's text under its name: a definition of that name, which is made where there is none, runs it from
    /// now on. The text is read when a run is queued, and what is wrong with it is told then.
    pub(crate) fn put_definition(
        &mut self,
        name: &str,
        yaml: String,
        moment: Moment<'_>,
    ) -> Result<DefinitionId, BuildRefusal> {
        let known =
            self.project.definitions.values().find(|known| known.content.name.eq_ignore_ascii_case(name));
        let (id, file) = if let Some(known) = known {
            (known.id, known.content.yaml_filename.clone())
        } else {
            let file = format!("{name}.yml");
            (self.add_definition(Content::of(name, file.clone()), None, moment.now)?, file)
        };
        self.put_file(&file, yaml);
        Ok(id)
    }

    /// Puts a pipeline file where definitions find it.
    pub(crate) fn put_file(&mut self, name: &str, text: String) {
        let path = file_path(name);
        self.project.files.insert(path.clone(), text);
        self.dirty.insert(Document::File(path));
    }

    /// Adds a definition. Its file need not be there yet.
    pub(crate) fn add_definition(
        &mut self,
        content: Content,
        author: Option<Person>,
        now: Timestamp,
    ) -> Result<DefinitionId, BuildRefusal> {
        self.check_content(None, &content)?;
        let id = DefinitionId(self.meta.next_definition.max(2));
        self.meta.next_definition = id.0 + 1;
        self.project.definitions.insert(id, Definition::new(id, content, author, now));
        self.dirty.extend([Document::Meta, Document::Definition(id)]);
        Ok(id)
    }

    /// Replaces what is in a definition. Whoever has read another revision than the present one is refused.
    pub(crate) fn update_definition(
        &mut self,
        id: DefinitionId,
        revision: Option<i32>,
        mut content: Content,
        author: Option<Person>,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        self.check_content(Some(id), &content)?;
        let known = self.project.definitions.get_mut(&id).ok_or(BuildRefusal::DefinitionNotFound(id))?;
        if revision != Some(known.revision) {
            return Err(BuildRefusal::DefinitionRevision { definition: id, revision: known.revision });
        }
        for (name, variable) in &mut content.variables {
            // A secret's value is never shown, so who sends the definition back leaves it out.
            if variable.is_secret && variable.value.is_none() {
                variable.value = known.content.variables.get(name).and_then(|kept| kept.value.clone());
            }
        }
        if !content.rest.contains_key("properties") {
            let kept = known.content.rest.get("properties").cloned();
            content.rest.extend(kept.map(|kept| ("properties".to_owned(), kept)));
        }
        let present = known.present();
        known.earlier.push(present);
        known.content = content;
        known.author = author;
        known.changed_on = now;
        known.revision += 1;
        self.dirty.insert(Document::Definition(id));
        Ok(())
    }

    fn check_content(&self, own: Option<DefinitionId>, content: &Content) -> Result<(), BuildRefusal> {
        content.check()?;
        if let Some(queue) = content.queue {
            self.queue(queue)?;
        }
        let taken = self.project.definitions.values().any(|known| {
            Some(known.id) != own
                && known.content.name.eq_ignore_ascii_case(&content.name)
                && known.content.path.eq_ignore_ascii_case(&content.path)
        });
        if taken { Err(BuildRefusal::DefinitionExists(content.name.clone())) } else { Ok(()) }
    }

    /// Removes a definition; its builds go with it, as far as they have ended.
    pub(crate) fn delete_definition(
        &mut self,
        id: DefinitionId,
        moment: Moment<'_>,
    ) -> Result<(), BuildRefusal> {
        self.check_deletable(id, moment.now)?;
        for build in self.builds_of(id) {
            self.cancel_run(build, moment.now);
            self.mark_deleted(build, None, moment.now);
        }
        self.project.definitions.remove(&id);
        self.dirty.insert(Document::Definition(id));
        Ok(())
    }

    fn builds_of(&self, id: DefinitionId) -> Vec<RunId> {
        self.builds().filter(|build| build.definition() == id).map(|build| build.id).collect()
    }

    /// Refuses to delete what is needed here, and what somebody keeps.
    pub(super) fn check_deletable(&self, id: DefinitionId, now: Timestamp) -> Result<(), BuildRefusal> {
        self.definition(id)?;
        if id == DefinitionId::CONTROL {
            return Err(BuildRefusal::InvalidDefinition(format!(
                "The definition {id} is that of everything the control API queues and cannot be deleted."
            )));
        }
        let kept = |build: &RunId| {
            self.project.notes.get(build).is_some_and(|notes| notes.keep_forever) || self.leased(*build, now)
        };
        if self.protected(id, now) || self.builds_of(id).iter().any(kept) {
            return Err(BuildRefusal::DefinitionRetained(id));
        }
        Ok(())
    }

    /// The number of a definition's next build: `yyyymmdd.n`, the service's `$(Date:yyyyMMdd).$(Rev:r)`.
    pub(super) fn next_build_number(&mut self, id: DefinitionId, now: Timestamp) -> Option<String> {
        let day = now.strftime("%Y%m%d").to_string();
        let known = self.project.definitions.get_mut(&id)?;
        let before =
            known.last_number.as_ref().filter(|(last, _)| *last == day).map_or(0, |(_, count)| *count);
        known.last_number = Some((day.clone(), before + 1));
        self.dirty.insert(Document::Definition(id));
        Some(format!("{day}.{}", before + 1))
    }
}
