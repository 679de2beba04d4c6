//! What a repository refuses, in the words of the distribution API and of ACR.

use std::fmt::Display;

use axum::http::StatusCode;
use serde_json::json;

use crate::error::OciError;
use crate::name::RepositoryName;
use crate::repository::Refusal;

/// What ACR says of everything that an attribute forbids. Seen in Azure/azure-sdk-for-net issue 22827, status 405.
const DISALLOWED: &str = "The operation is disallowed on this registry, repository or image. View troubleshooting \
    steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation";

/// `what` is the tag, manifest or blob that was asked for.
pub(super) fn refused(name: &RepositoryName, what: &dyn Display, refusal: Refusal) -> OciError {
    let what = what.to_string();
    match refusal {
        Refusal::Repository => unknown_repository(name),
        Refusal::Manifest => {
            let message = format!("manifest tagged by \"{what}\" is not found");
            OciError::not_found("MANIFEST_UNKNOWN", message)
                .with_detail(json!({ "name": name.as_str(), "reference": what }))
        }
        Refusal::Tag => OciError::not_found("TAG_UNKNOWN", format!("the tag \"{what}\" is not found"))
            .with_detail(json!({ "name": name.as_str(), "reference": what })),
        Refusal::Blob => unknown_blob(&what),
        Refusal::Locked => {
            OciError::new(StatusCode::METHOD_NOT_ALLOWED, "REGISTRY_DISALLOWED_OPERATION", DISALLOWED)
                .with_detail(json!({}))
        }
        Refusal::Missing(digests) => {
            let detail: Vec<_> =
                digests.iter().map(|digest| json!({ "digest": digest.to_string() })).collect();
            let message = format!("the manifest refers to what repository `{name}` does not have");
            OciError::bad_request("MANIFEST_BLOB_UNKNOWN", message).with_detail(detail.into())
        }
    }
}

/// The text is the service's (Azure/acr#79, Azure/acr#631).
pub(super) fn unknown_repository(name: &RepositoryName) -> OciError {
    OciError::not_found("NAME_UNKNOWN", "repository name not known to registry")
        .with_detail(json!({ "name": name.as_str() }))
}

pub(super) fn unknown_blob(digest: &str) -> OciError {
    OciError::not_found("BLOB_UNKNOWN", "blob unknown to registry").with_detail(json!({ "Digest": digest }))
}
