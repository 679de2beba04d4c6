//! The built-in roles that people give to what runs containers and pulls images: ids, names, descriptions and actions of
//! `azure-docs: role-based-access-control/built-in-roles` (privileged, general, containers, identity, networking, monitor).

use uuid::Uuid;

use super::definition::Role;

const fn role(
    id: u128,
    name: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
) -> Role {
    Role { id: Uuid::from_u128(id), name, description, actions, not_actions: &[], data_actions: &[] }
}

pub(crate) const ROLES: [Role; 17] = [
    role(
        0x8e3a_f657_a8ff_443c_a75c_2fe8_c4bc_b635,
        "Owner",
        "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        &["*"],
    ),
    Role {
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
            "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
            "Microsoft.Subscription/cancel/action",
            "Microsoft.Subscription/enable/action",
        ],
        ..role(
            0xb249_88ac_6180_42a0_ab88_20f7_382d_d24c,
            "Contributor",
            "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage \
             assignments in Azure Blueprints, or share image galleries.",
            &["*"],
        )
    },
    role(
        0xacdd_72a7_3385_48ef_bd42_f606_fba8_1ae7,
        "Reader",
        "View all resources, but does not allow you to make any changes.",
        &["*/read"],
    ),
    role(
        0x18d7_d88d_d35e_4fb5_a5c3_7773_c20a_72d9,
        "User Access Administrator",
        "Lets you manage user access to Azure resources.",
        &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
    ),
    role(
        0xf583_10d9_a9f6_439a_9e8d_f62e_7b41_a168,
        "Role Based Access Control Administrator",
        "Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you to manage \
         access using other ways, such as Azure Policy.",
        &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ],
    ),
    role(
        0x7f95_1dda_4ed3_4680_a7ca_43fe_172d_538d,
        "AcrPull",
        "acr pull",
        &["Microsoft.ContainerRegistry/registries/pull/read"],
    ),
    role(
        0x8311_e382_0749_4cb8_b61a_304f_252e_45ec,
        "AcrPush",
        "acr push",
        &[
            "Microsoft.ContainerRegistry/registries/pull/read",
            "Microsoft.ContainerRegistry/registries/push/write",
        ],
    ),
    role(
        0xc2f4_ef07_c644_48eb_af81_4b1b_4947_fb11,
        "AcrDelete",
        "acr delete",
        &["Microsoft.ContainerRegistry/registries/artifacts/delete"],
    ),
    Role {
        data_actions: &["Microsoft.ContainerRegistry/registries/trustedCollections/write"],
        ..role(
            0x6cef_56e8_d556_48e5_a04f_b8e6_4114_680f,
            "AcrImageSigner",
            "acr image signer",
            &["Microsoft.ContainerRegistry/registries/sign/write"],
        )
    },
    Role {
        data_actions: &["Microsoft.ContainerRegistry/registries/quarantinedArtifacts/read"],
        ..role(
            0xcdda_3590_29a3_44f6_95f2_9f98_0659_eb04,
            "AcrQuarantineReader",
            "acr quarantine data reader",
            &["Microsoft.ContainerRegistry/registries/quarantine/read"],
        )
    },
    Role {
        data_actions: &[
            "Microsoft.ContainerRegistry/registries/quarantinedArtifacts/read",
            "Microsoft.ContainerRegistry/registries/quarantinedArtifacts/write",
        ],
        ..role(
            0xc8d4_ff99_41c3_41a8_9f60_21df_dad5_9608,
            "AcrQuarantineWriter",
            "acr quarantine data writer",
            &[
                "Microsoft.ContainerRegistry/registries/quarantine/read",
                "Microsoft.ContainerRegistry/registries/quarantine/write",
            ],
        )
    },
    // Its id and description are documented, its actions only as users describe them.
    role(
        0x5d97_7122_f97e_4b4d_a52f_6b43_003d_db4d,
        "Azure Container Instances Contributor Role",
        "Grants read/write access to container groups provided by Azure Container Instances",
        &["Microsoft.ContainerInstance/containerGroups/*"],
    ),
    role(
        0xe40e_c5ca_96e0_45a2_b4ff_5903_9f2c_2b59,
        "Managed Identity Contributor",
        "Create, Read, Update, and Delete User Assigned Identity",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Support/*",
        ],
    ),
    role(
        0xf1a0_7417_d97a_45cb_824c_7a74_6778_3830,
        "Managed Identity Operator",
        "Read and Assign User Assigned Identity",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Support/*",
        ],
    ),
    role(
        0x4d97_b98b_1d4f_4787_a291_c678_34d2_12e7,
        "Network Contributor",
        "Lets you manage networks, but not access to them.",
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Network/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
    ),
    role(
        0x92aa_f0da_9dab_42b6_94a3_d43c_e8d1_6293,
        "Log Analytics Contributor",
        "Log Analytics Contributor can read all monitoring data and edit monitoring settings. Editing monitoring settings \
         includes adding the VM extension to VMs; reading storage account keys to be able to configure collection of \
         logs from Azure Storage; adding solutions; and configuring Azure diagnostics on all Azure resources.",
        &[
            "*/read",
            "Microsoft.ClassicCompute/virtualMachines/extensions/*",
            "Microsoft.ClassicStorage/storageAccounts/listKeys/action",
            "Microsoft.Compute/virtualMachines/extensions/*",
            "Microsoft.HybridCompute/machines/extensions/write",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Insights/diagnosticSettings/*",
            "Microsoft.OperationalInsights/*",
            "Microsoft.OperationsManagement/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourcegroups/deployments/*",
            "Microsoft.Storage/storageAccounts/listKeys/action",
            "Microsoft.Support/*",
        ],
    ),
    Role {
        not_actions: &["Microsoft.OperationalInsights/workspaces/sharedKeys/read"],
        ..role(
            0x73c4_2c96_874c_492b_b04d_ab87_d138_a893,
            "Log Analytics Reader",
            "Log Analytics Reader can view and search all monitoring data as well as and view monitoring settings, \
             including viewing the configuration of Azure diagnostics on all Azure resources.",
            &[
                "*/read",
                "Microsoft.OperationalInsights/workspaces/analytics/query/action",
                "Microsoft.OperationalInsights/workspaces/search/action",
                "Microsoft.Support/*",
            ],
        )
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_names_are_those_of_the_documentation_and_each_is_there_once() {
        let ids: BTreeSet<_> = ROLES.iter().map(|role| role.id).collect();
        let names: BTreeSet<_> = ROLES.iter().map(|role| role.name).collect();
        assert_eq!((ids.len(), names.len()), (ROLES.len(), ROLES.len()));
        for (name, id) in [
            ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d"),
            ("AcrImageSigner", "6cef56e8-d556-48e5-a04f-b8e64114680f"),
            ("Azure Container Instances Contributor Role", "5d977122-f97e-4b4d-a52f-6b43003ddb4d"),
            ("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
            ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830"),
            ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
            ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
        ] {
            let found = ROLES.iter().find(|role| role.name == name).unwrap();
            assert_eq!(found.id.to_string(), id, "{name}");
        }
    }
}
