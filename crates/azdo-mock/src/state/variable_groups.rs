//! Variable groups of the project: made and changed by those who manage them, named by pipeline files, whose jobs get
//! their variables.
//!
//! Source: azure-devops (PyPI): task_agent/models.py (`VariableGroup`); texts: public error reports.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline_yaml::Plan;
use serde::{Deserialize, Serialize};

use super::project::Person;
use super::{Document, Refusal, State};
use crate::wire::ids::GroupId;

/// A variable group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VariableGroup {
    pub(crate) id: GroupId,
    pub(crate) content: GroupContent,
    pub(crate) created: (Timestamp, Person),
    pub(crate) modified: (Timestamp, Person),
}

/// What people write into it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupContent {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) variables: BTreeMap<String, GroupVariable>,
}

/// A variable of a group. Serialized only into the encrypted store.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupVariable {
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) is_secret: bool,
    #[serde(default)]
    pub(crate) is_read_only: bool,
}

impl std::fmt::Debug for GroupVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_secret { "secret" } else { self.value.as_deref().unwrap_or_default() })
    }
}

impl State {
    /// Makes a group.
    pub(crate) fn add_variable_group(
        &mut self,
        content: GroupContent,
        by: Person,
        now: Timestamp,
    ) -> Result<GroupId, Refusal> {
        self.free_group(&content.name, None)?;
        let id = GroupId(self.meta.next_group.max(1));
        self.meta.next_group = id.0 + 1;
        let group = VariableGroup { id, content, created: (now, by.clone()), modified: (now, by) };
        self.project.variable_groups.insert(id, group);
        self.dirty.extend([Document::Meta, Document::VariableGroup(id)]);
        Ok(id)
    }

    /// Writes a group anew. A secret without a value keeps the one it has: it was shown to nobody who could send it back.
    pub(crate) fn update_variable_group(
        &mut self,
        id: GroupId,
        mut content: GroupContent,
        by: Person,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let old = &self.variable_group(id)?.content.variables;
        for (name, variable) in &mut content.variables {
            let before = old.get(name).filter(|before| before.is_secret && variable.is_secret);
            if let Some(before) = before.filter(|_| variable.value.is_none()) {
                variable.value.clone_from(&before.value);
            }
        }
        self.free_group(&content.name, Some(id))?;
        if let Some(group) = self.project.variable_groups.get_mut(&id) {
            group.content = content;
            group.modified = (now, by);
        }
        self.dirty.insert(Document::VariableGroup(id));
        Ok(())
    }

    /// Takes a group away.
    pub(crate) fn delete_variable_group(&mut self, id: GroupId) -> Result<(), Refusal> {
        self.project.variable_groups.remove(&id).ok_or(Refusal::VariableGroupNotFound(id))?;
        self.dirty.insert(Document::VariableGroup(id));
        Ok(())
    }

    /// The group, or the refusal that says it is not there.
    pub(crate) fn variable_group(&self, id: GroupId) -> Result<&VariableGroup, Refusal> {
        self.project.variable_groups.get(&id).ok_or(Refusal::VariableGroupNotFound(id))
    }

    /// The group of a name, in any case.
    pub(crate) fn variable_group_named(&self, name: &str) -> Option<&VariableGroup> {
        self.project.variable_groups.values().find(|group| group.content.name.eq_ignore_ascii_case(name))
    }

    /// Names of groups in a pipeline file that are not there, each once.
    pub(super) fn missing_groups<'a>(&self, plan: &'a Plan) -> BTreeSet<&'a str> {
        let named = plan.jobs().flat_map(|(_, job)| &job.groups).map(|group| group.name.as_str());
        named.filter(|name| self.variable_group_named(name).is_none()).collect()
    }

    fn free_group(&self, name: &str, own: Option<GroupId>) -> Result<(), Refusal> {
        match self.variable_group_named(name).filter(|group| Some(group.id) != own) {
            Some(_) => Err(Refusal::VariableGroupExists(name.to_owned())),
            None => Ok(()),
        }
    }
}
