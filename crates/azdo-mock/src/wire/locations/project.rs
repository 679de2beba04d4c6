//! Rows of the project's areas.

use super::{Location, TASK, at};

const BUILD: &str = "build";
const PIPELINES: &str = "pipelines";

/// See [`super::LOCATIONS`].
pub(super) const OF_PROJECT: &[Location] = &[
    at("603fe2ac-9723-48b9-88ad-09305aa6c6e1", "core", "projects", "_apis/{resource}/{*projectId}", 4),
    at(
        "900fa995-c559-4923-aae7-f8424fe4fbea",
        TASK,
        "queues",
        "{project}/_apis/{area}/{resource}/{queueId}",
        1,
    ),
    at(
        "dbeaf647-6167-421a-bda9-c9327b25e2e6",
        BUILD,
        "definitions",
        "{project}/_apis/{area}/{resource}/{definitionId}",
        7,
    ),
    at(
        "0cd358e1-9217-4d94-8269-1c1ee6f93dcf",
        BUILD,
        "builds",
        "{project}/_apis/{area}/{resource}/{buildId}",
        7,
    ),
    at(
        "54481611-01f4-47f3-998f-160da0f0c229",
        BUILD,
        "latest",
        "{project}/_apis/{area}/{resource}/{*definition}",
        1,
    ),
    at(
        "8baac422-4c6e-4de5-8532-db96d92acffa",
        BUILD,
        "Timeline",
        "{project}/_apis/{area}/builds/{buildId}/{resource}/{timelineId}",
        2,
    ),
    at(
        "35a80daf-7f30-45fc-86e8-6b813d9c90df",
        BUILD,
        "logs",
        "{project}/_apis/{area}/builds/{buildId}/{resource}/{logId}",
        2,
    ),
    at(
        "54572c7b-bbd3-45d4-80dc-28be08941620",
        BUILD,
        "changes",
        "{project}/_apis/{area}/builds/{buildId}/{resource}",
        2,
    ),
    at(
        "1db06c96-014e-44e1-ac91-90b2d4b3e984",
        BUILD,
        "artifacts",
        "{project}/_apis/{area}/builds/{buildId}/{resource}",
        5,
    ),
    at(
        "6e6114b2-8161-44c8-8f6c-c5505782427f",
        BUILD,
        "tags",
        "{project}/_apis/{area}/builds/{buildId}/{resource}/{*tag}",
        3,
    ),
    at(
        "28e1305e-2afe-47bf-abaf-cbb0e6a91988",
        PIPELINES,
        "pipelines",
        "{project}/_apis/{resource}/{pipelineId}",
        1,
    ),
    at(
        "7859261e-d2e9-4a68-b820-a5d84cc5bb3d",
        PIPELINES,
        "runs",
        "{project}/_apis/{area}/{pipelineId}/{resource}/{runId}",
        1,
    ),
    at(
        "53df2d18-29ea-46a9-bee0-933540f80abf",
        PIPELINES,
        "preview",
        "{project}/_apis/{area}/{pipelineId}/{resource}",
        1,
    ),
    at(
        "fb1b6d27-3957-43d5-a14b-a2d70403e545",
        PIPELINES,
        "logs",
        "{project}/_apis/{area}/{pipelineId}/runs/{runId}/{resource}/{logId}",
        1,
    ),
];
