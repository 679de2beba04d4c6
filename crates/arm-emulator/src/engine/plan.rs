//! From a deployment's request body to something that can run: read, planned, checked against what the resource
//! providers take. Nothing is changed here, so `validate` is the same thing without the run.

mod fault;
mod summary;

use arm_template::jsonc::{self, Node};
use arm_template::{Plan, PlanRequest, PlannedResource, ResourceGroupInfo, Scope, Template};
use serde_json::{Map, Value, json};

pub(crate) use self::fault::violation;
use self::summary::{dependencies_of, hash, providers_of};
use crate::app::Arm;
use crate::body::invalid_json;
use crate::engine::live::Live;
use crate::engine::what_if::ResultFormat;
use crate::error::{ArmError, ErrorBody};
use crate::fields::{Fields, Tags};
use crate::location;
use crate::metadata;
use crate::providers::{self, Kind};
use crate::records::deployments::{Deployment, Mode, State, Target};
use crate::records::groups::{self, ResourceGroup};
use crate::request::{is_api_version, subscription_not_found};
use crate::resource_id::{ResourceId, ResourceIdError};

/// A deployment's request body.
#[derive(Debug)]
pub(crate) struct Request {
    mode: Mode,
    tags: Tags,
    /// `{"name": {"value": …}}`. May hold secrets: it is used for the plan and dropped.
    parameters: Map<String, Value>,
    /// The whole body; places of faults count in it.
    text: String,
    template: Node,
    check_resources: bool,
}

/// A deployment that may run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) deployment: Deployment,
    pub(crate) template: Value,
    pub(crate) plan: Plan,
    /// One for every resource of the plan, in its order.
    pub(crate) destinations: Vec<Destination>,
}

/// Where a resource of a plan goes.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Resource(Kind, ResourceId),
    /// A deployment inside of this one.
    Deployment(ResourceId),
}

impl Destination {
    pub(crate) fn id(&self) -> &ResourceId {
        match self {
            Self::Resource(_, id) | Self::Deployment(id) => id,
        }
    }

    /// The resource as a deployment's records name it.
    pub(crate) fn target(&self) -> Target {
        let id = self.id();
        Target {
            id: id.to_string(),
            resource_type: id.resource_type().unwrap_or_default(),
            resource_name: id.name().unwrap_or_default(),
        }
    }
}

impl Prepared {
    /// What `validate` answers with.
    pub(crate) fn validated(mut self) -> Deployment {
        self.deployment.state = State::Succeeded;
        self.deployment.validated_resources =
            Some(self.destinations.iter().map(|one| one.id().to_string()).collect());
        self.deployment
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
    fields.unsupported("location", "a deployment into a resource group has none")?;
    let tags = fields.tags()?.unwrap_or_default();
    let mut properties = fields.required_object("properties")?;
    fields.finish()?;
    properties.required("mode")?;
    let mode = match properties.word("mode", &["Incremental", "Complete"])? {
        Some("Complete") => Mode::Complete,
        _ => Mode::Incremental,
    };
    for (name, instead) in [
        ("templateLink", "give 'template'"),
        ("parametersLink", "give 'parameters'"),
        ("onErrorDeployment", "leave it out"),
    ] {
        properties.unsupported(name, instead)?;
    }
    if let Some(mut setting) = properties.object("debugSetting")? {
        setting.word("detailLevel", &["none"])?;
        setting.finish()?;
    }
    if let Some(mut options) = properties.object("expressionEvaluationOptions")? {
        options.word("scope", &["NotSpecified", "Outer", "Inner"])?;
        options.finish()?;
    }
    let level = properties.word("validationLevel", &["Template", "Provider", "ProviderNoRbac"])?;
    properties.required("template")?;
    let parameters = match properties.value("parameters") {
        None => Map::new(),
        Some(Value::Object(parameters)) => parameters.clone(),
        Some(_) => return Err(ArmError::invalid_content("properties.parameters", "Expected an object.")),
    };
    let more = more(&mut properties)?;
    properties.finish()?;
    let template = document.get("properties").and_then(|properties| properties.get("template")).cloned();
    let template =
        template.ok_or_else(|| ArmError::invalid_content("properties.template", "Required property."))?;
    let (text, check_resources) = (text.to_owned(), level != Some("Template"));
    Ok((Request { mode, tags, parameters, text, template, check_resources }, more))
}

/// Plans a deployment and checks it against the resource providers.
pub(crate) fn prepare(
    arm: &Arm,
    group: &str,
    name: &str,
    request: Request,
    correlation_id: String,
) -> Result<Prepared, ArmError> {
    check_name(name)?;
    let group = groups::writable(arm, group)?;
    let Request { mode, tags, parameters, text, template, check_resources } = request;
    let parsed = Template::parse_node(&text, &template).map_err(|faults| violation(&faults))?;
    let template = parsed.to_value();
    let plan = plan(arm, &group, name, mode, &parsed, parameters)?;
    let run = RunOf { name, mode, tags, correlation_id, check_resources };
    assemble(arm, &group, run, plan, template)
}

/// A deployment inside of another one: its plan exists already.
pub(crate) fn prepare_nested(
    arm: &Arm,
    group: &ResourceGroup,
    name: &str,
    plan: Plan,
    template: Value,
    correlation_id: String,
) -> Result<Prepared, ArmError> {
    check_name(name)?;
    let run =
        RunOf { name, mode: Mode::Incremental, tags: Tags::new(), correlation_id, check_resources: false };
    assemble(arm, group, run, plan, template)
}

struct RunOf<'a> {
    name: &'a str,
    mode: Mode,
    tags: Tags,
    correlation_id: String,
    check_resources: bool,
}

fn assemble(
    arm: &Arm,
    group: &ResourceGroup,
    run: RunOf<'_>,
    plan: Plan,
    template: Value,
) -> Result<Prepared, ArmError> {
    let RunOf { name, mode, tags, correlation_id, check_resources } = run;
    let destinations = destinations(arm, group, &plan, check_resources).map_err(|errors| {
        ArmError::bad_request(
            "InvalidTemplateDeployment",
            format!(
                "The template deployment '{name}' is not valid according to the validation procedure. The tracking \
                 id is '{}'. See inner errors for details.",
                arm.new_id()
            ),
        )
        .with_details(errors)
    })?;
    let now = arm.now();
    let deployment = Deployment {
        name: name.to_owned(),
        group: group.name.clone(),
        tags,
        mode,
        state: State::Accepted,
        started: now,
        changed: now,
        correlation_id,
        operation_id: arm.new_id().to_string(),
        template_hash: hash(&template),
        parameters: plan.parameters_for_history(),
        providers: providers_of(plan.resources()),
        dependencies: dependencies_of(&plan, &destinations),
        outputs: None,
        output_resources: destinations.iter().map(|one| one.id().to_string()).collect(),
        validated_resources: None,
        error: None,
    };
    Ok(Prepared { deployment, template, plan, destinations })
}

fn plan(
    arm: &Arm,
    group: &ResourceGroup,
    name: &str,
    mode: Mode,
    template: &Template,
    parameters: Map<String, Value>,
) -> Result<Plan, ArmError> {
    let request = PlanRequest {
        parameters,
        scope: scope(arm, group),
        deployment_name: name.to_owned(),
        mode: match mode {
            Mode::Incremental => arm_template::Mode::Incremental,
            Mode::Complete => arm_template::Mode::Complete,
        },
        now: arm.now(),
        new_guid: &|| arm.new_id(),
        environment: Some(metadata::document(arm)),
        deployer: None,
        linked: None,
        template_uri: None,
    };
    template.plan(&request).map_err(|faults| violation(&faults))
}

/// A resource group as templates see it.
pub(crate) fn scope(arm: &Arm, group: &ResourceGroup) -> Scope {
    let tags = group.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    Scope {
        subscription_id: arm.subscription(),
        tenant_id: arm.settings().tenant_id.to_string(),
        resource_group: ResourceGroupInfo {
            name: group.name.clone(),
            location: group.location.clone(),
            tags,
            id: groups::id(arm, &group.name),
        },
        ..Scope::default()
    }
}

/// Where every resource goes, or all reasons why some may not.
fn destinations(
    arm: &Arm,
    group: &ResourceGroup,
    plan: &Plan,
    check_resources: bool,
) -> Result<Vec<Destination>, Vec<ErrorBody>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (index, resource) in plan.resources().iter().enumerate() {
        let checked = destination(arm, group, resource).and_then(|destination| {
            // What depends on resources that are still to be deployed cannot be checked before they are.
            if check_resources
                && let Destination::Resource(kind, id) = &destination
                && let Ok(body) = plan.body(index, &Live(arm))
            {
                providers::check(*kind, id, &body)?;
            }
            Ok(destination)
        });
        match checked {
            Ok(destination) => found.push(destination),
            Err(error) => {
                error.log();
                errors.push(*error.with_target(resource.id.clone()).body);
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn destination(
    arm: &Arm,
    group: &ResourceGroup,
    resource: &PlannedResource,
) -> Result<Destination, ArmError> {
    let id: ResourceId = resource
        .id
        .parse()
        .map_err(|error: ResourceIdError| ArmError::bad_request("InvalidResourceId", error.to_string()))?;
    if !id.subscription().eq_ignore_ascii_case(&arm.subscription()) {
        return Err(subscription_not_found(id.subscription()));
    }
    let destination = if is_deployment(&resource.resource_type) {
        Destination::Deployment(id)
    } else {
        let (kind, id) = Kind::of(arm, &id)?;
        Destination::Resource(kind, id)
    };
    if !is_api_version(&resource.api_version) {
        let short = resource.resource_type.split_once('/').map_or("", |(_, short)| short);
        return Err(ArmError::bad_request(
            "NoRegisteredProviderFound",
            format!(
                "No registered resource provider found for location '{}' and API version '{}' for type '{short}'. The \
                 supported api-versions are 'YYYY-MM-DD' and 'YYYY-MM-DD-preview', any date. The supported locations \
                 are '{}'.",
                resource.location.as_deref().unwrap_or(&group.location),
                resource.api_version,
                location::names()
            ),
        ));
    }
    let Some(target_group) = destination.id().resource_group() else {
        return Err(ArmError::bad_request(
            "InvalidDeploymentScope",
            format!(
                "The deployment '{}' must be in a resource group; other scopes are not supported.",
                resource.name
            ),
        ));
    };
    groups::writable(arm, target_group)?;
    Ok(destination)
}

pub(crate) fn is_deployment(resource_type: &str) -> bool {
    resource_type.eq_ignore_ascii_case("Microsoft.Resources/deployments")
}

/// 1 to 64 characters of letters, digits, `- _ . ( )`.
fn check_name(name: &str) -> Result<(), ArmError> {
    let length = name.chars().count();
    if (1..=64).contains(&length)
        && name.chars().all(|character| character.is_alphanumeric() || "-_.()".contains(character))
    {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidDeploymentName",
        format!(
            "The provided deployment name '{name}' has {length} characters or characters that are not allowed. It may \
             have 1 to 64 letters, digits, '-', '_', '.', '(' and ')'."
        ),
    ))
}
