//! The types that the list of resource providers names. Clients look api-versions up in it (`azure-cli: resource/custom.py,
//! _ResourceUtils`), so it holds what people deploy most, and whatever is stored at the moment; more is taken than is listed.

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::Kind;
use crate::records::resources;

/// Namespaces with behaviour, and the types that Resource Manager or the emulator serves beside those of [`Kind`].
const BEHAVIOUR: [(&str, &[&str]); 6] = [
    ("Microsoft.Authorization", &["locks", "roleAssignments"]),
    (
        "Microsoft.ContainerInstance",
        &["locations/usages", "locations/capabilities", "locations/cachedImages"],
    ),
    ("Microsoft.ContainerRegistry", &["checkNameAvailability"]),
    ("Microsoft.ManagedIdentity", &[]),
    ("Microsoft.Management", &["managementGroups"]),
    ("Microsoft.Resources", &["deployments", "resourceGroups", "subscriptions", "tags", "tenants"]),
];

/// Types that are stored alone.
const STORED: &[(&str, &[&str])] = &[
    ("Microsoft.ApiManagement", &["service", "service/apis", "service/products", "service/namedValues"]),
    ("Microsoft.App", &["containerApps", "jobs", "managedEnvironments"]),
    ("Microsoft.AppConfiguration", &["configurationStores", "configurationStores/keyValues"]),
    (
        "Microsoft.Automation",
        &["automationAccounts", "automationAccounts/runbooks", "automationAccounts/variables"],
    ),
    ("Microsoft.Batch", &["batchAccounts", "batchAccounts/pools"]),
    ("Microsoft.Cache", &["Redis", "redisEnterprise"]),
    ("Microsoft.Cdn", &["profiles", "profiles/endpoints", "profiles/afdEndpoints"]),
    ("Microsoft.CognitiveServices", &["accounts", "accounts/deployments"]),
    (
        "Microsoft.Compute",
        &[
            "availabilitySets",
            "diskEncryptionSets",
            "disks",
            "galleries",
            "galleries/images",
            "images",
            "proximityPlacementGroups",
            "snapshots",
            "sshPublicKeys",
            "virtualMachineScaleSets",
            "virtualMachines",
            "virtualMachines/extensions",
        ],
    ),
    ("Microsoft.ContainerService", &["managedClusters", "managedClusters/agentPools"]),
    ("Microsoft.DBforMySQL", &["flexibleServers", "flexibleServers/databases"]),
    ("Microsoft.DBforPostgreSQL", &["flexibleServers", "flexibleServers/databases"]),
    ("Microsoft.DataFactory", &["factories", "factories/pipelines", "factories/datasets"]),
    ("Microsoft.DocumentDB", &["databaseAccounts", "databaseAccounts/sqlDatabases"]),
    ("Microsoft.EventGrid", &["systemTopics", "topics", "eventSubscriptions"]),
    ("Microsoft.EventHub", &["namespaces", "namespaces/eventhubs", "namespaces/authorizationRules"]),
    (
        "Microsoft.Insights",
        &[
            "actionGroups",
            "autoscalesettings",
            "components",
            "dataCollectionRules",
            "diagnosticSettings",
            "metricAlerts",
            "scheduledQueryRules",
            "webtests",
            "workbooks",
        ],
    ),
    ("Microsoft.KeyVault", &["vaults", "vaults/accessPolicies", "vaults/keys", "vaults/secrets"]),
    ("Microsoft.Logic", &["workflows", "integrationAccounts"]),
    ("Microsoft.MachineLearningServices", &["workspaces"]),
    (
        "Microsoft.Network",
        &[
            "applicationGateways",
            "applicationSecurityGroups",
            "azureFirewalls",
            "bastionHosts",
            "dnsZones",
            "dnsZones/A",
            "dnsZones/CNAME",
            "frontDoors",
            "loadBalancers",
            "natGateways",
            "networkInterfaces",
            "networkSecurityGroups",
            "networkSecurityGroups/securityRules",
            "privateDnsZones",
            "privateDnsZones/A",
            "privateDnsZones/virtualNetworkLinks",
            "privateEndpoints",
            "privateEndpoints/privateDnsZoneGroups",
            "publicIPAddresses",
            "publicIPPrefixes",
            "routeTables",
            "trafficManagerProfiles",
            "virtualNetworkGateways",
            "virtualNetworks",
            "virtualNetworks/subnets",
            "virtualNetworks/virtualNetworkPeerings",
        ],
    ),
    ("Microsoft.OperationalInsights", &["workspaces", "workspaces/savedSearches", "workspaces/tables"]),
    ("Microsoft.OperationsManagement", &["solutions"]),
    ("Microsoft.RecoveryServices", &["vaults", "vaults/backupPolicies"]),
    ("Microsoft.Search", &["searchServices"]),
    ("Microsoft.ServiceBus", &["namespaces", "namespaces/queues", "namespaces/topics"]),
    ("Microsoft.SignalRService", &["SignalR", "webPubSub"]),
    ("Microsoft.Solutions", &["applicationDefinitions", "applications"]),
    ("Microsoft.Sql", &["servers", "servers/databases", "servers/firewallRules", "managedInstances"]),
    (
        "Microsoft.Storage",
        &[
            "storageAccounts",
            "storageAccounts/blobServices",
            "storageAccounts/blobServices/containers",
            "storageAccounts/fileServices",
            "storageAccounts/fileServices/shares",
            "storageAccounts/queueServices",
            "storageAccounts/tableServices",
        ],
    ),
    ("Microsoft.Synapse", &["workspaces"]),
    (
        "Microsoft.Web",
        &[
            "certificates",
            "connections",
            "serverfarms",
            "sites",
            "sites/config",
            "sites/slots",
            "staticSites",
        ],
    ),
];

/// A namespace in its canonical spelling, with its types.
pub(crate) type Listed = (String, Vec<String>);

/// Everything that is listed.
pub(crate) fn all(arm: &Arm) -> Result<Vec<Listed>, ArmError> {
    let mut listed: Vec<Listed> = Vec::new();
    for kind in Kind::ALL {
        add(&mut listed, kind.namespace(), kind.short());
    }
    for (namespace, types) in BEHAVIOUR.iter().chain(STORED) {
        for short in *types {
            add(&mut listed, namespace, short);
        }
    }
    for record in resources::list(arm)? {
        let full = record.id.resource_type().unwrap_or_default();
        if let Some((namespace, short)) = full.split_once('/') {
            add(&mut listed, namespace, short);
        }
    }
    listed.sort_by_key(|(namespace, _)| namespace.to_lowercase());
    Ok(listed)
}

fn add(listed: &mut Vec<Listed>, namespace: &str, short: &str) {
    let place = listed.iter().position(|(known, _)| known.eq_ignore_ascii_case(namespace));
    let place = place.unwrap_or_else(|| {
        listed.push((namespace.to_owned(), Vec::new()));
        listed.len() - 1
    });
    let Some((_, types)) = listed.get_mut(place) else { return };
    if !types.iter().any(|known| known.eq_ignore_ascii_case(short)) {
        types.push(short.to_owned());
    }
}
