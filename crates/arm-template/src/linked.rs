//! Templates and parameters that a nested deployment names by their address: this crate does not fetch them, it asks.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{self, Document};
use crate::expr::eval::{Eval, Evaluator, Fault};
use crate::jsonc;
use crate::scope::locked;
use crate::tree::Tree;
use crate::value::get;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Gives the text behind the address of a linked template or parameter file.
pub trait Linked: fmt::Debug + Send + Sync {
    /// The text at an absolute address, or of a template spec when it starts with `/`.
    ///
    /// # Errors
    /// Why there is none. It is told to the template's author as `InvalidContentLink`.
    fn text(&self, uri: &str) -> Result<Arc<str>, String>;
}

/// The linked documents of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    source: Option<Arc<dyn Linked>>,
    read: Arc<Mutex<HashMap<String, Arc<Document>>>>,
}

impl Links {
    pub(crate) fn new(source: Option<Arc<dyn Linked>>) -> Self {
        Self { source, read: Arc::default() }
    }

    /// The template at that address.
    ///
    /// # Errors
    /// What is wrong with the address, or with the template.
    pub(crate) fn template(&self, uri: &str) -> Result<Arc<Document>, Vec<Diagnostic>> {
        if let Some(known) = locked(&self.read).get(uri) {
            return Ok(Arc::clone(known));
        }
        let text = self.text(uri).map_err(|fault| vec![fault])?;
        let document = document::read_whole(&text)?;
        locked(&self.read).insert(uri.to_owned(), Arc::clone(&document));
        Ok(document)
    }

    /// The values of the parameter file at that address.
    ///
    /// # Errors
    /// What is wrong with the address, or with the file.
    pub(crate) fn parameters(&self, uri: &str) -> Result<Map<String, Value>, Diagnostic> {
        let text = self.text(uri)?;
        match jsonc::parse(&text)?.get("parameters").map(jsonc::Node::to_value) {
            Some(Value::Object(parameters)) => Ok(parameters),
            _ => Err(Diagnostic::new(
                Code::InvalidRequestContent,
                format!("The parameter file '{uri}' has no object 'parameters'."),
            )
            .at(&text, Span::new(0, 1.min(text.len())))),
        }
    }

    fn text(&self, uri: &str) -> Result<Arc<str>, Diagnostic> {
        let text = match &self.source {
            Some(source) => source.text(uri),
            None => Err("linked templates are not fetched here".to_owned()),
        };
        text.map(|text| Arc::from(text.trim_start_matches('\u{feff}'))).map_err(|reason| {
            let shown = without_query(uri);
            Diagnostic::new(
                Code::InvalidContentLink,
                format!(
                    "Unable to download deployment content from '{shown}'. The tracking Id is \
                     '00000000-0000-0000-0000-000000000000'. Please see https://aka.ms/arm-deploy for usage details."
                ),
            )
            .with_help(reason)
        })
    }
}

/// An address without its query: that may be a signature.
fn without_query(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

/// The absolute address that a `templateLink` or `parametersLink` names.
///
/// # Errors
/// The fault when it names none, or is known only when something is deployed.
pub(crate) fn address(evaluator: &mut Evaluator<'_>, link: &Tree) -> Eval<String> {
    let Value::Object(link) = evaluator.tree(link)? else {
        return Err(Fault::new("The link of a deployment must be an object."));
    };
    let text = |name: &str| get(&link, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut uri = match (text("uri"), text("id"), text("relativePath")) {
        (Some(uri), None, None) => absolute(uri).ok_or_else(|| {
            Fault::new(format!(
                "The deployment content link '{}' is not an absolute URI.",
                without_query(uri)
            ))
        })?,
        (None, Some(id), None) => return Ok(id.to_owned()),
        (None, None, Some(path)) => {
            let base = evaluator.scope.template_uri.as_deref().and_then(|base| url::Url::parse(base).ok());
            let base = base.ok_or_else(|| {
                Fault::new(format!(
                    "The relative path '{path}' of a deployment content link needs a parent template that is linked by its \
                     URI or that is a template spec. Please see https://aka.ms/arm-deploy for usage details."
                ))
            })?;
            base.join(path).map_err(|_| Fault::new(format!("The relative path '{path}' is not valid.")))?
        }
        _ => {
            return Err(Fault::new(
                "The link of a deployment must have exactly one of the members 'uri', 'id' and 'relativePath'. Please see \
                 https://aka.ms/arm-deploy for usage details.",
            ));
        }
    };
    if let Some(query) = text("queryString") {
        uri.set_query(Some(query.trim_start_matches('?')));
    }
    Ok(uri.into())
}

fn absolute(uri: &str) -> Option<url::Url> {
    url::Url::parse(uri).ok().filter(|uri| !uri.cannot_be_a_base())
}
