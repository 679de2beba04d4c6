use super::*;

fn spec() -> AgentSpec {
    AgentSpec {
        image: "example.azurecr.io/agent:4.270.0-20261124".parse().unwrap(),
        cpu: 0.5,
        memory_gb: 1.5,
        os_type: OsType::Linux,
        location: "westeurope".to_owned(),
        registry: RegistryLocation::from_id(
            "/subscriptions/s/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/example",
        )
        .unwrap(),
    }
}

fn body(own: Option<&OwnTemplate>) -> Value {
    body_with(&crate::context::tests::settings("http://127.0.0.1:1"), own)
}

fn body_with(settings: &Settings, own: Option<&OwnTemplate>) -> Value {
    let agents = [settings.fleet.agent(0), settings.fleet.agent(2)];
    let spec = spec();
    let deployment = FleetDeployment {
        settings,
        spec: &spec,
        mode: Mode::Incremental,
        agents: &agents,
        own,
        deployer: "somebody",
    };
    deployment.body()
}

/// A certificate is for everybody to see. Without one the containers are told nothing, not an empty text.
#[test]
fn containers_are_given_the_authorities_of_the_server() {
    let settings = crate::context::tests::settings("http://127.0.0.1:1");
    let sent = |body: &Value| body["properties"]["parameters"]["azdoCaCertificate"]["value"].clone();
    assert_eq!(sent(&body_with(&settings, None)), "");
    let settings = Settings { container_authorities: Some("-----BEGIN…".to_owned()), ..settings };
    assert_eq!(sent(&body_with(&settings, None)), "-----BEGIN…");
}

fn own(template: &Value, parameters: Option<&Value>) -> Result<OwnTemplate, TemplateError> {
    let text = parameters.map(Value::to_string);
    OwnTemplate::parse(
        ("mine.json", &template.to_string()),
        text.as_deref().map(|text| ("mine.p.json", text)),
    )
}

#[test]
fn the_request_names_exactly_the_new_agents() {
    let body = body(None);
    assert_eq!(body["properties"]["parameters"]["agentNames"], json!({"value": ["mayfly-0", "mayfly-2"]}));
    assert_eq!(
        body["properties"]["parameters"]["resources"],
        json!({"value": {"cpu": 0.5, "memoryInGB": 1.5}})
    );
    assert_eq!(body["properties"]["mode"], "Incremental");
    assert_eq!(body["tags"], json!({"mayfly-fleet": "mayfly", "mayfly-deployer": "somebody"}));
}

/// Each parameter that is sent is declared, and each that has no default is sent.
#[test]
fn parameters_and_template_fit_together() {
    for body in [body(None), registry_body("mayfly", "images", "westeurope", "Basic", "somebody")] {
        let declared = body["properties"]["template"]["parameters"].as_object().unwrap();
        let sent = body["properties"]["parameters"].as_object().unwrap();
        for name in sent.keys() {
            assert!(declared.contains_key(name), "{name} is not declared");
        }
        for (name, declaration) in declared {
            assert!(
                sent.contains_key(name) || declaration.get("defaultValue").is_some(),
                "{name} is not sent"
            );
        }
    }
}

/// The token is at one place of the request, declared secure, and given to the container as a secure value.
#[test]
fn the_token_is_secure_from_end_to_end() {
    let body = body(None);
    assert_eq!(body.to_string().matches("canary-token").count(), 1);
    let template = &body["properties"]["template"];
    assert_eq!(template["parameters"]["azdoToken"]["type"], "securestring");
    let environment = template
        .pointer("/resources/0/properties/containers/0/properties/environmentVariables")
        .and_then(Value::as_str)
        .unwrap();
    let token = "createObject('name', 'AZDO_TOKEN', 'secureValue', parameters('azdoToken'))";
    assert!(environment.contains(token), "{environment}");
    let uses = template.to_string().matches("parameters('azdoToken')").count();
    assert_eq!(uses, 1, "no output and no tag may repeat the token");
}

#[test]
fn a_template_of_ones_own_is_given_what_it_declares() {
    let template = json!({
        "parameters": {
            "AGENTNAMES": {"type": "array"}, "azdoToken": {"type": "secureString"}, "image": {"type": "string"},
            "size": {"type": "int"},
        },
        "resources": [],
    });
    let file = json!({"$schema": "x", "parameters": {"size": {"value": 3}, "image": {"value": "theirs"}}});
    let own = own(&template, Some(&file)).unwrap();
    let body = body(Some(&own));
    assert_eq!(
        body["properties"]["parameters"],
        json!({
            "size": {"value": 3}, "image": {"value": "theirs"},
            "AGENTNAMES": {"value": ["mayfly-0", "mayfly-2"]}, "azdoToken": {"value": "canary-token"},
        })
    );
}

#[test]
fn a_template_that_makes_no_fleet_is_refused() {
    let refused = |template: Value| own(&template, None).unwrap_err().to_string();
    insta::assert_snapshot!(refused(json!({})), @"use template `mine.json` for a fleet: it declares no parameter `agentNames` (array) and no parameter `azdoToken` (securestring)");
    let parameters = |kind: &str| json!({"agentNames": {"type": "array"}, "azdoToken": {"type": kind}});
    insta::assert_snapshot!(refused(json!({"parameters": parameters("string")})), @"use template `mine.json` for a fleet: its parameter `azdoToken` is not a `securestring`, so the token would stay readable in the deployment history");
    let nested = json!({"parameters": parameters("securestring"), "resources": {"inner": {
        "type": "Microsoft.Resources/deployments",
        "properties": {"template": {"resources": [{"type": "microsoft.containerregistry/REGISTRIES"}]}},
    }}});
    insta::assert_snapshot!(refused(nested), @"use template `mine.json` for a fleet: it also makes a registry, in the same group as the agents");
    insta::assert_snapshot!(refused(json!([])), @"read template `mine.json`: it is no JSON object");
}

#[test]
fn a_registry_id_is_taken_apart_whatever_its_case() {
    let id = "/SUBSCRIPTIONS/s/resourcegroups/g/providers/microsoft.containerregistry/Registries/r";
    let wanted =
        RegistryLocation { subscription_id: "s".into(), resource_group: "g".into(), name: "r".into() };
    assert_eq!(RegistryLocation::from_id(id), Some(wanted));
    assert_eq!(RegistryLocation::from_id("/subscriptions/s/resourceGroups/"), None);
}
