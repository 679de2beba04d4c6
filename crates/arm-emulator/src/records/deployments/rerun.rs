//! What it takes to run a deployment again, and which one is run when another fails.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Scope, State, key};
use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Tags;

pub(super) const INPUTS: &str = "arm.deployment-inputs";

/// Parameters as they were given, secure ones with their values: the store seals them, and no answer shows them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Inputs {
    pub(crate) parameters: Map<String, Value>,
    pub(crate) tags: Tags,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inputs").finish_non_exhaustive()
    }
}

/// `onErrorDeployment` as a deployment shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OnError {
    /// `LastSuccessful` or `SpecificDeployment`.
    pub(crate) kind: String,
    pub(crate) name: String,
    /// `Accepted` as long as nothing has failed.
    pub(crate) state: State,
}

impl OnError {
    /// `azure-rest-api-specs: OnErrorDeploymentExtended`.
    pub(super) fn view(&self) -> Value {
        let mut view = json!({ "type": self.kind, "deploymentName": self.name });
        if self.state != State::Accepted {
            view["provisioningState"] = json!(self.state.word());
        }
        view
    }
}

pub(crate) fn inputs(arm: &Arm, scope: &Scope, name: &str) -> Result<Option<Inputs>, ArmError> {
    Ok(arm.store().get(INPUTS, &key(scope, name))?)
}
