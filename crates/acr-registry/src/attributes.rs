//! What may be done with a repository, a tag or a manifest: ACR's locks.
//!
//! Source: Azure/azure-rest-api-specs, `Azure.ContainerRegistry/models.tsp` (`changeableAttributes`);
//! `container-registry-image-lock` of ACR's documentation for what each of them forbids.

use serde::{Deserialize, Serialize};

/// All is allowed unless somebody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attributes {
    pub(crate) delete_enabled: bool,
    pub(crate) write_enabled: bool,
    pub(crate) list_enabled: bool,
    pub(crate) read_enabled: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { delete_enabled: true, write_enabled: true, list_enabled: true, read_enabled: true }
    }
}

impl Attributes {
    /// What cannot be written cannot be deleted either.
    pub(crate) fn deletable(self) -> bool {
        self.delete_enabled && self.write_enabled
    }

    pub(crate) fn changed(self, changes: Changes) -> Self {
        Self {
            delete_enabled: changes.delete.unwrap_or(self.delete_enabled),
            write_enabled: changes.write.unwrap_or(self.write_enabled),
            list_enabled: changes.list.unwrap_or(self.list_enabled),
            read_enabled: changes.read.unwrap_or(self.read_enabled),
        }
    }
}

/// The body of a PATCH: what is not named stays.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Changes {
    #[serde(rename = "deleteEnabled")]
    delete: Option<bool>,
    #[serde(rename = "writeEnabled")]
    write: Option<bool>,
    #[serde(rename = "listEnabled")]
    list: Option<bool>,
    #[serde(rename = "readEnabled")]
    read: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_touches_what_it_names() {
        let changes: Changes = serde_json::from_str(r#"{"writeEnabled": false}"#).unwrap();
        let locked = Attributes::default().changed(changes);
        assert_eq!(locked, Attributes { write_enabled: false, ..Attributes::default() });
        assert!(!locked.deletable() && Attributes::default().deletable());
        let changes: Changes = serde_json::from_str(r#"{"readEnabled": false}"#).unwrap();
        assert!(!locked.changed(changes).write_enabled);
        assert_eq!(
            serde_json::to_value(Attributes::default()).unwrap(),
            serde_json::json!({ "deleteEnabled": true, "writeEnabled": true, "listEnabled": true, "readEnabled": true })
        );
    }
}
