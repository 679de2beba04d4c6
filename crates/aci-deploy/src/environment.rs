//! Names of the environment variables that [`crate::Settings::from_lookup`] asks for. The same names serve real Azure and
//! a sandbox.

/// Organization URL of Azure DevOps, for example `https://dev.azure.com/contoso`.
pub const AZDO_URL: &str = "AZDO_URL";
/// Token that may read and manage agents of the pool. Also what the agents register with.
pub const AZDO_TOKEN: &str = "AZDO_TOKEN";
/// PEM file of the authorities that the agents' containers are to trust beside the public ones: those of an Azure DevOps
/// Server with a certificate of its own.
pub const AZDO_CA_FILE: &str = "AZDO_CA_FILE";
/// Name of the agent pool.
pub const AZDO_POOL: &str = "AZDO_POOL";
/// Entra tenant of the service principal.
pub const AZURE_TENANT_ID: &str = "AZURE_TENANT_ID";
/// Application id of the service principal.
pub const AZURE_CLIENT_ID: &str = "AZURE_CLIENT_ID";
/// Secret of the service principal.
pub const AZURE_CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
/// Subscription that holds the fleet.
pub const AZURE_SUBSCRIPTION_ID: &str = "AZURE_SUBSCRIPTION_ID";
/// Base URL of Entra ID; default `https://login.microsoftonline.com`.
pub const AZURE_AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
/// Base URL of Azure Resource Manager; default `https://management.azure.com`.
pub const ARM_ENDPOINT: &str = "ARM_ENDPOINT";
/// Host (and port) of the registry that holds the agent image.
pub const ACR_LOGIN_SERVER: &str = "ACR_LOGIN_SERVER";
/// PEM file of the only certificate authorities to be trusted; default: the system's.
pub const MAYFLY_CA_FILE: &str = "MAYFLY_CA_FILE";
/// `azure` (default) or `sandbox`.
pub const MAYFLY_TARGET: &str = "MAYFLY_TARGET";
/// Resource group that holds the fleet.
pub const MAYFLY_RESOURCE_GROUP: &str = "MAYFLY_RESOURCE_GROUP";
/// Azure region of the fleet; default: the region of its resource group.
pub const MAYFLY_LOCATION: &str = "MAYFLY_LOCATION";
/// Name of the fleet; default `mayfly`.
pub const MAYFLY_FLEET: &str = "MAYFLY_FLEET";
