//! From a deployment's request body to something that can run: read, planned, checked against what the resource
//! providers take. Nothing is changed here, so `validate` is the same thing without the run.

use arm_template::jsonc::{self, Node};
use arm_template::{Diagnostic, Plan, PlanRequest, PlannedResource, ResourceGroupInfo, Scope, Template};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::app::Arm;
use crate::body::invalid_json;
use crate::engine::live::Live;
use crate::error::{ArmError, ErrorBody};
use crate::fields::{Fields, Tags};
use crate::location;
use crate::metadata;
use crate::providers::{self, Kind};
use crate::records::deployments::{Deployment, Mode, State, Target};
use crate::records::groups::{self, ResourceGroup};
use crate::request::{is_api_version, subscription_not_found};
use crate::resource_id::ResourceId;

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
    pub(crate) targets: Vec<(Kind, ResourceId)>,
}

impl Prepared {
    /// What `validate` answers with.
    pub(crate) fn validated(mut self) -> Deployment {
        self.deployment.state = State::Succeeded;
        self.deployment.validated_resources =
            Some(self.targets.iter().map(|(_, id)| id.to_string()).collect());
        self.deployment
    }
}

/// Reads a body in ARM's lenient JSON: az pastes the template file as it is behind a key without quotes.
pub(crate) fn read(text: &str) -> Result<Request, ArmError> {
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
    properties.finish()?;
    let template = document.get("properties").and_then(|properties| properties.get("template")).cloned();
    let template =
        template.ok_or_else(|| ArmError::invalid_content("properties.template", "Required property."))?;
    Ok(Request {
        mode,
        tags,
        parameters,
        text: text.to_owned(),
        template,
        check_resources: level != Some("Template"),
    })
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
    let targets = targets(arm, &group, &plan, check_resources).map_err(|errors| {
        ArmError::bad_request(
            "InvalidTemplateDeployment",
            format!(
                "The template deployment '{name}' is not valid according to the validation procedure. The tracking id \
                 is '{}'. See inner errors for details.",
                arm.new_id()
            ),
        )
        .with_details(errors)
    })?;
    let now = arm.now();
    let deployment = Deployment {
        name: name.to_owned(),
        group: group.name,
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
        dependencies: dependencies_of(&plan, &targets),
        outputs: None,
        output_resources: targets.iter().map(|(_, id)| id.to_string()).collect(),
        validated_resources: None,
        error: None,
    };
    Ok(Prepared { deployment, template, plan, targets })
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
    };
    template.plan(&request).map_err(|faults| violation(&faults))
}

/// A resource group as templates see it.
fn scope(arm: &Arm, group: &ResourceGroup) -> Scope {
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
    }
}

/// Where every resource goes, or all reasons why some may not.
fn targets(
    arm: &Arm,
    group: &ResourceGroup,
    plan: &Plan,
    check_resources: bool,
) -> Result<Vec<(Kind, ResourceId)>, Vec<ErrorBody>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (index, resource) in plan.resources().iter().enumerate() {
        let checked = target(arm, group, resource).and_then(|(kind, id)| {
            // What depends on resources that are still to be deployed cannot be checked before they are.
            if check_resources && let Ok(body) = plan.body(index, &Live(arm)) {
                providers::check(kind, &id, &body)?;
            }
            Ok((kind, id))
        });
        match checked {
            Ok(target) => found.push(target),
            Err(error) => {
                error.log();
                errors.push(*error.with_target(resource.id.clone()).body);
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn target(
    arm: &Arm,
    group: &ResourceGroup,
    resource: &PlannedResource,
) -> Result<(Kind, ResourceId), ArmError> {
    let id: ResourceId = resource.id.parse().map_err(|error: crate::resource_id::ResourceIdError| {
        ArmError::bad_request("InvalidResourceId", error.to_string())
    })?;
    if !id.subscription().eq_ignore_ascii_case(&arm.subscription()) {
        return Err(subscription_not_found(id.subscription()));
    }
    let (kind, id) = Kind::of(arm, &id)?;
    if !is_api_version(&resource.api_version) {
        return Err(ArmError::bad_request(
            "NoRegisteredProviderFound",
            format!(
                "No registered resource provider found for location '{}' and API version '{}' for type '{}'. The \
                 supported api-versions are 'YYYY-MM-DD' and 'YYYY-MM-DD-preview', any date. The supported locations \
                 are '{}'.",
                resource.location.as_deref().unwrap_or(&group.location),
                resource.api_version,
                kind.short(),
                location::names()
            ),
        ));
    }
    groups::writable(arm, id.resource_group().unwrap_or_default())?;
    Ok((kind, id))
}

/// ARM's error for faults of a template, each with its place.
pub(crate) fn violation(faults: &[Diagnostic]) -> ArmError {
    let shown: Vec<ErrorBody> = faults.iter().map(fault).collect();
    let Some(first) = shown.first().cloned() else {
        return ArmError::bad_request("InvalidTemplate", "Deployment template validation failed.");
    };
    let mut error = ArmError::bad_request(first.code.clone(), first.message.clone());
    error.body.additional_info = first.additional_info;
    if shown.len() > 1 {
        error = error.with_details(shown);
    }
    error
}

fn fault(diagnostic: &Diagnostic) -> ErrorBody {
    let mut body = ErrorBody::new(diagnostic.code.as_str(), diagnostic.to_string());
    let (line, column) = diagnostic.position().map_or((0, 0), |position| (position.line, position.column));
    let path = match diagnostic.path.as_str() {
        "" => "properties.template".to_owned(),
        path => format!("properties.template.{path}"),
    };
    body.additional_info = vec![json!({
        "type": "TemplateViolation",
        "info": { "lineNumber": line, "linePosition": column, "path": path },
    })];
    body
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

/// A decimal number that is equal for equal templates. Azure's own algorithm is not published.
fn hash(template: &Value) -> String {
    let digest = Sha256::digest(template.to_string());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes).to_string()
}

/// Namespaces, types and locations that the template uses, each once and in the order of the template.
fn providers_of(resources: &[PlannedResource]) -> Value {
    let mut providers: Vec<Value> = Vec::new();
    for resource in resources {
        let (namespace, short) =
            resource.resource_type.split_once('/').unwrap_or((&resource.resource_type, ""));
        let provider = named(&mut providers, "namespace", namespace, "resourceTypes");
        let resource_type = named(provider, "resourceType", short, "locations");
        let location = json!(resource.location);
        if !resource_type.contains(&location) {
            resource_type.push(location);
        }
    }
    Value::Array(providers)
}

/// The list `inner` of the element whose `key` is `name`; the element is added where it is missing.
fn named<'a>(list: &'a mut Vec<Value>, key: &str, name: &str, inner: &str) -> &'a mut Vec<Value> {
    let is_it = |entry: &Value| entry[key].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name));
    let place = list.iter().position(is_it).unwrap_or(list.len());
    if place == list.len() {
        list.push(json!({ key: name, inner: [] }));
    }
    list[place][inner].as_array_mut().expect("every element is made with this list")
}

fn dependencies_of(plan: &Plan, targets: &[(Kind, ResourceId)]) -> Value {
    let resources = plan.resources();
    let shown = resources.iter().zip(targets).filter(|(resource, _)| !resource.depends_on.is_empty());
    shown
        .map(|(resource, (kind, id))| {
            let on: Vec<_> = resource.depends_on.iter().filter_map(|index| targets.get(*index)).collect();
            let mut entry = json!(target_view(*kind, id));
            entry["dependsOn"] = on.into_iter().map(|(kind, id)| json!(target_view(*kind, id))).collect();
            entry
        })
        .collect()
}

pub(crate) fn target_view(kind: Kind, id: &ResourceId) -> Target {
    Target {
        id: id.to_string(),
        resource_type: kind.full().to_owned(),
        resource_name: id.name().unwrap_or_default(),
    }
}
