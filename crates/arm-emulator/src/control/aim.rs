//! What faults of Azure can be aimed at beside method and path.

use serde::{Deserialize, Serialize};

/// Which of Azure's services is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Azure Resource Manager.
    Arm,
    /// Entra ID.
    Entra,
    /// A container registry.
    Registry,
    /// The identity endpoint of containers.
    Identity,
}

impl Service {
    /// As it is written in journal and faults.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Arm => "arm",
            Self::Entra => "entra",
            Self::Registry => "registry",
            Self::Identity => "identity",
        }
    }
}

/// Where a fault comes in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum At {
    /// At a request of a client.
    #[default]
    Request,
    /// At a resource that a deployment is about to put: the step fails, the deployment goes on as far as it can.
    Deployment,
}

/// Who calls: all that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Who {
    /// Application id of the token, or user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// A text that the header `User-Agent` holds, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// What must fit beside method and path, and what the error says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AzureAim {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Service>,
    at: At,
    /// A resource with what is below it, in any case: its id (`/subscriptions/…`), or what of it follows the last
    /// `providers` (`Microsoft.ContainerInstance/containerGroups/agent-2`).
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// A type with its children and actions, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Who>,
    /// The code of the error, in place of the one that goes with the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// A call as faults see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(super) service: Service,
    pub(super) at: At,
    /// A request's path, a resource's id.
    pub(super) path: &'a str,
    pub(super) client: Option<&'a str>,
    pub(super) user_agent: &'a str,
}

impl service_kit::Aim for AzureAim {
    type Call<'a> = Call<'a>;

    fn check(&self) -> Result<(), String> {
        if let Some(Who { client: None, user_agent: None }) = self.caller {
            return Err("`caller` needs `client` or `user_agent`".into());
        }
        if let Some(resource) = self.resource.as_deref().filter(|text| text.split('/').count() < 3) {
            return Err(format!(
                "the resource `{resource}` is neither an id nor `namespace/type/name`, such as \
                 `Microsoft.ContainerInstance/containerGroups/agent-0`"
            ));
        }
        if let Some(kind) = self.resource_type.as_deref().filter(|text| text.split('/').count() < 2) {
            return Err(format!("the type `{kind}` is not `namespace/type`"));
        }
        if self.at == At::Deployment && self.caller.is_some() {
            return Err("a resource of a deployment has no `caller`".into());
        }
        Ok(())
    }

    fn fits(&self, call: &Call<'_>) -> bool {
        self.at == call.at
            && self.service.is_none_or(|service| service == call.service)
            && self.resource.as_deref().is_none_or(|resource| is_of(call.path, resource))
            && self.resource_type.as_deref().is_none_or(|kind| has_type(call.path, kind))
            && self.caller.as_ref().is_none_or(|who| who.is(call))
    }
}

impl Who {
    fn is(&self, call: &Call<'_>) -> bool {
        let holds = |part: &String| call.user_agent.to_lowercase().contains(&part.to_lowercase());
        let same = |name: &String| call.client.is_some_and(|client| client.eq_ignore_ascii_case(name));
        self.client.as_ref().is_none_or(same) && self.user_agent.as_ref().is_none_or(holds)
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// What follows the last `providers`: a namespace, then types and names by turns.
fn provided(path: &str) -> Vec<&str> {
    let all = segments(path);
    let last = all.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    last.map_or_else(Vec::new, |at| all[at + 1..].to_vec())
}

fn begins_with(whole: &[&str], part: &[&str]) -> bool {
    whole.len() >= part.len() && whole.iter().zip(part).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn is_of(path: &str, resource: &str) -> bool {
    let whole = if resource.starts_with('/') { segments(path) } else { provided(path) };
    begins_with(&whole, &segments(resource))
}

fn has_type(path: &str, kind: &str) -> bool {
    let provided = provided(path);
    let names = |(place, _): &(usize, &&str)| *place == 0 || place % 2 == 1;
    let own: Vec<_> = provided.iter().enumerate().filter(names).map(|(_, segment)| *segment).collect();
    begins_with(&own, &segments(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/agent-2";

    #[test]
    fn a_resource_is_told_by_its_id_or_by_type_and_name_and_includes_what_is_below() {
        let below = format!("{AGENT}/containers/main/logs");
        for (path, resource, expected) in [
            (AGENT, AGENT, true),
            (AGENT, "microsoft.containerinstance/CONTAINERGROUPS/Agent-2", true),
            (&below, "Microsoft.ContainerInstance/containerGroups/agent-2", true),
            (AGENT, "Microsoft.ContainerInstance/containerGroups/agent", false),
            (AGENT, "/subscriptions/s/resourceGroups/g", true),
            (AGENT, "/subscriptions/s/resourceGroups/other", false),
            ("/subscriptions/s", "Microsoft.ContainerInstance/containerGroups/agent-2", false),
        ] {
            assert_eq!(is_of(path, resource), expected, "{path} {resource}");
        }
    }

    #[test]
    fn a_type_includes_its_children_and_actions() {
        let lock = format!("{AGENT}/providers/Microsoft.Authorization/locks/l");
        for (path, kind, expected) in [
            (AGENT, "Microsoft.ContainerInstance/containerGroups", true),
            (&format!("{AGENT}/start"), "microsoft.containerinstance/containergroups", true),
            (
                "/subscriptions/s/providers/Microsoft.ContainerInstance/containerGroups",
                "Microsoft.ContainerInstance/containerGroups",
                true,
            ),
            (AGENT, "Microsoft.ContainerInstance/containers", false),
            (&lock, "Microsoft.Authorization/locks", true),
            (&lock, "Microsoft.ContainerInstance/containerGroups", false),
        ] {
            assert_eq!(has_type(path, kind), expected, "{path} {kind}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bad, part) in [
            (r#"{"status": 500, "caller": {}}"#, "needs"),
            (r#"{"status": 500, "resource": "agent-2"}"#, "neither an id"),
            (r#"{"status": 500, "resource_type": "containerGroups"}"#, "namespace/type"),
            (r#"{"status": 500, "at": "deployment", "caller": {"client": "x"}}"#, "no `caller`"),
        ] {
            let fault = serde_json::from_str(bad).unwrap();
            let error = service_kit::Faults::<AzureAim>::default().add(vec![fault]).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
