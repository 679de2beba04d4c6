//! Rows of what is beside pools and projects. Where nothing of a kind can be made here, its row leads to a list that is
//! empty and to the error for one that is not there.

use super::{Location, TASK, at};

/// See [`super::LOCATIONS`].
pub(super) const OF_ORGANIZATION: &[Location] = &[
    at("5932e193-f376-469d-9c3e-e5588ce12cb5", TASK, "agentcloudtypes", "_apis/{area}/{resource}", 1),
    at(
        "20189bd7-5134-49c2-b8e9-f9e856eea2b2",
        TASK,
        "requests",
        "_apis/{area}/agentclouds/{agentCloudId}/{resource}",
        1,
    ),
    at(
        "80572e16-58f0-4419-ac07-d19fde32195c",
        TASK,
        "maintenancedefinitions",
        "_apis/{area}/pools/{poolId}/{resource}/{definitionId}",
        1,
    ),
    at(
        "15e7ab6e-abce-4601-a6d8-e111fe148f46",
        TASK,
        "maintenancejobs",
        "_apis/{area}/pools/{poolId}/{resource}/{jobId}",
        1,
    ),
    at(
        "51bb5d21-4305-4ea6-9dbb-b7488af73334",
        TASK,
        "environmentdeploymentRecords",
        "{project}/_apis/{area}/environments/{environmentId}/{resource}",
        1,
    ),
    at(
        "73fba52f-15ab-42b3-a538-ce67a9223a04",
        TASK,
        "kubernetes",
        "{project}/_apis/{area}/environments/{environmentId}/providers/{resource}/{resourceId}",
        1,
    ),
    at(
        "2f0aa599-c121-4256-a5fd-ba370e0ae7b6",
        TASK,
        "targets",
        "{project}/_apis/{area}/deploymentgroups/{deploymentGroupId}/{resource}/{targetId}",
        1,
    ),
    at(
        "adcfd8bc-b184-43ba-bd84-7c8c6a2ff421",
        TASK,
        "securefiles",
        "{project}/_apis/{area}/{resource}/{secureFileId}",
        1,
    ),
    at("1f9990b9-1dba-441f-9c2e-6485888c42b6", TASK, "yamlschema", "_apis/{area}/{resource}", 1),
    at("54b2a2a0-859b-4d05-827c-ec4c862f641a", "core", "avatar", "_apis/projects/{projectId}/{resource}", 1),
    at(
        "b4f70219-e18b-42c5-abe3-98b07d35525e",
        "core",
        "connectedServices",
        "_apis/projects/{projectId}/{resource}/{name}",
        1,
    ),
    at(
        "294c494c-2600-4d7e-b76c-3dd50c3c95be",
        "core",
        "members",
        "_apis/projects/{projectId}/teams/{teamId}/{resource}",
        2,
    ),
    at(
        "4976a71a-4487-49aa-8aab-a1eda469037a",
        "core",
        "properties",
        "_apis/projects/{projectId}/{resource}",
        1,
    ),
    at("ec1f4311-f2b4-4c15-b2b8-8990b80d2908", "core", "proxies", "_apis/{resource}", 2),
];
