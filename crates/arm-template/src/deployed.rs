//! What a template may ask about resources that exist: the seam between this crate and whoever deploys.

use serde_json::Value;

/// Answers `reference` and `list*` while a deployment runs.
pub trait Deployed {
    /// The properties of a resource; the whole resource when `full`. `api_version` is given unless the template leaves it
    /// out for a resource that it does not contain.
    ///
    /// # Errors
    /// The message for the template's author: the resource is not there, or cannot be read.
    fn reference(&self, resource_id: &str, api_version: Option<&str>, full: bool) -> Result<Value, String>;

    /// The answer of `POST {resource_id}/{function}`, for example `listCredentials`.
    ///
    /// # Errors
    /// The message for the template's author.
    fn list(
        &self,
        function: &str,
        resource_id: &str,
        api_version: &str,
        body: Option<&Value>,
    ) -> Result<Value, String>;

    /// True when nothing is deployed and the text of the reduced expression stands for its value.
    #[doc(hidden)]
    fn only_placeholders(&self) -> bool {
        false
    }
}

/// Stands for a deployment that never happens: an expression that needs one becomes its own text, with everything
/// computed that can be, for example `[reference('/subscriptions/…/registries/x', '2023-07-01').loginServer]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placeholders;

impl Deployed for Placeholders {
    fn reference(&self, resource_id: &str, _: Option<&str>, _: bool) -> Result<Value, String> {
        Err(format!("the resource '{resource_id}' is not deployed"))
    }

    fn list(&self, function: &str, resource_id: &str, _: &str, _: Option<&Value>) -> Result<Value, String> {
        Err(format!("'{function}' of '{resource_id}' needs a deployment"))
    }

    fn only_placeholders(&self) -> bool {
        true
    }
}
