//! ACR's own API, `/acr/v1`: repositories, tags and manifests with their times and attributes, as `az acr repository`,
//! `az acr manifest` and the SDKs read and change them.
//!
//! Source: Azure/azure-rest-api-specs, `Azure.ContainerRegistry/routes.tsp` and `models.tsp`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::access::Scope;
use crate::acr_path::AcrTarget;
use crate::attributes::Changes;
use crate::error::OciError;
use crate::name::{Reference, RepositoryName};
use crate::registry::Registry;
use crate::repository::{Refusal, Repository};
use crate::routes::page::Wanted;
use crate::routes::refusals::refused;
use crate::routes::{Door, blobs, flat, gate, lists, manifests, refused_path, unsupported};

mod order;
mod show;

/// A body that changes attributes is small.
const LARGEST_CHANGE: usize = 64 * 1024;

pub(super) async fn resource(
    State(door): State<Door>,
    Path(rest): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let registry = door.registry()?;
        let target = match AcrTarget::parse(&rest) {
            Ok(target) => target,
            Err(error) => {
                gate::admit(registry, &parts.headers, &[])?;
                return Err(refused_path(&format!("/acr/v1/{rest}"), error));
            }
        };
        gate::admit(registry, &parts.headers, &[wanted(&target, &parts.method)])?;
        dispatch(registry, target, &parts, body).await
    };
    flat(answer.await)
}

/// What one must be allowed for a request.
fn wanted(target: &AcrTarget, method: &Method) -> Scope {
    let Some(name) = target.repository() else { return Scope::catalog() };
    let action = match *method {
        Method::DELETE => "delete",
        Method::PATCH => "metadata_write",
        _ => "metadata_read",
    };
    Scope::repository(name.as_str(), &[action])
}

async fn dispatch(
    registry: &Registry,
    target: AcrTarget,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    let supported = match &target {
        AcrTarget::Catalog | AcrTarget::Tags(_) | AcrTarget::Manifests(_) => "GET",
        AcrTarget::Repository(_) | AcrTarget::Tag(..) | AcrTarget::Manifest(..) => "GET, PATCH, DELETE",
    };
    match (parts.method.as_str(), target) {
        ("GET", AcrTarget::Catalog) => lists::catalog(registry, parts),
        ("GET", AcrTarget::Tags(name)) => tags(registry, &name, parts),
        ("GET", AcrTarget::Manifests(name)) => manifest_list(registry, &name, parts),
        ("GET", target) => show(registry, &target),
        ("PATCH", target @ (AcrTarget::Repository(_) | AcrTarget::Tag(..) | AcrTarget::Manifest(..))) => {
            change(registry, &target, body).await?;
            show(registry, &target)
        }
        ("DELETE", AcrTarget::Repository(name)) => delete_repository(registry, &name, parts).await,
        ("DELETE", AcrTarget::Tag(name, tag)) => untag(registry, &name, &tag),
        ("DELETE", AcrTarget::Manifest(name, digest)) => {
            let reference = Reference::Digest(digest);
            manifests::delete(registry, &name, &reference, parts).await
        }
        (_, target) => Err(unsupported(&parts.method, &format!("/acr/v1/{target}"), supported)),
    }
}

fn tags(registry: &Registry, name: &RepositoryName, parts: &Parts) -> Result<Response, OciError> {
    let wanted = Wanted::read(parts)?;
    let order = order::read(parts)?;
    let repository = manifests::repository(registry, name)?;
    let query = gate::query(&parts.uri);
    let of = query.iter().find(|(key, value)| key == "digest" && !value.is_empty()).map(|(_, value)| value);
    let listed = repository.tags.iter().filter(|(_, tag)| {
        tag.attributes.list_enabled && of.is_none_or(|digest| tag.digest.to_string() == *digest)
    });
    let entries = listed.map(|(tag, record)| (record.moved, tag.clone(), show::tag(tag, record))).collect();
    let mut path = order.path(&format!("/acr/v1/{name}/_tags"));
    if let Some(digest) = of {
        path = format!("{path}&digest={digest}");
    }
    let page = order.page(wanted, entries);
    Ok(page.answer(&path, |tags| {
        let tags: Vec<_> = tags.into_iter().map(|(_, shown)| shown).collect();
        json!({ "registry": registry.service(), "imageName": name.as_str(), "tags": tags })
    }))
}

fn manifest_list(registry: &Registry, name: &RepositoryName, parts: &Parts) -> Result<Response, OciError> {
    let wanted = Wanted::read(parts)?;
    let order = order::read(parts)?;
    let repository = manifests::repository(registry, name)?;
    let listed = repository.manifests.iter().filter(|(_, record)| record.attributes.list_enabled);
    let entries = listed.map(|(digest, record)| {
        let moved = record.updated.unwrap_or(record.pushed);
        (moved, digest.to_string(), show::manifest(&repository, digest, record))
    });
    let page = order.page(wanted, entries.collect());
    Ok(page.answer(&order.path(&format!("/acr/v1/{name}/_manifests")), |manifests| {
        let manifests: Vec<_> = manifests.into_iter().map(|(_, shown)| shown).collect();
        json!({ "registry": registry.service(), "imageName": name.as_str(), "manifests": manifests })
    }))
}

fn show(registry: &Registry, target: &AcrTarget) -> Result<Response, OciError> {
    let Some(name) = target.repository() else { return Err(super::no_route("/acr/v1/")) };
    let repository = manifests::repository(registry, name)?;
    let (service, image) = (registry.service(), name.as_str());
    let shown = match target {
        AcrTarget::Tag(_, tag) => {
            let record = repository.tags.get(tag).ok_or_else(|| refused(name, tag, Refusal::Tag))?;
            json!({ "registry": service, "imageName": image, "tag": show::tag(tag, record) })
        }
        AcrTarget::Manifest(_, digest) => {
            let record =
                repository.manifests.get(digest).ok_or_else(|| refused(name, digest, Refusal::Manifest))?;
            let shown = show::manifest(&repository, digest, record);
            json!({ "registry": service, "imageName": image, "manifest": shown })
        }
        _ => show::repository(service, image, &repository),
    };
    Ok(Json(shown).into_response())
}

async fn change(registry: &Registry, target: &AcrTarget, body: Body) -> Result<(), OciError> {
    let Some(name) = target.repository() else { return Err(super::no_route("/acr/v1/")) };
    let invalid = |message: String| OciError::bad_request("UNSUPPORTED", message);
    let text =
        axum::body::to_bytes(body, LARGEST_CHANGE).await.map_err(|error| invalid(error.to_string()))?;
    // A body may be left away: nothing changes then.
    let changes: Changes = if text.is_empty() {
        Changes::default()
    } else {
        serde_json::from_slice(&text)
            .map_err(|error| invalid(format!("the body is not a set of attributes: {error}")))?
    };
    manifests::repository(registry, name)?;
    let changed = registry.catalogue.change(name, |repository| apply(repository, target, changes));
    changed
        .map_err(|error| OciError::internal("change attributes", &error))?
        .map_err(|refusal| refused(name, target, refusal))
}

fn apply(repository: &mut Repository, target: &AcrTarget, changes: Changes) -> Result<(), Refusal> {
    let attributes = match target {
        AcrTarget::Tag(_, tag) => &mut repository.tags.get_mut(tag).ok_or(Refusal::Tag)?.attributes,
        AcrTarget::Manifest(_, digest) => {
            &mut repository.manifests.get_mut(digest).ok_or(Refusal::Manifest)?.attributes
        }
        _ => &mut repository.attributes,
    };
    *attributes = attributes.changed(changes);
    Ok(())
}

async fn delete_repository(
    registry: &Registry,
    name: &RepositoryName,
    parts: &Parts,
) -> Result<Response, OciError> {
    let now = registry.tokens.clock.now();
    let before = manifests::repository(registry, name)?;
    let removed = registry.catalogue.change(name, |repository| repository.clear(now));
    let (digests, tags) = removed
        .map_err(|error| OciError::internal("delete a repository", &error))?
        .map_err(|refusal| refused(name, name, refusal))?;
    registry.tell_deleted(name, &before, &digests, parts);
    blobs::remove_unused(registry, &digests).await?;
    let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
    let answer = json!({ "manifestsDeleted": digests, "tagsDeleted": tags });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn untag(registry: &Registry, name: &RepositoryName, tag: &str) -> Result<Response, OciError> {
    let now = registry.tokens.clock.now();
    manifests::repository(registry, name)?;
    let removed = registry.catalogue.change(name, |repository| repository.untag(tag, now));
    removed
        .map_err(|error| OciError::internal("delete a tag", &error))?
        .map_err(|refusal| refused(name, &tag, refusal))?;
    Ok(StatusCode::ACCEPTED.into_response())
}
