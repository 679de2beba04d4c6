//! Seed files of the whole sandbox: one text, of which each side reads its own keys.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pipeline_yaml::{Fault, Faults};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ControlError, apart};

use crate::control::Control;
use crate::whole::Whole;

/// A seed file by whose keys they are. An empty part is that of nobody.
#[derive(Debug)]
struct Parts {
    azdo: String,
    arm: String,
}

impl Parts {
    /// Splits a text whose form is right.
    fn checked(text: &str) -> Result<Self, Faults> {
        let mut parts = pipeline_yaml::parts(text, &[azdo_mock::SEED_KEYS, arm_emulator::SEED_KEYS])?;
        let arm = parts.pop().unwrap_or_default();
        let azdo = parts.pop().unwrap_or_default();
        let mut faults = Vec::new();
        if arm.is_empty() || !azdo.is_empty() {
            faults.extend(azdo_mock::check_seed(&azdo).err().unwrap_or_default());
        }
        if !arm.is_empty() {
            faults.extend(arm_emulator::check_seed(&arm).err().map(|faults| faults.0).unwrap_or_default());
        }
        faults.sort();
        faults.dedup();
        if faults.is_empty() { Ok(Self { azdo, arm }) } else { Err(Faults(faults)) }
    }
}

/// Whether a seed file is right in itself: all that can be said of it without a sandbox.
///
/// # Errors
/// Everything that is wrong with it, each with line, column and key.
pub fn check_seed(text: &str) -> Result<(), Vec<Fault>> {
    Parts::checked(text).map(|_| ()).map_err(|faults| faults.0)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SeedQuery {
    /// Only where the sandbox is new; otherwise nothing happens, and the answer is `null`.
    #[serde(default)]
    if_new: bool,
}

/// `POST seed`: the text of a seed file. What was drawn for it is in this answer and nowhere else.
pub(crate) async fn seed(
    State(control): State<Control>,
    query: Result<Query<SeedQuery>, QueryRejection>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Response> {
    let Query(query) = query.map_err(|error| ControlError::from(error).into_response())?;
    let whole = &control.whole;
    if query.if_new
        && !(whole.azdo.is_new() && whole.arm.is_unseeded().map_err(IntoResponse::into_response)?)
    {
        return Ok((StatusCode::OK, Json(Value::Null)));
    }
    let text = std::str::from_utf8(&body)
        .map_err(|error| ControlError::bad(format!("the seed file is no UTF-8: {error}")).into_response())?;
    let parts =
        Parts::checked(text).map_err(|faults| azdo_mock::SeedError::Faults(faults).into_response())?;
    whole.seed(parts).await.map(|seeded| (StatusCode::CREATED, Json(seeded)))
}

impl Whole {
    /// Azure first: what of it was made can be taken back where Azure DevOps, which takes all or nothing, takes nothing.
    async fn seed(&self, parts: Parts) -> Result<Value, Response> {
        let Parts { azdo, arm } = parts;
        let of_azure = match arm.as_str() {
            "" => None,
            arm => Some(self.arm.seed(arm).await.map_err(IntoResponse::into_response)?),
        };
        let mut shown = json!({ "personalAccessTokens": [], "agents": [], "jobs": [] });
        if !azdo.is_empty() {
            match self.seed_azdo(azdo).await {
                Ok(seeded) => shown = seeded,
                Err(refused) => {
                    if let Some(seeded) = &of_azure {
                        self.arm.unseed(seeded).await.map_err(IntoResponse::into_response)?;
                    }
                    return Err(refused);
                }
            }
        }
        let of_azure =
            of_azure.map_or_else(|| json!({ "applications": [], "made": 0 }), |seeded| seeded.shown());
        shown["applications"] = of_azure["applications"].clone();
        shown["made"] = of_azure["made"].clone();
        Ok(shown)
    }

    async fn seed_azdo(&self, text: String) -> Result<Value, Response> {
        let azdo = self.azdo.clone();
        apart(move || azdo.seed(&text)).await.map(|seeded| seeded.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_gets_its_own_keys_with_their_lines() {
        let text = "# both\npools: [Linux]\nresourceGroups:\n- {name: a, location: westeurope}\njobs:\n- script: make\n";
        let parts = Parts::checked(text).unwrap();
        assert_eq!(parts.azdo, "# both\npools: [Linux]\n\n\njobs:\n- script: make\n");
        assert_eq!(parts.arm, "# both\n\nresourceGroups:\n- {name: a, location: westeurope}\n\n\n");
        let one = Parts::checked("pools: [Linux]").unwrap();
        assert!(one.arm.is_empty() && !one.azdo.is_empty());
        let other = Parts::checked("resourceGroups: []").unwrap();
        assert!(!other.arm.is_empty() && other.azdo.is_empty());
    }

    #[test]
    fn faults_of_both_sides_are_told_at_once() {
        let text = "agents:\n- {nam: a}\nresourceGroups:\n- {name: a}\n";
        let faults = check_seed(text).unwrap_err();
        let lines: Vec<_> = faults.iter().map(|fault| (fault.at.line, fault.key.as_str())).collect();
        let expected = [(2, "agents[0].name"), (2, "agents[0].nam"), (4, "resourceGroups[0].location")];
        assert_eq!(lines, expected);
        let unknown = check_seed("ressources: []").unwrap_err();
        assert!(
            unknown[0].message.contains("pools") && unknown[0].message.contains("resources"),
            "{unknown:?}"
        );
        for empty in ["", "- a", "a"] {
            assert!(check_seed(empty).is_err(), "{empty}");
        }
        let one_line = check_seed("{pools: [a], resourceGroups: []}").unwrap_err();
        assert!(one_line[0].message.contains("begin a line with it"), "{one_line:?}");
    }
}
