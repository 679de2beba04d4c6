//! What is known of the properties of each resource type.

pub(crate) use crate::engine::what_if::diff::Shape;
use crate::providers::Kind;

pub(crate) fn of(kind: Kind) -> &'static Shape {
    match kind {
        Kind::ContainerGroup => &CONTAINER_GROUP,
        Kind::Registry => &REGISTRY,
        Kind::UserAssignedIdentity => &IDENTITY,
    }
}

/// Of any type without behaviour: only what the platform itself sets is known.
pub(super) const STORED: Shape = Shape {
    read_only: &[
        "etag",
        "systemData",
        "identity.principalId",
        "identity.tenantId",
        "identity.userAssignedIdentities.*.principalId",
        "identity.userAssignedIdentities.*.clientId",
        "properties.provisioningState",
        "properties.scope",
        "properties.createdOn",
        "properties.updatedOn",
    ],
    write_only: &[],
    defaults: &[("properties", "{}"), ("properties.principalType", "\"ServicePrincipal\"")],
    words: &["identity.type", "sku.name", "sku.tier", "kind"],
};

const CONTAINER_GROUP: Shape = Shape {
    read_only: &[
        "systemData",
        "identity.principalId",
        "identity.tenantId",
        "identity.userAssignedIdentities.*.principalId",
        "identity.userAssignedIdentities.*.clientId",
        "properties.provisioningState",
        "properties.provisioningTimeoutInSeconds",
        "properties.isCustomProvisioningTimeout",
        "properties.isCreatedFromStandbyPool",
        "properties.instanceView",
        "properties.ipAddress.ip",
        "properties.ipAddress.fqdn",
        "properties.containers.*.properties.instanceView",
    ],
    write_only: &[
        "properties.containers.*.properties.environmentVariables.*.secureValue",
        "properties.imageRegistryCredentials.*.password",
        // The names of the files are shown, their contents are not: a change of either cannot be seen.
        "properties.volumes.*.secret",
    ],
    defaults: &[
        ("properties.sku", "\"Standard\""),
        ("properties.restartPolicy", "\"Always\""),
        ("properties.priority", "\"Regular\""),
        ("properties.initContainers", "[]"),
        ("properties.containers.*.properties.ports", "[]"),
        ("properties.containers.*.properties.environmentVariables", "[]"),
        ("properties.containers.*.properties.configMap", "{\"keyValuePairs\": {}}"),
        ("properties.containers.*.properties.ports.*.protocol", "\"TCP\""),
        ("properties.containers.*.properties.volumeMounts.*.readOnly", "false"),
        ("properties.ipAddress.ports.*.protocol", "\"TCP\""),
    ],
    words: &[
        "identity.type",
        "properties.sku",
        "properties.restartPolicy",
        "properties.osType",
        "properties.priority",
        "properties.containers.*.properties.ports.*.protocol",
        "properties.ipAddress.type",
        "properties.ipAddress.ports.*.protocol",
    ],
};

const REGISTRY: Shape = Shape {
    read_only: &[
        "systemData",
        "sku.tier",
        "properties.loginServer",
        "properties.creationDate",
        "properties.provisioningState",
        "properties.status",
        "properties.dataEndpointHostNames",
        "properties.privateEndpointConnections",
        "properties.policies.*.lastUpdatedTime",
    ],
    write_only: &[],
    defaults: &[
        ("properties.adminUserEnabled", "false"),
        ("properties.dataEndpointEnabled", "false"),
        ("properties.publicNetworkAccess", "\"Enabled\""),
        ("properties.networkRuleBypassOptions", "\"AzureServices\""),
        ("properties.zoneRedundancy", "\"Disabled\""),
        ("properties.anonymousPullEnabled", "false"),
        ("properties.policies.quarantinePolicy.status", "\"disabled\""),
        ("properties.policies.trustPolicy.status", "\"disabled\""),
        ("properties.policies.trustPolicy.type", "\"Notary\""),
        ("properties.policies.retentionPolicy.status", "\"disabled\""),
        ("properties.policies.retentionPolicy.days", "7"),
        ("properties.policies.exportPolicy.status", "\"enabled\""),
        ("properties.policies.azureADAuthenticationAsArmPolicy.status", "\"enabled\""),
        ("properties.policies.softDeletePolicy.status", "\"disabled\""),
        ("properties.policies.softDeletePolicy.retentionDays", "7"),
    ],
    words: &[
        "sku.name",
        "properties.publicNetworkAccess",
        "properties.networkRuleBypassOptions",
        "properties.zoneRedundancy",
        "properties.policies.*.status",
    ],
};

const IDENTITY: Shape =
    Shape { read_only: &["systemData", "properties"], write_only: &[], defaults: &[], words: &[] };
