//! The body of a deployment's request.

use arm_template::jsonc::{self, Node};
use serde_json::{Map, Value, json};

use crate::body::invalid_json;
use crate::engine::links::Link;
use crate::engine::plan::on_error::Wanted as OnErrorWanted;
use crate::engine::what_if::ResultFormat;
use crate::error::ArmError;
use crate::fields::{Fields, Tags};
use crate::records::deployments::{Mode, Scope};

/// A deployment's request body. It may hold secrets: it is used for the plan and dropped.
pub(crate) struct Request {
    pub(super) mode: Mode,
    pub(super) location: Option<String>,
    pub(super) tags: Tags,
    pub(super) template: Source<(String, Node)>,
    /// `{"name": {"value": …}}`.
    pub(super) parameters: Source<Map<String, Value>>,
    pub(super) check_resources: bool,
    pub(super) on_error: Option<OnErrorWanted>,
}

/// Given in the body, or to be fetched.
pub(super) enum Source<T> {
    /// Of a template with the whole body, since places of faults count in it.
    Here(T),
    Linked(Link),
}

impl Request {
    /// Whether there is a location exactly where the scope has none of its own.
    pub(super) fn check_location(&self, scope: &Scope, name: &str) -> Result<(), ArmError> {
        let problem = match (&self.location, scope.group()) {
            (Some(_), Some(_)) => {
                format!("The 'location' property is not allowed for '{name}' at resource group scope.")
            }
            (None, None) => format!("The 'location' property must be specified for '{name}'."),
            _ => return Ok(()),
        };
        Err(ArmError::bad_request(
            "InvalidDeployment",
            format!("{problem} Please see https://aka.ms/deploy-to-subscription for usage details."),
        ))
    }
}

/// Reads a body in ARM's lenient JSON: az pastes the template file as it is behind a key without quotes.
pub(crate) fn read(text: &str) -> Result<Request, ArmError> {
    read_body(text, |_| Ok(())).map(|(request, ())| request)
}

/// Reads the body of `whatIf`, which says how much to tell.
pub(crate) fn read_what_if(text: &str) -> Result<(Request, ResultFormat), ArmError> {
    read_body(text, |properties| {
        let Some(mut settings) = properties.object("whatIfSettings")? else {
            return Ok(ResultFormat::FullResourcePayloads);
        };
        let format = settings.word("resultFormat", &["FullResourcePayloads", "ResourceIdOnly"])?;
        settings.finish()?;
        Ok(match format {
            Some("ResourceIdOnly") => ResultFormat::ResourceIdOnly,
            _ => ResultFormat::FullResourcePayloads,
        })
    })
}

fn read_body<T>(
    text: &str,
    more: impl FnOnce(&mut Fields<'_>) -> Result<T, ArmError>,
) -> Result<(Request, T), ArmError> {
    let document = jsonc::parse(text).map_err(|diagnostic| invalid_json(&diagnostic.detail))?;
    let body = document.to_value();
    let mut fields = Fields::of(&body, "")?;
    for echoed in ["id", "name", "type"] {
        fields.value(echoed);
    }
    let location = fields.string("location")?.filter(|text| !text.is_empty()).map(str::to_owned);
    let tags = fields.tags()?.unwrap_or_default();
    let mut properties = fields.required_object("properties")?;
    fields.finish()?;
    properties.required("mode")?;
    let mode = match properties.word("mode", &["Incremental", "Complete"])? {
        Some("Complete") => Mode::Complete,
        _ => Mode::Incremental,
    };
    let on_error = properties.object("onErrorDeployment")?.map(OnErrorWanted::read).transpose()?;
    if let Some(mut setting) = properties.object("debugSetting")? {
        setting.word("detailLevel", &["none"])?;
        setting.finish()?;
    }
    if let Some(mut options) = properties.object("expressionEvaluationOptions")? {
        options.word("scope", &["NotSpecified", "Outer", "Inner"])?;
        options.finish()?;
    }
    let level = properties.word("validationLevel", &["Template", "Provider", "ProviderNoRbac"])?;
    let template = read_template(text, &document, &mut properties)?;
    let parameters = read_parameters(&mut properties)?;
    let more = more(&mut properties)?;
    properties.finish()?;
    let check_resources = level != Some("Template");
    Ok((Request { mode, location, tags, template, parameters, check_resources, on_error }, more))
}

fn read_template(
    text: &str,
    document: &Node,
    properties: &mut Fields<'_>,
) -> Result<Source<(String, Node)>, ArmError> {
    let given = properties.value("template").is_some();
    match (properties.object("templateLink")?, given) {
        (Some(_), true) => Err(both("template", "templateLink")),
        (Some(link), false) => Link::read(link).map(Source::Linked),
        (None, _) => {
            properties.required("template")?;
            let found = document.get("properties").and_then(|properties| properties.get("template"));
            let node = found.ok_or_else(|| {
                ArmError::invalid_content(
                    "properties.template",
                    "Required property 'template' not found in JSON.",
                )
            })?;
            Ok(Source::Here((text.to_owned(), node.clone())))
        }
    }
}

fn read_parameters(properties: &mut Fields<'_>) -> Result<Source<Map<String, Value>>, ArmError> {
    let given = properties.value("parameters");
    match (properties.object("parametersLink")?, given) {
        (Some(_), Some(Value::Object(given))) if !given.is_empty() => {
            Err(both("parameters", "parametersLink"))
        }
        (Some(link), _) => Link::read(link).map(Source::Linked),
        (None, None) => Ok(Source::Here(Map::new())),
        (None, Some(Value::Object(parameters))) => Ok(Source::Here(parameters.clone())),
        (None, Some(_)) => Err(ArmError::invalid_content("properties.parameters", "Expected an object.")),
    }
}

fn both(one: &str, other: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidRequestContent",
        format!(
            "The request content is invalid: '{one}' and '{other}' exclude each other; give one of them."
        ),
    )
    .with_target(json!([one, other]).to_string())
}
