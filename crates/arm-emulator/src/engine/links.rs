//! Templates and parameters that are named by an address (`azure-docs: linked-templates.md`): fetched over HTTP or HTTPS, or
//! read from a template spec that is stored here.
//!
//! Which addresses are asked: `outbound`.

use std::sync::Arc;
use std::time::Duration;

use arm_template::Linked;
use arm_template::jsonc;
use reqwest::{Response, Url};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::outbound::{self, plain};
use crate::providers::any;

/// Largest document: as much as a template may have (`azure-docs: best-practices.md`).
const LARGEST: usize = 4 * 1024 * 1024;
/// Longest time for one document, redirects included.
const LONGEST: Duration = Duration::from_secs(20);
const MOST_REDIRECTS: usize = 5;

/// A `templateLink` or `parametersLink` of a request.
#[derive(Clone)]
pub(crate) struct Link {
    uri: Option<String>,
    id: Option<String>,
    relative_path: Option<String>,
    /// May be a signature: never shown.
    query: Option<String>,
    content_version: Option<String>,
}

impl Link {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self, ArmError> {
        let mut text =
            |name| fields.string(name).map(|text| text.filter(|text| !text.is_empty()).map(str::to_owned));
        let link = Self {
            uri: text("uri")?,
            id: text("id")?,
            relative_path: text("relativePath")?,
            query: text("queryString")?,
            content_version: text("contentVersion")?,
        };
        fields.finish()?;
        match (&link.uri, &link.id) {
            (Some(_), None) | (None, Some(_)) => Ok(link),
            _ => Err(ArmError::bad_request(
                "InvalidContentLink",
                "A content link must have exactly one of 'uri' and 'id'. Please see https://aka.ms/arm-deploy for usage \
                 details.",
            )),
        }
    }

    /// The absolute address, or the id of a template spec.
    pub(crate) fn address(&self) -> Result<String, ArmError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let given = self.uri.as_deref().unwrap_or_default();
        let mut uri = Url::parse(given).map_err(|_| unreachable(given, "it is not an absolute URI"))?;
        if let Some(path) = &self.relative_path {
            uri = uri.join(path).map_err(|_| unreachable(given, "the relative path is not valid"))?;
        }
        if let Some(query) = &self.query {
            uri.set_query(Some(query.trim_start_matches('?')));
        }
        Ok(uri.into())
    }

    /// What the deployment's record says of it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = Map::new();
        for (name, value) in [
            ("id", &self.id),
            ("uri", &self.uri.as_deref().map(|uri| without_query(uri).to_owned())),
            ("relativePath", &self.relative_path),
            ("contentVersion", &self.content_version),
        ] {
            if let Some(value) = value {
                shown.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(shown)
    }

    /// The text, of the version that was asked for.
    pub(crate) async fn fetch(&self, arm: &Arm) -> Result<Arc<str>, ArmError> {
        let address = self.address()?;
        let text = text(arm, &address).await.map_err(|reason| unreachable(&address, &reason))?;
        let Some(wanted) = &self.content_version else { return Ok(text) };
        let document = jsonc::parse(&text).map_err(|fault| unreachable(&address, &fault.detail))?;
        let found = document.get("contentVersion").map(jsonc::Node::to_value).unwrap_or_default();
        if found == json!(wanted) {
            return Ok(text);
        }
        Err(unreachable(&address, &format!("its contentVersion is not '{wanted}' but {found}")))
    }
}

/// Answers for the links inside of templates. It blocks, so plans are made where blocking is allowed.
#[derive(Debug)]
pub(crate) struct Fetcher {
    arm: Arm,
    runtime: Handle,
}

impl Fetcher {
    /// Of the present runtime.
    pub(crate) fn new(arm: &Arm) -> Self {
        Self { arm: arm.clone(), runtime: Handle::current() }
    }
}

impl Linked for Fetcher {
    fn text(&self, uri: &str) -> Result<Arc<str>, String> {
        self.runtime.block_on(text(&self.arm, uri))
    }
}

async fn text(arm: &Arm, address: &str) -> Result<Arc<str>, String> {
    if address.starts_with('/') {
        return template_spec(arm, address);
    }
    tokio::time::timeout(LONGEST, download(address))
        .await
        .unwrap_or_else(|_| Err(format!("it did not come within {} seconds", LONGEST.as_secs())))
}

/// The main template of a version of a template spec.
fn template_spec(arm: &Arm, id: &str) -> Result<Arc<str>, String> {
    let id = id.parse().map_err(|error: crate::resource_id::ResourceIdError| error.to_string())?;
    let found = any::existing(arm, &id).map_err(|error| error.body.message.clone())?;
    let template = &found["properties"]["mainTemplate"];
    if template.is_object() {
        Ok(Arc::from(template.to_string()))
    } else {
        Err(format!("'{id}' has no 'properties.mainTemplate'; a version of a template spec has"))
    }
}

async fn download(address: &str) -> Result<Arc<str>, String> {
    let mut at = Url::parse(address).map_err(|_| "it is not an absolute URI".to_owned())?;
    for _ in 0..=MOST_REDIRECTS {
        let answer =
            outbound::client(&at).await?.get(at.clone()).send().await.map_err(|error| plain(&error))?;
        if !answer.status().is_redirection() {
            return read(answer).await;
        }
        let next = answer.headers().get("location").and_then(|value| value.to_str().ok());
        let next = next.and_then(|next| at.join(next).ok());
        at = next.ok_or_else(|| "it is a redirect to nowhere".to_owned())?;
    }
    Err(format!("there are more than {MOST_REDIRECTS} redirects"))
}

async fn read(mut answer: Response) -> Result<Arc<str>, String> {
    if !answer.status().is_success() {
        return Err(format!("the answer's status is {}", answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| plain(&error))? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Arc::from(text.trim_start_matches('\u{feff}')))
}

fn without_query(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

fn unreachable(address: &str, reason: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidContentLink",
        format!(
            "Unable to download deployment content from '{}': {reason}. Please see https://aka.ms/arm-deploy for usage \
             details.",
            without_query(address)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_an_address_is_not_shown() {
        let link = Link {
            uri: Some("https://host/a/main.json?sig=hunter2".into()),
            id: None,
            relative_path: Some("../b.json".into()),
            query: Some("?sig=hunter3".into()),
            content_version: Some("1.0.0.0".into()),
        };
        assert_eq!(link.address().unwrap(), "https://host/b.json?sig=hunter3");
        let shown = link.shown().to_string() + &unreachable(&link.address().unwrap(), "no").to_string();
        assert!(shown.contains("https://host/a/main.json") && !shown.contains("hunter"), "{shown}");
    }
}
