//! PURE. The request that deploys named agents: our template or the user's, and its parameters.

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{ExitClass, Explain};
use crate::fleet::AgentName;
use crate::image_ref::ImageRef;
use crate::jsonc;
use crate::observe::FLEET_TAG;
use crate::settings::{OsType, Settings};

/// Tag of a deployment with the words of who started it.
pub(crate) const DEPLOYER_TAG: &str = "mayfly-deployer";

const FLEET: &str = include_str!("../templates/fleet.json");
const REGISTRY: &str = include_str!("../templates/registry.json");
const REGISTRY_TYPE: &str = "Microsoft.ContainerRegistry/registries";

/// What happens to resources of the group that the deployment does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They stay.
    #[default]
    Incremental,
    /// They are deleted. Every agent is made anew, after it has been drained.
    Complete,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "Incremental",
            Self::Complete => "Complete",
        }
    }
}

/// The registry that holds the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryLocation {
    /// Subscription.
    pub subscription_id: String,
    /// Resource group.
    pub resource_group: String,
    /// Name of the registry.
    pub name: String,
}

impl RegistryLocation {
    /// Reads the parts of a registry's resource id.
    pub fn from_id(id: &str) -> Option<Self> {
        let parts: Vec<&str> = id.split('/').collect();
        let after = |word: &str| {
            let at = parts.iter().position(|part| part.eq_ignore_ascii_case(word))?;
            parts.get(at + 1).filter(|part| !part.is_empty()).map(|part| (*part).to_owned())
        };
        Some(Self {
            subscription_id: after("subscriptions")?,
            resource_group: after("resourceGroups")?,
            name: after("registries")?,
        })
    }
}

/// A template of the user's own, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnTemplate {
    template: Value,
    /// As in the request: name to `{"value": …}` or `{"reference": …}`.
    parameters: Map<String, Value>,
}

/// A template that cannot make a fleet.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file is no JSON.
    #[error("read {what} `{name}`")]
    Parse {
        /// `template` or `parameters`.
        what: &'static str,
        /// Name of the file.
        name: String,
        /// Where parsing ended.
        #[source]
        source: serde_json::Error,
    },
    /// The file is JSON of another shape.
    #[error("read {what} `{name}`: it is no JSON object")]
    Shape {
        /// `template` or `parameters`.
        what: &'static str,
        /// Name of the file.
        name: String,
    },
    /// The template does not take what a fleet needs.
    #[error("use template `{name}` for a fleet: it declares no parameter {}", missing.join(" and no parameter "))]
    Missing {
        /// Name of the file.
        name: String,
        /// Name and type of each parameter.
        missing: Vec<String>,
    },
    /// The token would be kept in clear in the deployment history.
    #[error(
        "use template `{name}` for a fleet: its parameter `azdoToken` is not a `securestring`, so the token would stay readable in the deployment history"
    )]
    Unprotected {
        /// Name of the file.
        name: String,
    },
    /// A registry beside the fleet would not survive Complete mode.
    #[error("use template `{name}` for a fleet: it also makes a registry, in the same group as the agents")]
    HoldsRegistry {
        /// Name of the file.
        name: String,
    },
    /// The template makes something else.
    #[error(
        "deploy template `{name}`: it makes no container group `{agent}` with the tag `{FLEET_TAG}={fleet}`"
    )]
    NotAFleet {
        /// Name of the file.
        name: String,
        /// The agent that was to be made.
        agent: AgentName,
        /// The fleet.
        fleet: String,
    },
}

impl Explain for TemplateError {
    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Parse { .. } | Self::Shape { .. } => "check the file with `expand`",
            Self::Missing { .. } | Self::NotAFleet { .. } => {
                "a template for a fleet makes one container group per name in the array `agentNames`, gives it the tag `mayfly-fleet` and the agent the token `azdoToken`; start from crates/aci-deploy/templates/fleet.json"
            }
            Self::Unprotected { .. } => "declare it as \"type\": \"securestring\"",
            Self::HoldsRegistry { .. } => "keep the registry in a template and a resource group of its own",
        };
        Some(text.to_owned())
    }
}

impl OwnTemplate {
    /// Reads a template and, where there is one, its parameter file. The names are for error texts.
    pub fn parse(template: (&str, &str), parameters: Option<(&str, &str)>) -> Result<Self, TemplateError> {
        let (name, text) = template;
        let template = object("template", name, text)?;
        let parameters = match parameters {
            Some((name, text)) => {
                let file = object("parameters", name, text)?;
                // A parameter file wraps them in `parameters`; bare ones are taken as they are.
                match file.get("parameters") {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => file,
                }
            }
            None => Map::new(),
        };
        let own = Self { template: Value::Object(template), parameters };
        own.check(name)?;
        Ok(own)
    }

    fn check(&self, name: &str) -> Result<(), TemplateError> {
        let name = || name.to_owned();
        let needed = [("agentNames", "`agentNames` (array)"), ("azdoToken", "`azdoToken` (securestring)")];
        let missing: Vec<String> = needed
            .iter()
            .filter(|(parameter, _)| self.declared(parameter).is_none())
            .map(|(_, text)| (*text).to_owned())
            .collect();
        if !missing.is_empty() {
            return Err(TemplateError::Missing { name: name(), missing });
        }
        let kind = self.declared("azdoToken").and_then(|(_, declaration)| declaration.get("type")?.as_str());
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("securestring")) {
            return Err(TemplateError::Unprotected { name: name() });
        }
        if holds_registry(&self.template) {
            return Err(TemplateError::HoldsRegistry { name: name() });
        }
        Ok(())
    }

    /// A declared parameter under the template's own spelling; names are compared without case.
    fn declared(&self, parameter: &str) -> Option<(&String, &Value)> {
        let declared = self.template.get("parameters")?.as_object()?;
        declared.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter))
    }
}

fn object(what: &'static str, name: &str, text: &str) -> Result<Map<String, Value>, TemplateError> {
    let name = name.to_owned();
    match jsonc::parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(TemplateError::Shape { what, name }),
        Err(source) => Err(TemplateError::Parse { what, name, source }),
    }
}

/// Nested deployments are searched too, unless they go to another group.
fn holds_registry(template: &Value) -> bool {
    let resources: Vec<&Value> = match template.get("resources") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(named)) => named.values().collect(),
        _ => Vec::new(),
    };
    resources.into_iter().any(|resource| {
        let kind = resource.get("type").and_then(Value::as_str).unwrap_or_default();
        let nested = resource.pointer("/properties/template");
        let here = resource.get("resourceGroup").is_none();
        kind.eq_ignore_ascii_case(REGISTRY_TYPE) || (here && nested.is_some_and(holds_registry))
    })
}

/// What every new agent is made of.
#[derive(Debug, Clone)]
pub(crate) struct AgentSpec {
    pub(crate) image: ImageRef,
    pub(crate) cpu: f64,
    pub(crate) memory_gb: f64,
    pub(crate) os_type: OsType,
    pub(crate) location: String,
    pub(crate) registry: RegistryLocation,
}

/// One deployment.
#[derive(Debug)]
pub(crate) struct FleetDeployment<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) spec: &'a AgentSpec,
    pub(crate) mode: Mode,
    pub(crate) agents: &'a [AgentName],
    pub(crate) own: Option<&'a OwnTemplate>,
    pub(crate) deployer: &'a str,
}

impl FleetDeployment<'_> {
    /// The request. It holds the token: it is sent and nothing else.
    pub(crate) fn body(&self) -> Value {
        let (template, parameters) = match self.own {
            None => (own_template(FLEET), wrap(self.parameters())),
            Some(own) => (own.template.clone(), self.parameters_for(own)),
        };
        json!({
            "tags": {FLEET_TAG: self.settings.fleet, DEPLOYER_TAG: self.deployer},
            "properties": {"mode": self.mode.as_str(), "template": template, "parameters": parameters},
        })
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        let spec = self.spec;
        vec![
            ("fleet", json!(self.settings.fleet)),
            ("agentNames", json!(self.agents)),
            ("location", json!(spec.location)),
            ("image", json!(spec.image)),
            ("osType", json!(spec.os_type.as_str())),
            ("resources", json!({"cpu": spec.cpu, "memoryInGB": spec.memory_gb})),
            ("registrySubscriptionId", json!(spec.registry.subscription_id)),
            ("registryResourceGroup", json!(spec.registry.resource_group)),
            ("registryName", json!(spec.registry.name)),
            ("azdoUrl", json!(self.settings.organization.as_str().trim_end_matches('/'))),
            ("azdoCaCertificate", json!(self.settings.container_authorities.as_deref().unwrap_or_default())),
            ("azdoPool", json!(self.settings.pool)),
            ("azdoToken", json!(self.settings.token.expose_secret())),
        ]
    }

    /// Of ours, those that the user's template declares and the user's file does not give. The names of the agents are
    /// always ours: the file cannot know them.
    fn parameters_for(&self, own: &OwnTemplate) -> Map<String, Value> {
        let mut parameters = own.parameters.clone();
        for (name, value) in self.parameters() {
            let Some((declared, _)) = own.declared(name) else { continue };
            let given = parameters.keys().find(|given| given.eq_ignore_ascii_case(name)).cloned();
            match given {
                Some(given) if name == "agentNames" => {
                    parameters.remove(&given);
                }
                Some(_) => continue,
                None => {}
            }
            parameters.insert(declared.clone(), json!({"value": value}));
        }
        parameters
    }
}

/// The request that makes a registry.
pub(crate) fn registry_body(fleet: &str, name: &str, location: &str, sku: &str, deployer: &str) -> Value {
    let parameters = wrap(vec![
        ("fleet", json!(fleet)),
        ("registryName", json!(name)),
        ("location", json!(location)),
        ("sku", json!(sku)),
    ]);
    json!({
        "tags": {FLEET_TAG: fleet, DEPLOYER_TAG: deployer},
        "properties": {"mode": "Incremental", "template": own_template(REGISTRY), "parameters": parameters},
    })
}

fn own_template(text: &str) -> Value {
    serde_json::from_str(text).expect("the templates of this crate are JSON, which a test checks")
}

fn wrap(values: Vec<(&'static str, Value)>) -> Map<String, Value> {
    values.into_iter().map(|(name, value)| (name.to_owned(), json!({"value": value}))).collect()
}

#[cfg(test)]
mod tests;
