//! Who of the directory belongs to the organization, and what each may do with agent pools.
//!
//! Source: MicrosoftDocs/azure-devops-docs: service-principal-managed-identity.md (a principal is nobody until it is
//! added), agents/pools-queues.md (the roles of a pool).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::documents::Document;
use super::event::EventKind;
use super::{Refusal, State};
use crate::wire::ids::PoolId;
use crate::wire::scopes::Scopes;

/// What somebody may do with agent pools; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolRights {
    /// Not even see them.
    None,
    /// See them and their agents: a pool's reader, scope `vso.agentpools`.
    Read,
    /// Register and remove agents: a pool's administrator, scope `vso.agentpools_manage`.
    Manage,
}

impl PoolRights {
    /// What tokens have had that were kept before there were rights.
    pub(crate) fn manage() -> Self {
        Self::Manage
    }

    /// What a token made for these scopes may do, whoever made it.
    pub(crate) fn of(scopes: Scopes) -> Self {
        if scopes.allows("vso.agentpools_manage") {
            Self::Manage
        } else if scopes.allows("vso.agentpools") {
            Self::Read
        } else {
            Self::None
        }
    }

    /// Whether pools are shown; one that is not is as good as absent.
    pub(crate) fn see(self, pool: PoolId) -> Result<(), Refusal> {
        if self >= Self::Read { Ok(()) } else { Err(Refusal::PoolNotFound(pool)) }
    }
}

/// A service principal or managed identity that was added to the organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The object in the directory, `oid` in its tokens.
    pub object_id: Uuid,
    /// How people call it.
    pub display_name: String,
    /// What it may do with agent pools.
    pub pools: PoolRights,
}

impl State {
    /// Adds a member or changes what it may do.
    pub(crate) fn put_member(&mut self, member: Member, now: Timestamp) {
        let (id, name) = (member.object_id, member.display_name.clone());
        self.members.insert(id, member);
        self.dirty.insert(Document::Member(id));
        self.note(now, EventKind::MemberAdded { member: name });
    }

    /// Takes a member out of the organization; `false` when it was none.
    pub(crate) fn remove_member(&mut self, id: Uuid, now: Timestamp) -> bool {
        let Some(member) = self.members.remove(&id) else { return false };
        self.dirty.insert(Document::Member(id));
        self.note(now, EventKind::MemberRemoved { member: member.display_name });
        true
    }
}
