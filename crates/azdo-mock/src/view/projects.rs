//! The project, its queues, and people.
//!
//! Shapes: azure-devops (PyPI): core/models.py, task_agent/models.py (`TaskAgentQueue`), build/models.py (`IdentityRef`).

use serde_json::{Value, json};
use uuid::Uuid;

use super::pools::reference;
use crate::addresses::Addresses;
use crate::state::State;
use crate::state::members::PoolRights;
use crate::state::pools::PoolKind;
use crate::state::project::Person;
use crate::state::queues::Queue;
use crate::state::secrets::Caller;
use crate::wire::job::PROJECT;
use crate::wire::scopes::Scopes;
use crate::wire::time::stamp;

/// The service's own identity: who builds are of that no person asked for.
const SYSTEM: Uuid = Uuid::from_u128(0x0000_0002_0000_8888_8000_0000_0000_0000);

/// The process template `Basic`.
const PROCESS: &str = "b8a3a935-7e91-48b8-a94c-606d37c3e9f2";

/// The project as other things refer to it.
pub(crate) fn project(state: &State, addresses: &Addresses) -> Value {
    let id = state.meta.project_id;
    json!({
        "id": id,
        "name": PROJECT,
        "url": addresses.at(&format!("_apis/projects/{id}")),
        "state": "wellFormed",
        "revision": 1,
        "visibility": "private",
        "lastUpdateTime": stamp(state.meta.created_on),
    })
}

/// The project by itself.
pub(crate) fn whole_project(state: &State, addresses: &Addresses, with_capabilities: bool) -> Value {
    let id = state.meta.project_id;
    let mut shown = project(state, addresses);
    shown["_links"] = json!({
        "self": {"href": addresses.at(&format!("_apis/projects/{id}"))},
        "collection": {"href": addresses.at(&format!("_apis/projectCollections/{}", state.meta.instance_id))},
        "web": {"href": addresses.at(PROJECT)},
    });
    let whole = team(state, addresses);
    shown["defaultTeam"] = json!({"id": whole["id"], "name": whole["name"], "url": whole["url"]});
    if with_capabilities {
        shown["capabilities"] = json!({
            "processTemplate": {
                "templateName": "Basic",
                "templateTypeId": PROCESS,
            },
            "versioncontrol": {"sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False"},
        });
    }
    shown
}

/// The project's one team.
pub(crate) fn team(state: &State, addresses: &Addresses) -> Value {
    let project = state.meta.project_id;
    let id = Uuid::new_v5(&project, b"team");
    json!({
        "id": id,
        "name": format!("{PROJECT} Team"),
        "url": addresses.at(&format!("_apis/projects/{project}/teams/{id}")),
        "description": "The default project team.",
        "identityUrl": addresses.at(&format!("_apis/Identities/{id}")),
        "projectName": PROJECT,
        "projectId": project,
    })
}

/// The process that the project is of.
pub(crate) fn process(addresses: &Addresses) -> Value {
    json!({
        "id": PROCESS,
        "name": "Basic",
        "description": "",
        "isDefault": true,
        "type": "system",
        "url": addresses.at(&format!("_apis/process/processes/{PROCESS}")),
    })
}

/// What the project's properties say of its process and of version control; names as the service has them
/// (MicrosoftDocs/azure-devops-docs: project properties, sample response).
pub(crate) fn process_properties() -> [(&'static str, &'static str); 6] {
    [
        ("System.CurrentProcessTemplateId", PROCESS),
        ("System.OriginalProcessTemplateId", PROCESS),
        ("System.ProcessTemplateType", PROCESS),
        ("System.Process Template", "Basic"),
        ("System.SourceControlCapabilityFlags", "2"),
        ("System.SourceControlGitEnabled", "True"),
    ]
}

/// Who is in the team: whoever may come in as a person.
pub(crate) fn team_members(state: &State, addresses: &Addresses) -> Vec<Value> {
    let callers = std::iter::once(None).chain(state.members.keys().copied().map(Some));
    let person =
        |member| state.person(Caller::User { pools: PoolRights::None, scopes: Scopes::NONE, member });
    callers
        .map(|member| {
            json!({"isTeamAdmin": member.is_none(), "identity": identity(addresses, Some(&person(member)))})
        })
        .collect()
}

/// The organization as a collection of projects.
pub(crate) fn collection(state: &State, addresses: &Addresses) -> Value {
    let id = state.meta.instance_id;
    let url = addresses.at(&format!("_apis/projectCollections/{id}"));
    json!({"id": id, "name": addresses.organization, "url": url, "state": "Started"})
}

/// A queue.
pub(crate) fn queue(state: &State, queue: &Queue) -> Value {
    json!({
        "id": queue.id,
        "projectId": state.meta.project_id,
        "name": queue.name,
        "pool": state.pools.get(&queue.pool_id).map(|pool| reference(state, pool)),
    })
}

/// A queue as builds and definitions refer to it.
pub(crate) fn queue_reference(state: &State, addresses: &Addresses, queue: &Queue) -> Value {
    let url = addresses.at(&format!("_apis/build/Queues/{}", queue.id));
    let pool = state.pools.get(&queue.pool_id);
    let hosted = pool.is_some_and(|pool| pool.kind == PoolKind::Hosted);
    json!({
        "_links": {"self": {"href": url}},
        "id": queue.id,
        "name": queue.name,
        "url": url,
        "pool": {"id": queue.pool_id, "name": pool.map(|pool| &pool.name), "isHosted": hosted},
    })
}

/// Somebody; the service itself where it is nobody.
pub(crate) fn identity(addresses: &Addresses, person: Option<&Person>) -> Value {
    let (id, name) = person
        .map_or((SYSTEM, "Microsoft.VisualStudio.Services.TFS"), |person| (person.id, person.name.as_str()));
    let descriptor = format!("svc.{}", hex::encode(id.as_bytes()));
    let avatar = addresses.at(&format!("_apis/GraphProfile/MemberAvatars/{descriptor}"));
    json!({
        "displayName": name,
        "url": addresses.at(&format!("_apis/Identities/{id}")),
        "_links": {"avatar": {"href": avatar}},
        "id": id,
        "uniqueName": name,
        "imageUrl": avatar,
        "descriptor": descriptor,
    })
}
