//! What belongs to the one project: its doors to pools, its definitions and the files they name, and what people noted on
//! its builds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::State;
use super::builds::Notes;
use super::definitions::Definition;
use super::folders::Folder;
use super::leases::Lease;
use super::project_settings::ProjectSettings;
use super::queues::Queue;
use super::secrets::Caller;
use super::variable_groups::VariableGroup;
use crate::wire::ids::{DefinitionId, GroupId, LeaseId, QueueId, RunId};
use crate::wire::job::PROJECT;

/// What is in the project.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    pub(crate) queues: BTreeMap<QueueId, Queue>,
    pub(crate) definitions: BTreeMap<DefinitionId, Definition>,
    pub(crate) variable_groups: BTreeMap<GroupId, VariableGroup>,
    /// Texts of pipeline files by path, as [`super::definitions::file_path`] writes it. They stand for a repository.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    /// Folders of definitions that somebody made, by path.
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) settings: ProjectSettings,
    /// Builds without an entry have nothing noted on them.
    pub(crate) notes: BTreeMap<RunId, Notes>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

impl State {
    /// Who a caller is for people.
    pub(crate) fn person(&self, caller: Caller) -> Person {
        let (key, name) = match caller {
            Caller::User { member: None, .. } => ("user".to_owned(), "user".to_owned()),
            Caller::User { member: Some(id), .. } => {
                let name = self.members.get(&id).map(|member| member.display_name.clone());
                (id.to_string(), name.unwrap_or_else(|| id.to_string()))
            }
            Caller::Agent { id, .. } => (format!("agent-{id}"), format!("agent-{id}")),
            Caller::Job { .. } => ("build".to_owned(), format!("{PROJECT} Build Service")),
        };
        // The ids of connection data.
        Person { id: Uuid::new_v5(&self.meta.instance_id, key.as_bytes()), name }
    }
}
