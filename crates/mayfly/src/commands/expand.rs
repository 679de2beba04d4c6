//! `expand`: what a template stands for, without deploying it. What depends on the deployed state is shown as the
//! expression it is.

use anyhow::Result;
use arm_template::{
    Diagnostic, Mode, Placeholders, Plan, PlanRequest, ResourceGroupInfo, Scope, Template, jsonc,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::{Common, Expand, Format};
use crate::outcome::{Outcome, Problem};
use crate::output;

/// The subscription and tenant that an expansion pretends to be in.
const NOWHERE: &str = "00000000-0000-0000-0000-000000000000";

pub(crate) fn run(words: &Expand, common: &Common) -> Result<Outcome> {
    let name = words.template.display().to_string();
    let text = fs_err::read_to_string(&words.template)?;
    let failed = |faults: Vec<Diagnostic>| refused(&name, faults);
    let template = Template::parse(&text).map_err(failed)?;
    let plan = plan(&template, parameters(words)?, &words.resource_group).map_err(failed)?;
    let outputs = plan.outputs(&Placeholders).map_err(|fault| failed(vec![fault]))?;
    let skipped: Vec<String> = plan.skipped().iter().map(|one| one.id.clone()).collect();
    let bodies = plan.into_bodies(&Placeholders).map_err(|fault| failed(vec![fault]))?;
    let resources: Vec<Value> =
        bodies.into_iter().map(|(planned, body)| expanded(planned.id, body)).collect();
    let count = resources.len();
    let document = Map::from_iter([
        ("resources".to_owned(), Value::Array(resources)),
        ("skipped".to_owned(), json!(skipped)),
        ("outputs".to_owned(), outputs.into()),
    ]);
    if common.output == Format::Table {
        output::note(&format!("{count} resources, {} skipped by their condition", skipped.len()));
    }
    output::document(&document)?;
    Ok(Outcome::Done)
}

/// One resource of the result. `json!` would copy the body, which is most of the work of a large template.
fn expanded(id: String, body: Value) -> Value {
    Value::Object(Map::from_iter([("id".to_owned(), Value::from(id)), ("body".to_owned(), body)]))
}

/// Refuses a template with faults that no parameter value could cure, with their places. Says nothing of a template that
/// needs values.
pub(crate) fn check(name: &str, text: &str) -> Result<()> {
    let failed = |faults: Vec<Diagnostic>| refused(name, faults);
    let template = Template::parse(text).map_err(failed)?;
    if template.parameter_names().any(|(_, has_default)| !has_default) {
        return Ok(());
    }
    let plan = plan(&template, Map::new(), "expand").map_err(failed)?;
    for index in 0..plan.resources().len() {
        plan.body(index, &Placeholders).map_err(|fault| failed(vec![fault]))?;
    }
    Ok(())
}

fn plan(template: &Template, parameters: Map<String, Value>, group: &str) -> Result<Plan, Vec<Diagnostic>> {
    template.plan(&PlanRequest {
        parameters,
        scope: Scope {
            level: template.level(),
            management_group: group.to_owned(),
            location: "westeurope".to_owned(),
            subscription_id: NOWHERE.to_owned(),
            tenant_id: NOWHERE.to_owned(),
            resource_group: ResourceGroupInfo {
                name: group.to_owned(),
                location: "westeurope".to_owned(),
                ..ResourceGroupInfo::default()
            },
        },
        deployment_name: "expand".to_owned(),
        mode: Mode::Incremental,
        now: now(),
        new_guid: &random,
        environment: None,
        // Of nowhere, as the subscription is.
        deployer: Some(json!({"objectId": NOWHERE, "tenantId": NOWHERE, "userPrincipalName": ""})),
        custom_roles: None,
        linked: None,
        template_uri: None,
    })
}

fn parameters(words: &Expand) -> Result<Map<String, Value>> {
    let Some(file) = &words.parameters else { return Ok(Map::new()) };
    let text = fs_err::read_to_string(file)?;
    let wrong = |why: String| {
        Problem::new(Outcome::Failed, format!("read the parameters `{}`: {why}", file.display()))
            .hint("a parameter file is {\"parameters\": {\"name\": {\"value\": …}}}")
    };
    let node = jsonc::parse(&text).map_err(|fault| wrong(fault.to_string()))?;
    match node.to_value() {
        Value::Object(mut root) => match root.remove("parameters") {
            Some(Value::Object(parameters)) => Ok(parameters),
            Some(_) => Err(wrong("`parameters` is no object".to_owned()).into()),
            None => Ok(root),
        },
        _ => Err(wrong("the file holds no object".to_owned()).into()),
    }
}

/// All faults, each with its place and source line, as the diagnostics print themselves.
fn refused(name: &str, faults: Vec<Diagnostic>) -> anyhow::Error {
    let count = faults.len();
    let mut details = Vec::new();
    for fault in faults {
        details.extend(format!("{:?}", miette::Report::new(fault)).lines().map(ToOwned::to_owned));
    }
    let text = format!("expand `{name}`: {count} fault{}", if count == 1 { "" } else { "s" });
    Problem::new(Outcome::Failed, text).details(details).into()
}

#[expect(clippy::disallowed_methods, reason = "a command begins now; the library takes the time as an input")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the library takes randomness as an input; this is the edge")]
fn random() -> Uuid {
    Uuid::new_v4()
}
