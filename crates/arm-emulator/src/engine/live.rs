//! What a template reads of the resources that are there: `reference` and `list*`.

use arm_template::Deployed;
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::any::{self, Place};
use crate::providers::stored::computed;
use crate::providers::{Kind, acr, versions};
use crate::resource_id::ResourceId;

/// The deployed state as it is now.
#[derive(Debug)]
pub(crate) struct Live<'a>(pub(crate) &'a Arm);

impl Deployed for Live<'_> {
    fn reference(&self, resource_id: &str, api_version: Option<&str>, full: bool) -> Result<Value, String> {
        let (id, view) = self.read(resource_id).map_err(|error| error.body.message)?;
        let view = match (Kind::find(&id.resource_type().unwrap_or_default()), api_version) {
            (Ok(kind), Some(version)) => versions::shown(kind, view, version),
            _ => view,
        };
        if full { Ok(whole(&id, view, api_version)) } else { Ok(view["properties"].clone()) }
    }

    fn list(
        &self,
        function: &str,
        resource_id: &str,
        _api_version: &str,
        _body: Option<&Value>,
    ) -> Result<Value, String> {
        self.call(function, resource_id).map_err(|error| error.body.message)
    }
}

impl Live<'_> {
    fn read(&self, resource_id: &str) -> Result<(ResourceId, Value), ArmError> {
        let id = parse(resource_id)?;
        let view = any::existing(self.0, &id)?;
        Ok((id, view))
    }

    fn call(&self, function: &str, resource_id: &str) -> Result<Value, ArmError> {
        let id = parse(resource_id)?;
        any::existing(self.0, &id)?;
        let Place::Kind(kind, id) = any::place(self.0, &id)? else {
            return computed::call(&id, function);
        };
        match (kind, function.to_ascii_lowercase().as_str()) {
            (Kind::Registry, "listcredentials") => acr::credentials(self.0, &id),
            (Kind::Registry, "listusages") => acr::usages(self.0, &id),
            _ => Err(ArmError::bad_request(
                "InvalidResourceOperation",
                format!(
                    "The function '{function}' is not supported for the type '{}'. Supported are 'listCredentials' \
                     and 'listUsages' of '{}'.",
                    kind.full(),
                    Kind::Registry.full()
                ),
            )),
        }
    }
}

fn parse(text: &str) -> Result<ResourceId, ArmError> {
    text.parse().map_err(|error: crate::resource_id::ResourceIdError| {
        ArmError::bad_request("InvalidResourceId", error.to_string())
    })
}

/// The form of `reference(…, 'Full')` (`azure-docs: template-functions-resource.md`).
fn whole(id: &ResourceId, mut view: Value, api_version: Option<&str>) -> Value {
    let (resource_type, name) = (id.resource_type().unwrap_or_default(), id.name().unwrap_or_default());
    view["apiVersion"] = json!(api_version);
    view["subscriptionId"] = json!(id.subscription());
    view["resourceGroupName"] = json!(id.resource_group());
    view["resourceId"] = json!(format!("{resource_type}/{name}"));
    view["referenceApiVersion"] = json!(api_version);
    view["condition"] = json!(true);
    view["isConditionTrue"] = json!(true);
    view["isTemplateResource"] = json!(false);
    view["isAction"] = json!(false);
    view["provisioningOperation"] = json!("Read");
    view
}
