//! What the fuzz targets do with an input, and the law that they hold it to. Each panics on a finding.
//!
//! The programs under `targets/` give these functions to libFuzzer (`cargo xtask fuzz`); the test `replay` gives them the
//! inputs under `fixtures/fuzz`, so that what was found once stays fixed.

mod routers;

use std::sync::OnceLock;

use arm_template::{Placeholders, PlanRequest, Scope, Template};
use entra_tokens::Entra;
use image_builder::{AgentVersion, FolderLayer, ImageRef};
use serde_json::{Map, Value, json};
use service_kit::ManualClock;
use uuid::Uuid;

pub use routers::{arm_router, azdo_router, entra_router, registry_router};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets: the name is that of the program, of the folder with its inputs, and of the function.
pub const TARGETS: &[Target] = &[
    ("arm-expression", arm_expression),
    ("arm-path", arm_path),
    ("arm-router", arm_router),
    ("arm-template", arm_template),
    ("azdo-router", azdo_router),
    ("azdo-wire", azdo_wire),
    ("container-group", container_group),
    ("entra-router", entra_router),
    ("entra-token", entra_token),
    ("image-archive", image_archive),
    ("image-text", image_text),
    ("pipeline-yaml", pipeline_yaml),
    ("registry", registry),
    ("registry-router", registry_router),
    ("seed-file", seed_file),
    ("stub-job", stub_job),
];

/// The part of an input that says which of several readers gets the rest, and the rest as text.
fn choice(data: &[u8]) -> Option<(u8, &str)> {
    let (first, rest) = data.split_first()?;
    Some((*first, std::str::from_utf8(rest).ok()?))
}

/// An expression: its print is read as itself, and its evaluation ends.
pub fn arm_expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    arm_template::fuzzing::expression(text);
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"text": {"type": "string", "defaultValue": "some"}, "list": {"type": "array", "defaultValue": [1, 2]}},
        "variables": {"value": text},
        "resources": [],
        "outputs": {"value": {"type": "object", "value": text}},
    });
    expand(&template.to_string(), Map::new());
}

/// A template, and after a line `%%` its parameter file: read and expanded, or refused.
pub fn arm_template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (template, parameters) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let file: Value = serde_json::from_str(parameters).unwrap_or_default();
    let parameters = file.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    expand(template, parameters);
}

/// Does all that can be done with a template without a deployment.
fn expand(text: &str, parameters: Map<String, Value>) {
    let Ok(template) = Template::parse(text) else { return };
    let request = PlanRequest {
        parameters,
        scope: Scope { subscription_id: Uuid::from_u128(1).to_string(), ..Scope::default() },
        deployment_name: "fuzz".to_owned(),
        mode: arm_template::Mode::Incremental,
        now: jiff::Timestamp::UNIX_EPOCH,
        new_guid: &|| Uuid::from_u128(2),
        environment: None,
        deployer: None,
        custom_roles: None,
        linked: None,
        template_uri: None,
    };
    let Ok(plan) = template.plan(&request) else { return };
    for (position, resource) in plan.resources().iter().enumerate() {
        assert!(resource.depends_on.iter().all(|need| *need < position), "the order breaks a dependency");
        let _ = plan.body(position, &Placeholders);
    }
    let _ = plan.outputs(&Placeholders);
    plan.parameters_for_history();
}

/// Paths, ids, filters and api-versions of Resource Manager.
pub fn arm_path(data: &[u8]) {
    let Some((which, text)) = choice(data) else { return };
    match which % 3 {
        0 => arm_emulator::fuzzing::path(text),
        1 => arm_emulator::fuzzing::filter(text),
        _ => arm_emulator::fuzzing::api_version(text),
    }
}

/// The body of a container group.
pub fn container_group(data: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<Value>(data) {
        arm_emulator::fuzzing::container_group(&body);
    }
}

/// Demands, api-versions, paths, client assertions, public keys and bodies of Azure DevOps.
pub fn azdo_wire(data: &[u8]) {
    let Some((which, text)) = choice(data) else { return };
    match which % 6 {
        0 => azdo_mock::fuzzing::demand(text),
        1 => azdo_mock::fuzzing::api_version(text),
        2 => azdo_mock::fuzzing::path(text),
        3 => azdo_mock::fuzzing::assertion(text),
        4 => azdo_mock::fuzzing::public_key(text.as_bytes()),
        _ => azdo_mock::fuzzing::body(text.as_bytes()),
    }
}

/// A bearer token: none that is made up is taken.
pub fn entra_token(data: &[u8]) {
    static ENTRA: OnceLock<Entra> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else { return };
    let entra = ENTRA.get_or_init(|| routers::entra(&ManualClock::at(jiff::Timestamp::UNIX_EPOCH)));
    assert!(entra.verify(text, &[routers::AUDIENCE]).is_err());
}

/// Archives: what is taken of one stays inside. An even first byte means tar, an odd one zip.
pub fn image_archive(data: &[u8]) {
    let Some((which, archive)) = data.split_first() else { return };
    if which % 2 == 0 {
        image_builder::fuzzing::tar(archive);
    } else {
        image_builder::fuzzing::zip(archive);
    }
}

/// References of images, versions, folder layers and the list of agent packages.
pub fn image_text(data: &[u8]) {
    let Some((which, text)) = choice(data) else { return };
    match which % 4 {
        0 => {
            let Ok(image) = text.parse::<ImageRef>() else { return };
            let printed = image.to_string();
            let again = printed.parse::<ImageRef>().expect("a reference is read as it is printed");
            assert_eq!(again.to_string(), printed);
        }
        1 => {
            let _ = (text.parse::<AgentVersion>(), AgentVersion::from_file_name(text));
        }
        2 => {
            let _ = text.parse::<FolderLayer>();
        }
        _ => image_builder::fuzzing::package_list(text),
    }
}

/// A pipeline file and, behind zero bytes, its templates `0.yml` to `9.yml`.
pub fn pipeline_yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut texts = text.split('\0');
    let file = texts.next().unwrap_or_default();
    let templates: Vec<_> = texts.take(10).collect();
    let template = |path: &str| {
        let number: usize = path.strip_prefix('/')?.strip_suffix(".yml")?.parse().ok()?;
        templates.get(number).map(|text| (*text).to_owned())
    };
    let inputs = pipeline_yaml::Inputs { templates: Some(&template), ..Default::default() };
    let _ = pipeline_yaml::Plan::read(file, &inputs);
}

/// Paths and manifests of a registry.
pub fn registry(data: &[u8]) {
    let Some((which, text)) = choice(data) else { return };
    match which % 4 {
        0 => {
            acr_registry::fuzzing::path(text);
            acr_registry::fuzzing::acr_path(text);
        }
        1 => manifest("application/vnd.oci.image.manifest.v1+json", text),
        2 => manifest("application/vnd.oci.image.index.v1+json", text),
        _ => manifest("application/vnd.docker.distribution.manifest.v2+json", text),
    }
}

fn manifest(media_type: &str, text: &str) {
    acr_registry::fuzzing::manifest(media_type, text.as_bytes());
}

/// A seed file: applied as a whole, or nothing of it.
pub fn seed_file(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        azdo_mock::fuzzing::seed_file(text);
    }
}

/// What the stub agent reads: a job's message, or a line of a step's output.
pub fn stub_job(data: &[u8]) {
    let Some((which, text)) = choice(data) else { return };
    if which % 2 == 0 {
        agent_stub::fuzzing::job_message(text.as_bytes());
    } else {
        agent_stub::fuzzing::line(text);
    }
}
