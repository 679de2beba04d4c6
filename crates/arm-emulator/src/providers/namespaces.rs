//! Which resource types are taken.
//!
//! The real service knows a closed list of types, which grows every week and is not published as one. Whole real templates
//! should deploy, so the rule here is open where nothing is known and closed where the emulator has behaviour: any type of
//! a namespace of Microsoft's or of a listed partner is stored; a namespace of anybody else is `InvalidResourceNamespace`;
//! in the namespaces with behaviour only the types that exist are taken, so that a slip of the pen there is seen.

use crate::error::ArmError;
use crate::providers::Kind;

/// Namespaces of partners (`azure-docs: resource-providers and azure-services-resource-providers`).
const PARTNERS: &[&str] = &[
    "ArizeAi.ObservabilityEval",
    "Astronomer.Astro",
    "Conexlink.MyCloudIT",
    "Crypteron.DataSecurity",
    "Dell.Storage",
    "Dynatrace.Observability",
    "GitHub.Network",
    "Informatica.DataManagement",
    "LambdaTest.HyperExecute",
    "LiveArena.Broadcast",
    "Lombiq.DotNest",
    "Mailjet.Email",
    "MongoDB.Atlas",
    "Neon.Postgres",
    "NewRelic.Observability",
    "Nginx.NginxPlus",
    "Oracle.Database",
    "PaloAltoNetworks.CloudNGFW",
    "Pinecone.VectorDb",
    "PureStorage.Block",
    "Qumulo.Storage",
    "SendGrid.Email",
    "Wandisco.Fusion",
    "WeightsAndBiases.Models",
];

/// Types of the namespaces with behaviour that are stored alone, without their namespace and in lower case
/// (`azure-rest-api-specs: containerregistry, containerinstance, msi, authorization, resources`).
const CLOSED: &[(&str, &[&str])] = &[
    (
        "microsoft.containerregistry",
        &[
            "registries/agentpools",
            "registries/archives",
            "registries/archives/versions",
            "registries/buildtasks",
            "registries/cacherules",
            "registries/connectedregistries",
            "registries/credentialsets",
            "registries/eventgridfilters",
            "registries/exportpipelines",
            "registries/importpipelines",
            "registries/packages/archives",
            "registries/pipelineruns",
            "registries/privateendpointconnections",
            "registries/replications",
            "registries/runs",
            "registries/scopemaps",
            "registries/taskruns",
            "registries/tasks",
            "registries/tokens",
            "registries/webhooks",
        ],
    ),
    ("microsoft.containerinstance", &["containergroupprofiles", "containerscalesets", "ngroups"]),
    ("microsoft.managedidentity", &["userassignedidentities/federatedidentitycredentials"]),
    (
        "microsoft.authorization",
        &[
            "accessreviewscheduledefinitions",
            "denyassignments",
            "locks",
            "policyassignments",
            "policydefinitions",
            "policydefinitions/versions",
            "policyexemptions",
            "policysetdefinitions",
            "policysetdefinitions/versions",
            "privatelinkassociations",
            "resourcemanagementprivatelinks",
            "roleassignmentschedulerequests",
            "roledefinitions",
            "roleeligibilityschedulerequests",
            "rolemanagementpolicyassignments",
            "variables",
            "variables/values",
        ],
    ),
    (
        "microsoft.resources",
        &["deploymentscripts", "deploymentstacks", "links", "templatespecs", "templatespecs/versions"],
    ),
];

/// 404 for a namespace or a type that there is not.
pub(crate) fn check_type(resource_type: &str, api_version: &str) -> Result<(), ArmError> {
    let (namespace, short) = resource_type.split_once('/').unwrap_or((resource_type, ""));
    let lower = namespace.to_lowercase();
    if let Some((_, types)) = CLOSED.iter().find(|(known, _)| *known == lower) {
        let known = types.contains(&short.to_lowercase().as_str());
        return if known { Ok(()) } else { Err(no_such_type(namespace, short, api_version, types)) };
    }
    if is_namespace(namespace) { Ok(()) } else { Err(no_such_namespace(namespace)) }
}

/// Whether somebody of that name could offer types: Microsoft, or a partner that is listed.
pub(crate) fn is_namespace(namespace: &str) -> bool {
    let good =
        |word: &str| !word.is_empty() && word.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    let (vendor, product) = namespace.split_once('.').unwrap_or((namespace, ""));
    let microsoft = vendor.eq_ignore_ascii_case("Microsoft") && product.split('.').all(good);
    microsoft || PARTNERS.iter().any(|partner| partner.eq_ignore_ascii_case(namespace))
}

pub(crate) fn no_such_namespace(namespace: &str) -> ArmError {
    ArmError::not_found(
        "InvalidResourceNamespace",
        format!(
            "The resource namespace '{namespace}' is invalid. Namespaces of Microsoft and its partners are known."
        ),
    )
}

fn no_such_type(namespace: &str, short: &str, api_version: &str, types: &[&'static str]) -> ArmError {
    let own = Kind::ALL.into_iter().filter(|kind| kind.namespace().eq_ignore_ascii_case(namespace));
    let supported: Vec<&str> = own.map(Kind::short).chain(types.iter().copied()).collect();
    ArmError::not_found(
        "InvalidResourceType",
        format!(
            "The resource type '{short}' could not be found in the namespace '{namespace}' for api version \
             '{api_version}'. The supported types are: {}.",
            supported.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_where_nothing_is_known_and_closed_where_there_is_behaviour() {
        for (resource_type, code) in [
            ("Microsoft.Storage/storageAccounts", None),
            ("microsoft.insights/components", None),
            ("Microsoft.Datadog/monitors", None),
            ("MongoDB.Atlas/organizations", None),
            ("Microsoft.ContainerRegistry/registries/webhooks", None),
            ("Microsoft.Authorization/locks", None),
            ("Microsoft.ContainerRegistry/shelves", Some("InvalidResourceType")),
            ("Microsoft.ContainerInstance/containerGroups/shelves", Some("InvalidResourceType")),
            ("Foo.Bar/things", Some("InvalidResourceNamespace")),
            ("Microsoft/things", Some("InvalidResourceNamespace")),
            ("Microsoft.A b/things", Some("InvalidResourceNamespace")),
        ] {
            let got = check_type(resource_type, "2024-01-01").err().map(|error| error.body.code.clone());
            assert_eq!(got.as_deref(), code, "{resource_type}");
        }
    }
}
