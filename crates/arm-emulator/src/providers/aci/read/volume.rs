//! The volumes of a group's request body.

use std::collections::BTreeMap;

use container_groups::{AzureFile, GitRepo, VolumeSource, VolumeSpec};
use secrecy::SecretString;
use serde_json::Value;

use crate::error::ArmError;
use crate::fields::Fields;

pub(super) fn read(mut fields: Fields<'_>) -> Result<VolumeSpec, ArmError> {
    let name = fields.required_string("name")?.to_owned();
    let share = fields.object("azureFile")?.map(read_share).transpose()?;
    let repository = fields.object("gitRepo")?.map(read_repository).transpose()?;
    fields.unsupported("secretReference", "use 'secret'")?;
    let empty_dir = fields.value("emptyDir");
    let path = fields.path("secret");
    let secret = fields.value("secret");
    let source = match (empty_dir, secret, share, repository) {
        (Some(_), None, None, None) => VolumeSource::EmptyDir,
        (None, None, Some(share), None) => VolumeSource::AzureFile(share),
        (None, None, None, Some(repository)) => VolumeSource::GitRepo(repository),
        (None, Some(Value::Object(files)), None, None) => {
            let mut contents = BTreeMap::new();
            for (file, content) in files {
                let Value::String(text) = content else {
                    return Err(ArmError::invalid_content(
                        &format!("{path}.{file}"),
                        "A secret is a string in base64.",
                    ));
                };
                contents.insert(file.clone(), SecretString::from(text.as_str()));
            }
            VolumeSource::Secret(contents)
        }
        _ => {
            return Err(ArmError::invalid_content(
                &path,
                format_args!(
                    "The volume '{name}' needs exactly one of 'azureFile', 'emptyDir', 'gitRepo' and 'secret', each an object."
                ),
            ));
        }
    };
    fields.finish()?;
    Ok(VolumeSpec { name, source })
}

fn read_share(mut fields: Fields<'_>) -> Result<AzureFile, ArmError> {
    let share = AzureFile {
        share_name: fields.required_string("shareName")?.to_owned(),
        account_name: fields.required_string("storageAccountName")?.to_owned(),
        account_key: fields.string("storageAccountKey")?.map(SecretString::from),
        read_only: fields.boolean("readOnly")?.unwrap_or_default(),
    };
    fields.unsupported("storageAccountKeyReference", "use 'storageAccountKey'")?;
    fields.finish()?;
    Ok(share)
}

fn read_repository(mut fields: Fields<'_>) -> Result<GitRepo, ArmError> {
    let repository = GitRepo {
        repository: fields.required_string("repository")?.to_owned(),
        directory: fields.string("directory")?.map(str::to_owned),
        revision: fields.string("revision")?.map(str::to_owned),
    };
    fields.finish()?;
    Ok(repository)
}
