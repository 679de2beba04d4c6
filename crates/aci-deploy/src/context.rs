//! The two clients and the settings they were made from.

use crate::arm::ArmClient;
use crate::azdo::AzdoClient;
use crate::http::{self, ContextError};
use crate::settings::Settings;
use crate::target::{self, TargetError};

/// What every command needs. Making one contacts nobody.
#[derive(Debug)]
pub struct Context {
    pub(crate) settings: Settings,
    pub(crate) arm: ArmClient,
    pub(crate) azdo: AzdoClient,
}

impl Context {
    /// Builds the clients; fails where the file of trusted authorities cannot be read.
    pub fn new(settings: Settings) -> Result<Self, ContextError> {
        let client = http::client(&settings)?;
        let arm = ArmClient::new(client.clone(), &settings);
        let azdo = AzdoClient::new(client, &settings);
        Ok(Self { settings, arm, azdo })
    }

    /// The settings the context was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The line each changing command starts with: target, organization, pool, subscription, group.
    pub fn target_line(&self) -> String {
        target::line(&self.settings)
    }

    /// Refuses endpoints that do not fit the target. The commands of this crate that change something call it themselves.
    pub fn check_target(&self) -> Result<(), TargetError> {
        target::check(&self.settings)
    }

    /// Full id of a container group of the fleet's resource group.
    pub(crate) fn group_id(&self, name: &str) -> String {
        format!("{}/{name}", self.arm.container_groups_path())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use crate::settings::{SandboxEndpoints, Settings, Target, Timing};

    /// Settings whose every endpoint is under `base`, with waits short enough for tests.
    pub(crate) fn settings(base: &str) -> Settings {
        let organization: url::Url = format!("{base}/contoso").parse().unwrap();
        let base: url::Url = base.parse().unwrap();
        Settings {
            target: Target::Sandbox,
            organization: organization.clone(),
            token: "canary-token".into(),
            pool: "linux".to_owned(),
            tenant_id: "tenant".to_owned(),
            client_id: "client".to_owned(),
            client_secret: "canary-secret".into(),
            subscription_id: Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111),
            authority: base.clone(),
            resource_manager: base.clone(),
            ca_file: None,
            container_authorities: None,
            resource_group: "agents".to_owned(),
            location: Some("westeurope".to_owned()),
            fleet: "mayfly".parse().unwrap(),
            sandbox: Some(SandboxEndpoints { organization, resource_manager: base.clone(), authority: base }),
            timing: Timing {
                poll: Duration::from_millis(2),
                retry: Duration::from_millis(1),
                attempts: 3,
                longest_retry_after: Duration::from_secs(2),
                operation: Duration::from_secs(5),
                registration: Duration::from_millis(50),
            },
        }
    }
}
