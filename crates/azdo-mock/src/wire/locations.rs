//! Where typed clients find their routes: one row per resource that is served, and no other.
//!
//! Ids and templates: public recordings of `OPTIONS _apis`, azure-devops (PyPI), MicrosoftDocs/vsts-rest-api-specs.

mod build;
mod organization;
mod project;

use serde_json::{Value, json};

/// The resource area of agents, pools and jobs.
pub(crate) const DISTRIBUTED_TASK: &str = "a85b8835-c1a1-4aac-ae97-1c3d0ba72dbd";

/// Areas that clients ask for, all of them at the organization's own address.
pub(crate) const AREAS: &[(&str, &str)] = &[
    (DISTRIBUTED_TASK, "distributedtask"),
    ("965220d5-5bb9-42cf-8d67-9b146df2a5a4", "Build"),
    ("5d6898bb-45ec-463f-95f9-54d49c71752e", "build"),
    ("2e0bf237-8973-4ec9-a581-9c3d679d1776", "pipelines"),
    ("79134c72-4a58-4b42-976c-04e7115f32bf", "core"),
    ("a7b3b527-4f4f-4dac-8e84-f144fa6d554b", "oauth2"),
    ("4a933897-0488-45af-bd82-6fd3ad33f46a", "PipelinesChecks"),
    ("1814ab31-2f4f-4a9f-8761-f4d77dc5a5d7", "ServiceEndpoint"),
    // Nothing is served of these. Where they are missing, azure-devops (PyPI) takes its token to the public service and asks there.
    ("0d55247a-1c47-4462-9b1f-5e2125590ee6", "Account"),
    ("94ff054d-5ee1-413d-9341-3f4a7827de2e", "Audit"),
    ("8477aec9-a4c7-4bd4-a456-ba4c53c989cb", "Contribution"),
    ("31c84e0a-3ece-48fd-a29d-100849af99ba", "Dashboard"),
    ("6c2b0933-3600-42ae-bf8b-93d4f7e83594", "ExtensionManagement"),
    ("7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5", "Packaging"),
    ("69d21c00-f135-441b-b5ce-3626378e0819", "Gallery"),
    ("4e080c62-fa21-4fbc-8fef-2a10a2b38049", "git"),
    ("bb1e7ec9-e901-4b68-999a-de7012b920f8", "Graph"),
    ("8a3d49b8-91f0-46ef-b33d-dda338c25db3", "Identity"),
    ("6f7f8c07-ff36-473c-bcf3-bd6cc9b6c066", "Maven"),
    ("68ddce18-2501-45f1-a17b-7931a9922690", "MemberEntitlementManagement"),
    ("4c83cfc1-f33a-477e-a789-29d38ffca52e", "Npm"),
    ("b3be7473-68ea-4a81-bfc7-9530baaa19ad", "NuGet"),
    ("a81a0441-de52-4000-aa15-ff0e07bfbbaa", "PipelinePermissions"),
    ("fb13a388-40dd-4a04-b530-013a739c72ef", "Policy"),
    ("8ccfef3d-2b87-4e99-8ccb-66e343d2daa8", "Profile"),
    ("7658fa33-b1bf-4580-990f-fac5896773d3", "projectanalysis"),
    ("b40c1171-807a-493a-8f3f-5c26d5e2f5aa", "provenance"),
    ("92f0314b-06c5-46e0-abe7-15fd9d13276a", "pypiapi"),
    ("efc2f575-36ef-48e9-b672-0c6fb4a48ac5", "release"),
    ("2e504d18-2c0c-46f8-af8f-322d2af0068a", "sbom"),
    ("ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578", "search"),
    ("af607f94-69ba-4821-8159-f04e37b66350", "symbol"),
    ("c2aa639c-3ccc-4740-b3b6-ce2a1e1d984e", "test"),
    ("c83eaf52-edf3-4034-ae11-17d38f25404c", "testresults"),
    ("8aa40520-446d-40e6-89f6-9c9f9ce44c48", "tfvc"),
    ("af68438b-ed04-4407-9eb6-f1dbae3f922e", "tokenadmin"),
    ("d397749b-f115-4027-b6dd-77a65dd10d21", "upackapi"),
    ("bf7d82a0-8aa5-4613-94ef-6172a5ea01f3", "wiki"),
    ("1d4f49f9-02b9-4e26-b826-2cdb6195f2a9", "work"),
    ("5264459e-e5e0-4bd8-b118-0985e68a4ec5", "workitemtracking"),
];

struct Location {
    id: &'static str,
    area: &'static str,
    resource: &'static str,
    template: &'static str,
    version: u32,
}

const fn at(
    id: &'static str,
    area: &'static str,
    resource: &'static str,
    template: &'static str,
    version: u32,
) -> Location {
    Location { id, area, resource, template, version }
}

const TASK: &str = "distributedtask";

const LOCATIONS: &[Location] = &[
    at("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1),
    at("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1),
    at("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", TASK, "pools", "_apis/{area}/{resource}/{poolId}", 1),
    at(
        "bfa72b3d-0fc6-43fb-932b-a7f6559f93b9",
        TASK,
        "agentclouds",
        "_apis/{area}/{resource}/{agentCloudId}",
        1,
    ),
    at(
        "e298ef32-5878-4cab-993c-043836571f42",
        TASK,
        "agents",
        "_apis/{area}/pools/{poolId}/{resource}/{agentId}",
        2,
    ),
    at(
        "134e239e-2df3-4794-a6f6-24f1f19ec8dc",
        TASK,
        "sessions",
        "_apis/{area}/pools/{poolId}/{resource}/{sessionId}",
        1,
    ),
    at(
        "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7",
        TASK,
        "messages",
        "_apis/{area}/pools/{poolId}/{resource}/{messageId}",
        1,
    ),
    at(
        "fc825784-c92a-4299-9221-998a02d1b54f",
        TASK,
        "jobrequests",
        "_apis/{area}/pools/{poolId}/{resource}/{requestId}",
        1,
    ),
    at(
        "8ffcd551-079c-493a-9c02-54346299d144",
        TASK,
        "packages",
        "_apis/{area}/{resource}/{packageType}/{platform}/{version}",
        2,
    ),
    at(
        "8cc1b02b-ae49-4516-b5ad-4f9b29967c30",
        TASK,
        "updates",
        "_apis/{area}/pools/{poolId}/agents/{agentId}/{resource}",
        1,
    ),
    at(
        "30ba3ada-fedf-4da8-bbb5-dacf2f82e176",
        TASK,
        "usercapabilities",
        "_apis/{area}/pools/{poolId}/agents/{agentId}/{resource}",
        1,
    ),
    at(
        "60aac929-f0cd-4bc8-9ce4-6b30e8f1b1bd",
        TASK,
        "tasks",
        "_apis/{area}/{resource}/{taskId}/{versionString}",
        1,
    ),
    at(
        "5cecd946-d704-471e-a45f-3b4064fcfaba",
        TASK,
        "plans",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/{resource}/{planId}",
        2,
    ),
    at(
        "557624af-b29e-4c20-8ab0-0399d2204f3f",
        TASK,
        "events",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}",
        1,
    ),
    at(
        "83597576-cc2c-453c-bea6-2882ae6a1653",
        TASK,
        "timelines",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{timelineId}",
        1,
    ),
    at(
        "8893bc5b-35b2-4be7-83cb-99e683551db4",
        TASK,
        "records",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/{resource}/{recordId}",
        1,
    ),
    at(
        "858983e4-19bd-4c5e-864c-507b59b58b12",
        TASK,
        "feed",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/records/{recordId}/{resource}",
        1,
    ),
    at(
        "46f5667d-263a-4684-91b1-dff7fdcf64e2",
        TASK,
        "logs",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{logId}",
        1,
    ),
    at(
        "7898f959-9cdf-4096-b29e-7f293031629e",
        TASK,
        "attachments",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/records/{recordId}/{resource}/{type}/{name}",
        1,
    ),
    at(
        "eb55e5d6-2f30-4295-b5ed-38da50b1fc52",
        TASK,
        "attachments",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{type}",
        1,
    ),
    at(
        "3e2b80f8-9e6f-441e-8393-005610692d9c",
        "FeatureAvailability",
        "FeatureFlags",
        "_apis/{resource}/{name}",
        1,
    ),
    at(
        "b5cc35c2-ff2b-491d-a085-24b6e9f396fd",
        "customerintelligence",
        "Events",
        "_apis/{area}/{resource}",
        1,
    ),
];

fn all() -> impl Iterator<Item = &'static Location> {
    LOCATIONS.iter().chain(project::OF_PROJECT).chain(build::OF_BUILDS).chain(organization::OF_ORGANIZATION)
}

/// The rows of one area, or all.
pub(crate) fn rows(area: Option<&str>) -> Vec<Value> {
    all()
        .filter(|location| area.is_none_or(|area| location.area.eq_ignore_ascii_case(area)))
        .map(|location| {
            json!({
                "id": location.id,
                "area": location.area,
                "resourceName": location.resource,
                "routeTemplate": location.template,
                "resourceVersion": location.version,
                "minVersion": "1.0",
                "maxVersion": "7.2",
                "releasedVersion": "7.1",
            })
        })
        .collect()
}

/// The same rows as connection data has them (actions/runner: VssApiResourceLocation.cs).
pub(crate) fn definitions() -> Vec<Value> {
    all()
        .map(|location| {
            json!({
                "serviceType": location.area,
                "identifier": location.id,
                "displayName": location.resource,
                "relativeToSetting": 0,
                "relativePath": location.template,
                "description": "Resource Location",
                "serviceOwner": "00000000-0000-0000-0000-000000000000",
                "locationMappings": [],
                "toolId": "Framework",
                "properties": {},
                "resourceVersion": location.version,
                "minVersion": "1.0",
                "maxVersion": "7.2",
                "releasedVersion": "7.1",
            })
        })
        .collect()
}

/// Another number for another table: clients keep the table on their disk under it.
pub(crate) fn change_id() -> i64 {
    let digest = crate::wire::crypto::sha256_hex(format!("{:?}", rows(None)).as_bytes());
    i64::from_str_radix(&digest[..7], 16).unwrap_or(1)
}

/// What is served, for the error that names an unknown route.
pub(crate) fn supported() -> String {
    all()
        .map(|location| {
            location.template.replace("{area}", location.area).replace("{resource}", location.resource)
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_is_listed_twice_and_all_are_lower_case() {
        let ids: BTreeSet<_> = all().map(|location| location.id).collect();
        assert_eq!(ids.len(), all().count());
        assert!(ids.iter().all(|id| **id == id.to_lowercase() && id.parse::<uuid::Uuid>().is_ok()));
    }
}
