//! What surrounds the evaluation of one template: where it is deployed, its parameters, its variables.

use crate::document::Document;
use crate::expr::eval::{Eval, Failure, Fault};
use crate::linked::Links;
use crate::roles::CustomRoles;
use crate::target::{Level, Scope};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How a deployment treats what the template does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Incremental,
    Complete,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incremental => "Incremental",
            Self::Complete => "Complete",
        }
    }
}

/// What evaluation needs besides the expression; shared by all resources of a plan.
pub(crate) struct TemplateScope {
    pub(crate) document: Arc<Document>,
    pub(crate) scope: Scope,
    pub(crate) deployment_name: String,
    pub(crate) mode: Mode,
    pub(crate) now: jiff::Timestamp,
    pub(crate) environment: Value,
    pub(crate) deployer: Option<Value>,
    pub(crate) custom_roles: Option<Arc<dyn CustomRoles>>,
    pub(crate) links: Links,
    /// Some parameter's value is shown nowhere: placeholders stand for it, and for all that is made of it.
    pub(crate) conceals: bool,
    /// The address that the template came from.
    pub(crate) template_uri: Option<String>,
    /// Secret texts among the parameters; they are taken out of every message.
    pub(crate) secrets: Mutex<Vec<String>>,
    /// The parameters as given, for `deployment()`; secure ones without a value.
    pub(crate) given_parameters: Mutex<Map<String, Value>>,
    parameters: Mutex<HashMap<String, Arc<Value>>>,
    variables: Mutex<HashMap<String, Computed>>,
}

/// What a variable came to.
pub(crate) type Computed = Result<Arc<Value>, Box<Failure>>;

impl fmt::Debug for TemplateScope {
    /// Parameters may be secret: nothing of them is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateScope")
            .field("scope", &self.scope)
            .field("deployment_name", &self.deployment_name)
            .finish_non_exhaustive()
    }
}

impl TemplateScope {
    pub(crate) fn new(document: Arc<Document>, scope: Scope, deployment_name: String, mode: Mode) -> Self {
        Self {
            conceals: document.parameters.iter().any(|parameter| parameter.secure),
            document,
            scope,
            deployment_name,
            mode,
            now: jiff::Timestamp::UNIX_EPOCH,
            environment: Value::Null,
            deployer: None,
            custom_roles: None,
            links: Links::default(),
            template_uri: None,
            secrets: Mutex::default(),
            given_parameters: Mutex::default(),
            parameters: Mutex::default(),
            variables: Mutex::default(),
        }
    }

    pub(crate) fn known_parameter(&self, key: &str) -> Option<Arc<Value>> {
        locked(&self.parameters).get(key).cloned()
    }

    pub(crate) fn keep_parameter(&self, key: String, value: Arc<Value>) {
        let secure = self
            .document
            .parameters
            .iter()
            .any(|parameter| parameter.secure && crate::value::folded(&parameter.name) == key);
        if secure {
            collect_texts(&value, &mut locked(&self.secrets));
        }
        locked(&self.parameters).insert(key, value);
    }

    pub(crate) fn known_variable(&self, key: &str) -> Option<Computed> {
        locked(&self.variables).get(key).cloned()
    }

    pub(crate) fn keep_variable(&self, key: String, value: Computed) {
        locked(&self.variables).insert(key, value);
    }

    /// A message without secret texts.
    pub(crate) fn scrub(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for secret in locked(&self.secrets).iter() {
            if message.contains(secret.as_str()) {
                message = message.replace(secret.as_str(), "***");
            }
        }
        message
    }

    /// `deployment()`.
    pub(crate) fn deployment(&self) -> Value {
        let mut shown = json!({
            "name": self.deployment_name,
            "properties": {
                "template": self.document.root.to_value(),
                "templateHash": "",
                "parameters": Value::Object(locked(&self.given_parameters).clone()),
                "mode": self.mode.as_str(),
                "provisioningState": "Accepted",
            },
        });
        if let Some(uri) = &self.template_uri {
            shown["properties"]["templateLink"] = json!({"uri": uri});
        }
        if self.scope.level != Level::ResourceGroup {
            shown["location"] = json!(self.scope.location);
        }
        shown
    }

    pub(crate) fn deployer(&self) -> Eval<Value> {
        self.deployer.clone().ok_or_else(|| {
            Fault::new("The template function 'deployer' has no value here: who deploys is not known.")
        })
    }
}

/// Every text inside of a secret value that is long enough to be one.
fn collect_texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= 3 => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, into)),
        Value::Object(map) => map.values().for_each(|value| collect_texts(value, into)),
        _ => {}
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock was held leaves a cache with fewer entries, nothing worse.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `environment()` of the public cloud.
pub fn public_cloud() -> Value {
    json!({
        "name": "AzureCloud",
        "gallery": "https://gallery.azure.com/",
        "graph": "https://graph.windows.net/",
        "portal": "https://portal.azure.com",
        "graphAudience": "https://graph.windows.net/",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "batch": "https://batch.core.windows.net/",
        "media": "https://rest.media.azure.net",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
        "resourceManager": "https://management.azure.com/",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD"
        },
        "suffixes": {
            "acrLoginServer": ".azurecr.io",
            "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
            "azureFrontDoorEndpointSuffix": "azurefd.net",
            "keyvaultDns": ".vault.azure.net",
            "sqlServerHostname": ".database.windows.net",
            "storage": "core.windows.net"
        }
    })
}
