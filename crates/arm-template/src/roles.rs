//! Azure's roles, for `roleDefinitions()` and for whoever lists them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;
use uuid::Uuid;

/// A role that every tenant has. Ids and names are the same in all of them
/// (`azure-docs: role-based-access-control/built-in-roles.md`); the definitions are those that Azure lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuiltInRole {
    pub id: Uuid,
    pub name: &'static str,
    pub description: &'static str,
    /// An action that one of them allows is allowed.
    pub permissions: Vec<Permission>,
}

/// What a role allows. A `*` in an action stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    #[serde(default)]
    pub actions: Vec<&'static str>,
    #[serde(default)]
    pub not_actions: Vec<&'static str>,
    #[serde(default)]
    pub data_actions: Vec<&'static str>,
    #[serde(default)]
    pub not_data_actions: Vec<&'static str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'static str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_version: Option<&'static str>,
}

/// Finds the roles that somebody defined, by name.
pub trait CustomRoles: fmt::Debug + Send + Sync {
    /// The id of the role of this name, in any case, if there is one.
    ///
    /// # Errors
    /// The message for the template's author: roles cannot be read.
    fn named(&self, name: &str) -> Result<Option<Uuid>, String>;
}

impl BuiltInRole {
    /// All of them, by name.
    pub fn all() -> &'static [Self] {
        static ROLES: LazyLock<Vec<BuiltInRole>> = LazyLock::new(|| {
            serde_json::from_str(include_str!("roles/built-in.json"))
                .expect("the file is a part of the program, and a test reads it")
        });
        &ROLES
    }

    /// The one of this name, in any case.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|role| role.name.eq_ignore_ascii_case(name))
    }

    /// The one with this id.
    pub fn by_id(id: Uuid) -> Option<&'static Self> {
        Self::all().iter().find(|role| role.id == id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_names_are_those_of_the_documentation_and_each_is_there_once() {
        let all = BuiltInRole::all();
        let ids: BTreeSet<_> = all.iter().map(|role| role.id).collect();
        let names: BTreeSet<_> = all.iter().map(|role| role.name.to_lowercase()).collect();
        assert_eq!((ids.len(), names.len()), (all.len(), all.len()));
        for (name, id) in [
            ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d"),
            ("AcrImageSigner", "6cef56e8-d556-48e5-a04f-b8e64114680f"),
            ("Azure Container Instances Contributor Role", "5d977122-f97e-4b4d-a52f-6b43003ddb4d"),
            ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
            ("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6"),
            ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830"),
            ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
            ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
            ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
        ] {
            let found = BuiltInRole::named(&name.to_uppercase()).unwrap();
            assert_eq!((found.name, found.id.to_string().as_str()), (name, id));
            assert_eq!(BuiltInRole::by_id(found.id), Some(found));
        }
        assert_eq!(BuiltInRole::named("Nobody"), None);
    }

    #[test]
    fn a_definition_has_what_it_allows_and_under_which_condition() {
        let blobs = &BuiltInRole::named("Storage Blob Data Reader").unwrap().permissions[0];
        assert!(
            blobs
                .data_actions
                .contains(&"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read")
        );
        assert_eq!((blobs.not_actions.len(), blobs.condition), (0, None));
        let grants = &BuiltInRole::named("Key Vault Data Access Administrator").unwrap().permissions;
        let condition = grants.iter().find_map(|one| one.condition).unwrap();
        assert!(condition.contains("roleAssignments:RoleDefinitionId"), "{condition}");
    }
}
