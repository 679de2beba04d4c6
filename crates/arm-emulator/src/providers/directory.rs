//! Who there is in the tenant's directory: service principals of applications, and identities of this subscription.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::records::{identities, resources};

/// A service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
}

const APPLICATION: &str = "Application";
const MANAGED_IDENTITY: &str = "ManagedIdentity";

/// All of them.
pub(crate) fn all(arm: &Arm) -> Result<Vec<Member>, ArmError> {
    let settings = arm.settings();
    let applications = settings.entra.service_principals().into_iter().map(|one| Member {
        id: one.object_id,
        app_id: one.client_id,
        name: one.display_name,
        kind: APPLICATION,
    });
    let user_assigned = identities::list(arm)?.into_iter().map(|one| Member {
        id: one.principal_id,
        app_id: one.client_id,
        name: one.name,
        kind: MANAGED_IDENTITY,
    });
    let of_groups = settings.groups.list().into_iter().filter_map(|view| {
        let (id, app_id) = view.identity.system.as_ref().map(|own| (own.principal_id, own.client_id))?;
        Some(Member { id, app_id, name: view.name, kind: MANAGED_IDENTITY })
    });
    let of_stored = resources::list(arm)?.into_iter().filter_map(|one| {
        let id: Uuid = one.body.get("identity")?["principalId"].as_str()?.parse().ok()?;
        // Nothing of a kept resource logs in, so that any fixed application id does.
        let app_id = Uuid::new_v5(&id, b"application");
        Some(Member { id, app_id, name: one.id.last_name().to_owned(), kind: MANAGED_IDENTITY })
    });
    Ok(applications.chain(user_assigned).chain(of_groups).chain(of_stored).collect())
}

impl Member {
    /// As Microsoft Graph shows it (`microsoft-graph-docs: resources/serviceprincipal.md`).
    pub(crate) fn view(&self) -> Value {
        json!({
            "@odata.type": "#microsoft.graph.servicePrincipal",
            "id": self.id,
            "appId": self.app_id,
            "displayName": self.name,
            "appDisplayName": self.name,
            "accountEnabled": true,
            "servicePrincipalNames": [self.app_id],
            "servicePrincipalType": self.kind,
        })
    }
}
