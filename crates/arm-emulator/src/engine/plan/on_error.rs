//! `onErrorDeployment`: which earlier deployment is run again when this one fails (`azure-docs: rollback-on-error.md`).

use serde_json::Value;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::records::deployments::{self, OnError, Scope, State};

/// What a body asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    LastSuccessful,
    Specific(String),
}

impl Wanted {
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, ArmError> {
        fields.required("type")?;
        let kind = fields.word("type", &["LastSuccessful", "SpecificDeployment"])?;
        let name = fields.string("deploymentName")?.filter(|name| !name.is_empty());
        let path = fields.path("deploymentName");
        fields.finish()?;
        match (kind, name) {
            (Some("SpecificDeployment"), Some(name)) => Ok(Self::Specific(name.to_owned())),
            (Some("SpecificDeployment"), None) => {
                Err(ArmError::invalid_content(&path, "A specific deployment has to be named"))
            }
            (_, Some(_)) => Err(ArmError::invalid_content(
                &path,
                "The last successful deployment is not chosen by its name",
            )),
            (_, None) => Ok(Self::LastSuccessful),
        }
    }

    /// The deployment that would be run again. `name` is that of the one that may fail.
    pub(super) fn resolve(&self, arm: &Arm, scope: &Scope, name: &str) -> Result<OnError, ArmError> {
        if scope.group().is_none() {
            return Err(invalid(&format!("it is not supported for deployments at {} scope", scope.word())));
        }
        let earlier = match self {
            Self::LastSuccessful => {
                let all = deployments::list(arm, scope)?;
                let found = all
                    .into_iter()
                    .find(|one| one.state == State::Succeeded && !one.name.eq_ignore_ascii_case(name));
                found.ok_or_else(|| invalid("the resource group has no earlier deployment that succeeded"))?
            }
            Self::Specific(wanted) if wanted.eq_ignore_ascii_case(name) => {
                return Err(invalid("a deployment cannot be the one that is run again when it fails"));
            }
            Self::Specific(wanted) => deployments::get(arm, scope, wanted)?,
        };
        if earlier.state != State::Succeeded {
            return Err(invalid(&format!(
                "the deployment '{}' did not succeed, its state is '{}'",
                earlier.name,
                earlier.state.word()
            )));
        }
        if deployments::inputs(arm, scope, &earlier.name)?.is_none() {
            return Err(invalid(&format!(
                "the deployment '{}' was made from within another one",
                earlier.name
            )));
        }
        let kind = match self {
            Self::LastSuccessful => "LastSuccessful",
            Self::Specific(_) => "SpecificDeployment",
        };
        Ok(OnError { kind: kind.to_owned(), name: earlier.name, state: State::Accepted })
    }
}

fn invalid(why: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidOnErrorDeployment",
        format!("The property 'onErrorDeployment' cannot be used: {why}."),
    )
}

/// The request that makes an earlier deployment once more, in Complete mode as the service does it.
pub(crate) fn again(template: &Value, inputs: deployments::Inputs) -> Result<super::Request, ArmError> {
    let text = template.to_string();
    let node = arm_template::jsonc::parse(&text).map_err(|fault| super::violation(&[fault]))?;
    Ok(super::Request {
        mode: deployments::Mode::Complete,
        location: None,
        tags: inputs.tags,
        template: super::Source::Here((text, node)),
        parameters: super::Source::Here(inputs.parameters),
        check_resources: true,
        on_error: None,
    })
}
