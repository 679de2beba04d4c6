//! `importImage`: copying an image between registries of the sandbox. No other registry is asked.
//!
//! Source: Azure/azure-rest-api-specs, `Registries_ImportImage`, whose defaults these are. The words of refusals are assumed.

use acr_registry::{ExistingTags, ImportError, ImportImage, ImportTarget, Reader};
use axum::http::StatusCode;
use secrecy::SecretString;
use serde_json::Value;

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::records::registries::{self, RegistryRecord};
use crate::resource_id::ResourceId;

pub(crate) async fn import(arm: &Arm, id: &ResourceId, body: &Value) -> Result<(), ArmError> {
    let registry = super::existing(arm, id)?;
    let image = read(arm, body)?;
    check_exports(arm, &image.from, &registry)?;
    arm.settings().registries.import(&registry.name, &image).await.map_err(refused)?;
    let separator = if image.reference.contains(':') { '@' } else { ':' };
    let image = format!("{}{separator}{}", image.repository, image.reference);
    arm.tell(EventKind::ImageImported { id: id.to_string(), image });
    Ok(())
}

fn read(arm: &Arm, body: &Value) -> Result<ImportImage, ArmError> {
    let mut fields = Fields::of(body, "")?;
    let mut source = fields.required_object("source")?;
    let (from, mut reader) = registry(arm, &mut source)?;
    if let Some(mut credentials) = source.object("credentials")? {
        // A password without a name would be an Entra token, which is not taken here.
        let username = credentials.required_string("username")?.to_owned();
        let password = SecretString::from(credentials.required_string("password")?);
        credentials.finish()?;
        reader = Reader::Login { username, password };
    }
    let name = source.required_string("sourceImage")?;
    source.finish()?;
    let (repository, reference) = split(name);
    let mut targets: Vec<ImportTarget> =
        fields.strings("targetTags")?.iter().map(|tag| target(tag, reference)).collect();
    let untagged = fields.strings("untaggedTargetRepositories")?.into_iter();
    targets.extend(untagged.map(|repository| ImportTarget { repository, tag: None }));
    if targets.is_empty() {
        targets.push(target(repository, reference));
    }
    let existing = match fields.word("mode", &["NoForce", "Force"])? {
        Some("Force") => ExistingTags::Moved,
        _ => ExistingTags::Refused,
    };
    fields.finish()?;
    let reference = reference.unwrap_or("latest").to_owned();
    Ok(ImportImage { from, reader, repository: repository.to_owned(), reference, targets, existing })
}

/// Which registry, and who reads it unless somebody logs in: who names the resource owns it.
fn registry(arm: &Arm, source: &mut Fields<'_>) -> Result<(String, Reader), ArmError> {
    let (resource, server) = (source.string("resourceId")?, source.string("registryUri")?);
    match (resource, server) {
        (Some(text), None) => {
            let id: ResourceId = text.parse().map_err(|_| {
                ArmError::invalid_content("source.resourceId", "The value is not the id of a registry.")
            })?;
            let record = registries::find(arm, id.last_name())?.filter(|record| record.id == id);
            let record = record.ok_or_else(|| {
                ArmError::resource_not_found(
                    "Microsoft.ContainerRegistry/registries",
                    id.last_name(),
                    id.resource_group().unwrap_or_default(),
                )
            })?;
            Ok((record.name, Reader::Owner))
        }
        (None, Some(server)) => {
            let known = arm.settings().registries.list().into_iter();
            let found = known.map(|info| (info.name, info.login_server));
            let found =
                found.filter(|(_, own)| own.eq_ignore_ascii_case(server)).map(|(name, _)| name).next();
            let name = found.ok_or_else(|| {
                ArmError::invalid_content(
                    "source.registryUri",
                    "No registry of this emulator has this login server, and no other registry is asked.",
                )
            })?;
            Ok((name, Reader::Anonymous))
        }
        _ => Err(ArmError::invalid_content(
            "source",
            "Exactly one of 'resourceId' and 'registryUri' has to be there.",
        )),
    }
}

/// Nothing is imported into others from a registry whose policy is to export nothing (`azure-docs: data-loss-prevention.md` of ACR; the
/// words are ours).
fn check_exports(arm: &Arm, from: &str, into: &RegistryRecord) -> Result<(), ArmError> {
    let exports = registries::find(arm, from)?.is_none_or(|record| record.policies.exports);
    if exports || from.eq_ignore_ascii_case(&into.name) {
        return Ok(());
    }
    let problem = format!("The registry '{from}' exports no images: its 'exportPolicy' is disabled.");
    Err(ArmError::new(StatusCode::FORBIDDEN, "ExportPolicyDisabled", problem))
}

/// `repository`, `repository:tag` or `repository@digest`.
fn split(name: &str) -> (&str, Option<&str>) {
    let parts = name.split_once('@').or_else(|| name.split_once(':'));
    parts.map_or((name, None), |(repository, reference)| (repository, Some(reference)))
}

/// A target without a tag has that of the source; a digest is none.
fn target(text: &str, source: Option<&str>) -> ImportTarget {
    let (repository, tag) = split(text);
    let tag = tag.or(source.filter(|reference| !reference.contains(':'))).unwrap_or("latest");
    ImportTarget { repository: repository.to_owned(), tag: Some(tag.to_owned()) }
}

fn refused(error: ImportError) -> ArmError {
    let text = error.to_string();
    match error {
        ImportError::Registry(_) | ImportError::Files(_) | ImportError::Store(_) => ArmError::internal(error),
        ImportError::TagExists { repository, tag } => ArmError::conflict(
            "Conflict",
            format!("Tag {repository}:{tag} already exists in target registry."),
        ),
        ImportError::Locked(_) => {
            ArmError::conflict("Conflict", format!("The image was not imported: {text}."))
        }
        ImportError::Name(_) | ImportError::Denied(_) | ImportError::Absent(_) => {
            ArmError::bad_request("InvalidParameters", format!("The image was not imported: {text}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_tag_has_that_of_its_source() {
        for (text, source, repository, tag) in [
            ("a/b:1", Some("2"), "a/b", "1"),
            ("a/b", Some("2"), "a/b", "2"),
            ("a/b", Some("sha256:00"), "a/b", "latest"),
            ("a/b", None, "a/b", "latest"),
        ] {
            let expected = ImportTarget { repository: repository.into(), tag: Some(tag.into()) };
            assert_eq!(target(text, source), expected, "{text} {source:?}");
        }
        assert_eq!(split("a@sha256:00"), ("a", Some("sha256:00")));
    }
}
