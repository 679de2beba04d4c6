//! From a deployment's request body to something that can run: read, planned, checked against what the resource
//! providers take. Nothing is changed here, so `validate` is the same thing without the run.

mod destinations;
mod fault;
pub(crate) mod on_error;
mod read;
mod summary;

use std::sync::Arc;

use arm_template::{Level, Plan, PlanRequest, ResourceGroupInfo, Template, jsonc};
use serde_json::{Map, Value, json};

use self::destinations::{Checked, check_name, destinations};
pub(crate) use self::fault::violation;
use self::read::Source;
pub(crate) use self::read::{Request, read, read_what_if};
pub(crate) use self::summary::minified;
use self::summary::{dependencies_of, hash, providers_of};
use crate::app::Arm;
use crate::engine::links::Fetcher;
use crate::error::ArmError;
use crate::fields::Tags;
use crate::location;
use crate::metadata;
use crate::providers::{Kind, any};
use crate::records::deployments::{self, Deployment, Inputs, Mode, OnError, Scope, State, Target};
use crate::records::groups;
use crate::resource_id::ResourceId;

/// A deployment that may run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) deployment: Deployment,
    pub(crate) template: Value,
    pub(crate) plan: Plan,
    /// One for every resource of the plan, in its order.
    pub(crate) destinations: Vec<Destination>,
    /// What it takes to run it again; none of a deployment inside of another one.
    pub(crate) inputs: Option<Inputs>,
}

/// Where a resource of a plan goes.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Resource(Kind, ResourceId),
    /// A deployment inside of this one.
    Deployment(ResourceId),
    /// Of a type without behaviour, or of Resource Manager's own: whatever `providers::any` makes of it.
    Other(ResourceId),
}

impl Destination {
    pub(crate) fn id(&self) -> &ResourceId {
        match self {
            Self::Resource(_, id) | Self::Deployment(id) | Self::Other(id) => id,
        }
    }

    /// The resource as a deployment's records name it.
    pub(crate) fn target(&self) -> Target {
        let id = self.id();
        let group = || "Microsoft.Resources/resourceGroups".to_owned();
        Target {
            id: id.to_string(),
            resource_type: id.resource_type().unwrap_or_else(group),
            resource_name: id.name().or_else(|| id.resource_group().map(str::to_owned)).unwrap_or_default(),
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

/// What a run has beside its plan.
struct RunOf {
    name: String,
    scope: Scope,
    location: Option<String>,
    mode: Mode,
    tags: Tags,
    links: Map<String, Value>,
    correlation_id: String,
    checked: Checked,
    inputs: Option<Inputs>,
    on_error: Option<OnError>,
}

/// Plans a deployment and checks it against the resource providers; what it names by address is fetched.
pub(crate) async fn prepare(
    arm: &Arm,
    scope: &Scope,
    name: &str,
    request: Request,
    correlation_id: String,
) -> Result<Prepared, ArmError> {
    check_name(name)?;
    let scope = existing(arm, scope)?;
    request.check_location(&scope, name)?;
    let Request { mode, location, tags, template, parameters, check_resources, on_error } = request;
    if mode == Mode::Complete && scope.group().is_none() {
        return Err(ArmError::bad_request(
            "InvalidDeployment",
            format!(
                "The deployment mode 'Complete' is not supported for '{name}' at {} scope.",
                scope.word()
            ),
        ));
    }
    let location = location.map(|text| checked_location(arm, &scope, name, &text)).transpose()?;
    let mut links = Map::new();
    let (text, node, uri) = match template {
        Source::Here((text, node)) => (Arc::from(text), node, None),
        Source::Linked(link) => {
            links.insert("templateLink".to_owned(), link.shown());
            let text = link.fetch(arm).await?;
            let node = jsonc::parse(&text).map_err(|fault| violation(&[fault]))?;
            (text, node, Some(link.address()?))
        }
    };
    let parameters = match parameters {
        Source::Here(parameters) => parameters,
        Source::Linked(link) => {
            links.insert("parametersLink".to_owned(), link.shown());
            parameter_file(&link.fetch(arm).await?)?
        }
    };
    let checked = if check_resources { Checked::Resources } else { Checked::Places };
    let on_error = on_error.map(|wanted| wanted.resolve(arm, &scope, name)).transpose()?;
    let inputs = Some(Inputs { parameters: parameters.clone(), tags: tags.clone() });
    let name = name.to_owned();
    let run = RunOf { name, scope, location, mode, tags, links, correlation_id, checked, inputs, on_error };
    let (arm, linked) = (arm.clone(), Arc::new(Fetcher::new(arm)));
    // Links inside of the template are fetched while it is planned.
    blocking(move || {
        let parsed = Template::parse_node(&text, &node).map_err(|faults| violation(&faults))?;
        let request = PlanRequest {
            parameters,
            scope: template_scope(&arm, &run.scope, run.location.as_deref())?,
            deployment_name: run.name.clone(),
            mode: match run.mode {
                Mode::Incremental => arm_template::Mode::Incremental,
                Mode::Complete => arm_template::Mode::Complete,
            },
            now: arm.now(),
            new_guid: &|| arm.new_id(),
            environment: Some(metadata::document(&arm)),
            deployer: Some(json!({
                "objectId": arm.owner(),
                "tenantId": arm.settings().tenant_id,
                "userPrincipalName": "",
            })),
            custom_roles: Some(Arc::new(arm.clone())),
            linked: Some(linked),
            template_uri: uri,
        };
        let plan = parsed.plan(&request).map_err(|faults| violation(&faults))?;
        assemble(&arm, run, plan, parsed.to_value())
    })
    .await
}

/// Work that may wait for the network or take long, away from the threads that answer requests.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArmError> + Send + 'static,
) -> Result<T, ArmError> {
    tokio::task::spawn_blocking(work).await.map_err(ArmError::internal)?
}

/// A deployment inside of another one: its plan exists already.
pub(crate) fn prepare_nested(
    arm: &Arm,
    id: &ResourceId,
    location: Option<String>,
    plan: Plan,
    template: Value,
    correlation_id: String,
) -> Result<Prepared, ArmError> {
    let name = id.last_name().to_owned();
    check_name(&name)?;
    let scope = existing(arm, &Scope::of(id))?;
    let location = if scope.group().is_some() { None } else { location };
    let location = location.map(|text| checked_location(arm, &scope, &name, &text)).transpose()?;
    let (mode, tags, links) = (Mode::Incremental, Tags::new(), Map::new());
    let run = RunOf {
        name,
        scope,
        location,
        mode,
        tags,
        links,
        correlation_id,
        checked: Checked::Places,
        inputs: None,
        on_error: None,
    };
    assemble(arm, run, plan, template)
}

/// Where the resources of a deployment inside of another one would go, also into what is still to come.
pub(crate) fn foreseen(arm: &Arm, id: &ResourceId, plan: &Plan) -> Result<Vec<Destination>, ArmError> {
    destinations(arm, &Scope::of(id), plan, Checked::Types).map_err(|errors| {
        let problem = format!("The nested deployment '{id}' is not valid.");
        ArmError::bad_request("InvalidTemplateDeployment", problem).with_details(errors)
    })
}

fn assemble(arm: &Arm, run: RunOf, plan: Plan, template: Value) -> Result<Prepared, ArmError> {
    let destinations = destinations(arm, &run.scope, &plan, run.checked).map_err(|errors| {
        ArmError::bad_request(
            "InvalidTemplateDeployment",
            format!(
                "The template deployment '{}' is not valid according to the validation procedure. The tracking id is \
                 '{}'. See inner errors for details.",
                run.name,
                arm.new_id()
            ),
        )
        .with_details(errors)
    })?;
    let now = arm.now();
    let deployment = Deployment {
        name: run.name,
        scope: run.scope,
        location: run.location,
        tags: run.tags,
        mode: run.mode,
        links: run.links,
        state: State::Accepted,
        started: now,
        changed: now,
        correlation_id: run.correlation_id,
        operation_id: arm.new_id().to_string(),
        template_hash: hash(&template),
        parameters: plan.parameters_for_history(),
        providers: providers_of(plan.resources()),
        dependencies: dependencies_of(&plan, &destinations),
        outputs: None,
        output_resources: destinations.iter().map(|one| one.id().to_string()).collect(),
        validated_resources: None,
        on_error: run.on_error,
        error: None,
    };
    Ok(Prepared { deployment, template, plan, destinations, inputs: run.inputs })
}

/// The scope as it was created; one that is not there, or that goes, refuses.
fn existing(arm: &Arm, scope: &Scope) -> Result<Scope, ArmError> {
    match scope {
        Scope::Group(name) => groups::writable(arm, name).map(|group| Scope::Group(group.name)),
        Scope::ManagementGroup(_) => {
            let id = scope.id(arm).parse().map_err(ArmError::internal)?;
            any::existing(arm, &id).map(|_| scope.clone())
        }
        Scope::Subscription | Scope::Tenant => Ok(scope.clone()),
    }
}

/// Where the record of a deployment lies; it stays there.
fn checked_location(arm: &Arm, scope: &Scope, name: &str, text: &str) -> Result<String, ArmError> {
    let place = location::normalise(text).ok_or_else(|| {
        ArmError::bad_request(
            "LocationNotAvailableForDeployment",
            format!(
                "The provided location '{text}' is not available for deployment. List of available regions is '{}'.",
                location::names()
            ),
        )
    })?;
    let before = deployments::find(arm, scope, name)?.and_then(|before| before.location);
    match before {
        Some(before) if before != place => Err(ArmError::conflict(
            "InvalidDeploymentLocation",
            format!(
                "Invalid deployment location '{place}'. The deployment '{name}' already exists in location '{before}'."
            ),
        )),
        _ => Ok(place.to_owned()),
    }
}

fn parameter_file(text: &str) -> Result<Map<String, Value>, ArmError> {
    let document = jsonc::parse(text).map_err(|fault| violation(&[fault]))?;
    match document.get("parameters").map(jsonc::Node::to_value) {
        Some(Value::Object(parameters)) => Ok(parameters),
        _ => Err(ArmError::invalid_content(
            "properties.parametersLink",
            "The parameter file has no object 'parameters'.",
        )),
    }
}

/// A scope as templates see it.
pub(crate) fn template_scope(
    arm: &Arm,
    scope: &Scope,
    location: Option<&str>,
) -> Result<arm_template::Scope, ArmError> {
    let mut seen = arm_template::Scope {
        subscription_id: arm.subscription(),
        tenant_id: arm.settings().tenant_id.to_string(),
        location: location.unwrap_or_default().to_owned(),
        ..arm_template::Scope::default()
    };
    match scope {
        Scope::Group(name) => {
            let group = groups::writable(arm, name)?;
            let tags = group.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let id = groups::id(arm, &group.name);
            seen.resource_group = ResourceGroupInfo { name: group.name, location: group.location, tags, id };
        }
        Scope::Subscription => seen.level = Level::Subscription,
        Scope::ManagementGroup(name) => {
            seen.level = Level::ManagementGroup;
            seen.management_group.clone_from(name);
        }
        Scope::Tenant => seen.level = Level::Tenant,
    }
    Ok(seen)
}
