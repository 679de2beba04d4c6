//! Roll-outs against servers that refuse, fail, or are slow: what is asked, in which order, and what is left.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::context::tests::settings;
use crate::error::{ExitClass, Explain};
use crate::scale::{ScaleOptions, scale};
use crate::{DeployOptions, deploy};

const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";
const POOLS: &str = "/contoso/_apis/distributedtask/pools";
const IMAGE: &str = "example.azurecr.io/agent:4.270.0-20261124";

fn group_path(rest: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/agents{rest}")
}

fn groups_path(rest: &str) -> String {
    group_path(&format!("/providers/Microsoft.ContainerInstance/containerGroups{rest}"))
}

fn deployment_path() -> String {
    group_path("/providers/Microsoft.Resources/deployments/mayfly-mayfly")
}

#[derive(Debug, Default)]
struct Recorder {
    events: Mutex<Vec<String>>,
}

impl Reporter for Recorder {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.to_string());
    }

    fn confirm(&self, _: &Plan) -> bool {
        false
    }
}

struct World {
    server: MockServer,
    context: Context,
    recorder: Recorder,
}

fn body(value: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(value)
}

fn refusal(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": {"code": code, "message": "no"}}))
}

fn list(values: &Value) -> ResponseTemplate {
    body(&json!({"count": 0, "value": values}))
}

impl World {
    /// Mocks mounted first win, so a test says what is special, then calls [`World::usual`].
    async fn new() -> Self {
        let server = MockServer::start().await;
        let context = Context::new(settings(&server.uri())).unwrap();
        Self { server, context, recorder: Recorder::default() }
    }

    async fn on(self, verb: &str, at: &str, reply: ResponseTemplate) -> Self {
        Mock::given(method(verb)).and(path(at)).respond_with(reply).mount(&self.server).await;
        self
    }

    async fn times(self, times: u64, verb: &str, at: &str, reply: ResponseTemplate) -> Self {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(reply)
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
        self
    }

    /// An empty fleet, an empty pool, a registry in another group, room for 100.
    async fn usual(self) -> Self {
        let usages = json!([
            {"currentValue": 7, "limit": 100, "name": {"value": "ContainerGroups"}},
            {"currentValue": 7, "limit": 10, "name": {"value": "StandardCores"}},
        ]);
        let registries = json!([{
            "id": format!("{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/example"),
            "name": "example", "properties": {"loginServer": "example.azurecr.io", "adminUserEnabled": true},
        }]);
        self.on(
            "POST",
            "/tenant/oauth2/v2.0/token",
            body(&json!({"expires_in": 3599, "access_token": "canary-access"})),
        )
        .await
        .on("GET", "/contoso/_apis/connectionData", body(&json!({"instanceId": "i"})))
        .await
        .on("GET", POOLS, list(&json!([{"id": 1, "name": "linux"}])))
        .await
        .on("GET", &format!("{POOLS}/1/agents"), list(&json!([])))
        .await
        .on("GET", &group_path(""), body(&json!({"location": "westeurope"})))
        .await
        .on("GET", &deployment_path(), refusal(404, "DeploymentNotFound"))
        .await
        .on(
            "POST",
            &format!("{}/validate", deployment_path()),
            body(&json!({"properties": {"provisioningState": "Succeeded"}})),
        )
        .await
        .on("GET", &groups_path(""), list(&json!([])))
        .await
        .on("GET", &group_path("/resources"), list(&json!([])))
        .await
        .on(
            "GET",
            &format!("{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/locations/westeurope/usages"),
            list(&usages),
        )
        .await
        .on(
            "GET",
            &format!("{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/registries"),
            list(&registries),
        )
        .await
    }

    async fn deploy(&self, options: DeployOptions) -> Result<RolloutReport, RolloutError> {
        let outcome = deploy(&self.context, options, &self.recorder).await;
        self.no_secret_is_told(&outcome);
        outcome
    }

    async fn scale(&self, options: ScaleOptions) -> Result<RolloutReport, RolloutError> {
        let outcome = scale(&self.context, options, &self.recorder).await;
        self.no_secret_is_told(&outcome);
        outcome
    }

    fn no_secret_is_told(&self, outcome: &Result<RolloutReport, RolloutError>) {
        let told = format!("{outcome:?} {:?} {:?}", self.recorder.events, self.context);
        assert!(!told.contains("canary"), "{told}");
    }

    /// What was changed, in order, with bodies of Azure DevOps.
    async fn changes(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let changing = requests.iter().filter(|request| {
            let harmless = ["/oauth2/v2.0/token", "/validate"];
            request.method.as_str() != "GET" && !harmless.iter().any(|end| request.url.path().ends_with(end))
        });
        changing
            .map(|request| {
                let last = request.url.path().rsplit('/').next().unwrap();
                let detail = match request.method.as_str() {
                    "PATCH" => String::from_utf8_lossy(&request.body).into_owned(),
                    "PUT" if last == "usercapabilities" => {
                        String::from_utf8_lossy(&request.body).into_owned()
                    }
                    _ => String::new(),
                };
                format!("{} {last} {detail}", request.method).trim_end().to_owned()
            })
            .collect()
    }
}

fn options(agents: u32) -> DeployOptions {
    DeployOptions {
        ready_timeout: Duration::from_millis(60),
        drain_timeout: Duration::from_millis(60),
        ..DeployOptions::new(agents, Some(IMAGE.parse().unwrap()), "me")
    }
}

fn scaled(agents: u32) -> ScaleOptions {
    ScaleOptions { drain_timeout: Duration::from_millis(60), ..ScaleOptions::new(agents, "me") }
}

fn group(name: &str, view: &Value) -> Value {
    json!({
        "id": groups_path(&format!("/{name}")), "name": name, "tags": {"mayfly-fleet": "mayfly"},
        "properties": {"provisioningState": "Succeeded", "osType": "Linux", "containers": [{"name": "agent", "properties": {
            "image": IMAGE, "resources": {"requests": {"cpu": 1.0, "memoryInGB": 2.0}}, "instanceView": view,
        }}]},
    })
}

fn agent(id: i64, name: &str, more: &Value) -> Value {
    let mut agent = json!({"id": id, "name": name, "status": "online", "enabled": true});
    for (key, value) in more.as_object().unwrap() {
        agent[key] = value.clone();
    }
    agent
}

fn text(world: &World, error: &RolloutError) -> String {
    let hint = error.hint().unwrap_or_default();
    let lines = [vec![error.to_string()], error.details(), vec![format!("hint: {hint}")]].concat();
    lines.join("\n").replace(&world.server.uri(), "SERVER")
}

#[tokio::test]
async fn a_wrong_target_is_refused_before_anything_is_asked() {
    let server = MockServer::start().await;
    let mut settings = settings(&server.uri());
    settings.sandbox = None;
    let world = World { context: Context::new(settings).unwrap(), server, recorder: Recorder::default() };
    let error = world.deploy(options(1)).await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Guard);
    assert!(world.recorder.events.lock().unwrap()[0].starts_with("target: sandbox org="));
    assert_eq!(world.server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn too_many_agents_are_refused_with_the_figures() {
    let world = World::new().await.usual().await;
    let error = world.deploy(options(1000)).await.unwrap_err();
    insta::assert_snapshot!(text(&world, &error), @r"
    roll out 1000 agents in `westeurope`: the quota `ContainerGroups` allows 100, 7 are in use, and 1000 more are needed
    hint: ask for fewer agents or smaller ones (--cpu), or have the quota raised
    ");
    let error = world.deploy(DeployOptions { cpu: Some(2.0), ..options(2) }).await.unwrap_err();
    insta::assert_snapshot!(error, @"roll out 2 agents in `westeurope`: the quota `StandardCores` allows 10, 7 are in use, and 4 more are needed");
    assert_eq!(error.exit_class(), ExitClass::Failed);
    assert_eq!(world.changes().await, [""; 0]);
}

#[tokio::test]
async fn no_agents_are_fine_and_a_plan_changes_nothing() {
    let world = World::new().await.usual().await;
    let report = world.deploy(options(0)).await.unwrap();
    assert_eq!((report.agents, report.plan.is_empty()), (0, true));
    let report = world.deploy(DeployOptions { dry_run: true, ..options(2) }).await.unwrap();
    insta::assert_snapshot!(report, @r"
    create   mayfly-0
    create   mayfly-1
    ");
    assert_eq!(world.changes().await, [""; 0]);
}

#[tokio::test]
async fn registry_and_fleet_do_not_share_a_group() {
    let registries = json!([{
        "id": group_path("/providers/Microsoft.ContainerRegistry/registries/example").replace("agents", "Agents"),
        "name": "example", "properties": {"loginServer": "Example.azurecr.io"},
    }]);
    let at = format!("{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/registries");
    let world = World::new().await.on("GET", &at, list(&registries)).await.usual().await;
    let error = world.deploy(options(1)).await.unwrap_err();
    insta::assert_snapshot!(text(&world, &error), @r"
    put the fleet into resource group `agents`: registry `example` is in it, and a Complete deployment of the fleet would delete the registry
    hint: choose another --resource-group for the fleet
    ");
    assert_eq!(error.exit_class(), ExitClass::Guard);
}

#[tokio::test]
async fn an_image_of_an_unknown_registry_is_refused() {
    let world = World::new().await.usual().await;
    let image = Some("other.azurecr.io/agent:1".parse().unwrap());
    let error = world.deploy(DeployOptions { image, ..options(1) }).await.unwrap_err();
    insta::assert_snapshot!(error, @"find the registry `other.azurecr.io` of the image in subscription `11111111-1111-1111-1111-111111111111`: there are only example.azurecr.io");
}

#[tokio::test]
async fn a_fleet_that_never_was_has_no_image_to_scale_with() {
    let world = World::new().await.usual().await;
    let error = world.scale(scaled(1)).await.unwrap_err();
    insta::assert_snapshot!(text(&world, &error), @r"
    create agents of fleet `mayfly`: it has never been deployed, so no image is known
    hint: name the image with --image, as `build-image` prints it
    ");
}

#[tokio::test]
async fn complete_mode_lists_what_is_not_of_the_fleet() {
    let resources = json!([
        {"id": "/registry", "tags": {}}, {"id": "/own", "tags": {"mayfly-fleet": "mayfly"}},
        {"id": "/other-fleet", "tags": {"mayfly-fleet": "other"}}, {"id": "/stranger"},
    ]);
    let world = World::new().await.on("GET", &group_path("/resources"), list(&resources)).await.usual().await;
    for agents in [0, 1] {
        let error =
            world.deploy(DeployOptions { mode: Mode::Complete, ..options(agents) }).await.unwrap_err();
        assert_eq!(error.exit_class(), ExitClass::Guard);
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&world, &error), @r"
            deploy to group `agents` in Complete mode: 3 of its resources are not of fleet `mayfly` and would be deleted
            /registry
            /other-fleet
            /stranger
            hint: give the fleet a resource group of its own, or use --mode incremental, which deletes nothing
            ");
        }
    }
    assert_eq!(world.changes().await, [""; 0]);
}

fn active(deployer: &str) -> ResponseTemplate {
    body(&json!({
        "tags": {"mayfly-deployer": deployer},
        "properties": {"provisioningState": "Running", "timestamp": "2026-11-24T10:00:00Z", "correlationId": "c-1"},
    }))
}

#[tokio::test]
async fn another_deployer_is_named_before_and_after_the_request() {
    let before = World::new().await.on("GET", &deployment_path(), active("somebody")).await.usual().await;
    let after = World::new()
        .await
        .times(1, "GET", &deployment_path(), refusal(404, "DeploymentNotFound"))
        .await
        .on("GET", &deployment_path(), active("somebody"))
        .await
        .on("PUT", &deployment_path(), refusal(409, "DeploymentActive"))
        .await
        .usual()
        .await;
    for (world, changes) in [(before, vec![]), (after, vec!["PUT mayfly-mayfly"])] {
        let error = world.deploy(options(1)).await.unwrap_err();
        assert_eq!(error.exit_class(), ExitClass::Guard);
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&world, &error), @r"
            deploy `mayfly-mayfly`: it is already under way, started by somebody at 2026-11-24T10:00:00Z, correlation id c-1
            hint: wait until it has ended, then run the command again
            ");
        }
        assert_eq!(world.changes().await, changes, "what the other makes is not removed");
    }
}

#[tokio::test]
async fn a_template_that_azure_refuses_changes_nothing() {
    let at = format!("{}/validate", deployment_path());
    let world = World::new().await.on("POST", &at, refusal(400, "InvalidTemplate")).await.usual().await;
    let error = world.deploy(options(1)).await.unwrap_err();
    insta::assert_snapshot!(error, @"check the deployment to group `agents`: 400 InvalidTemplate: no");
    assert_eq!(error.exit_class(), ExitClass::Failed);
    assert_eq!(world.changes().await, [""; 0]);
}

#[tokio::test]
async fn a_template_that_makes_something_else_changes_nothing() {
    let at = format!("{}/validate", deployment_path());
    let other =
        json!({"properties": {"provisioningState": "Succeeded", "validatedResources": [{"id": "/other"}]}});
    let world = World::new().await.on("POST", &at, body(&other)).await.usual().await;
    let error = world.deploy(options(1)).await.unwrap_err();
    assert!(matches!(error, RolloutError::Template(_)), "{error}");
    assert_eq!(world.changes().await, [""; 0]);
}

/// The group is made first, as nothing can be checked against a group that is not there.
#[tokio::test]
async fn an_absent_group_is_made_where_the_image_is() {
    let registries = json!([{
        "id": format!("{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/example"),
        "name": "example", "location": "northeurope", "properties": {"loginServer": "example.azurecr.io"},
    }]);
    let quota = format!("{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/locations/northeurope/usages");
    let mut world = World::new()
        .await
        .on("GET", &group_path(""), refusal(404, "ResourceGroupNotFound"))
        .await
        .on("PUT", &group_path(""), body(&json!({})))
        .await
        .on("GET", &quota, list(&json!([])))
        .await
        .on(
            "GET",
            &format!("{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/registries"),
            list(&registries),
        )
        .await
        .on("PUT", &deployment_path(), refusal(400, "Stop"))
        .await
        .usual()
        .await;
    let settings = crate::Settings { location: None, ..settings(&world.server.uri()) };
    world.context = Context::new(settings).unwrap();
    assert_eq!(
        world.deploy(DeployOptions { dry_run: true, ..options(1) }).await.unwrap().plan.create.len(),
        1
    );
    assert_eq!(world.changes().await, [""; 0]);
    world.deploy(options(1)).await.unwrap_err();
    assert_eq!(world.changes().await, ["PUT agents", "PUT mayfly-mayfly"]);
    let requests = world.server.received_requests().await.unwrap();
    let made = requests.iter().find(|request| request.method.as_str() == "PUT").unwrap();
    let sent: Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(sent, json!({"location": "northeurope", "tags": {"mayfly-fleet": "mayfly"}}));
}

#[tokio::test]
async fn a_deployment_that_fails_is_taken_back() {
    let failed = json!({"properties": {"provisioningState": "Failed", "error": {
        "code": "DeploymentFailed", "message": "see details",
        "details": [{"code": "InaccessibleImage", "message": "The image is not accessible."}],
    }}});
    let mine = groups_path("/mayfly-0");
    let world = World::new()
        .await
        .times(1, "GET", &deployment_path(), refusal(404, "DeploymentNotFound"))
        .await
        .on("GET", &deployment_path(), body(&failed))
        .await
        .on("PUT", &deployment_path(), ResponseTemplate::new(201).set_body_json(json!({})))
        .await
        .times(1, "GET", &mine, body(&group("mayfly-0", &Value::Null)))
        .await
        .on("GET", &mine, refusal(404, "ResourceNotFound"))
        .await
        .on("DELETE", &mine, ResponseTemplate::new(200))
        .await
        .usual()
        .await;
    let error = world.deploy(options(1)).await.unwrap_err();
    insta::assert_snapshot!(text(&world, &error), @r"
    roll out 1 agent; what this run had created is removed again (1 agent)
    hint: check the image reference, and that the registry's admin user is enabled
    ");
    let source = std::error::Error::source(&error).unwrap().to_string();
    insta::assert_snapshot!(source, @"deploy `mayfly-mayfly` to group `agents`: InaccessibleImage: The image is not accessible.");
    assert_eq!(world.changes().await, ["PUT mayfly-mayfly", "DELETE mayfly-0"]);
}

/// A container that ends with 77 after the deployment has succeeded.
async fn refused_agent() -> World {
    let ended = json!({"restartCount": 1, "currentState": {"state": "Running"},
        "previousState": {"state": "Terminated", "exitCode": 77, "finishTime": "t1"}});
    let mine = groups_path("/mayfly-0");
    World::new()
        .await
        .times(1, "GET", &deployment_path(), refusal(404, "DeploymentNotFound"))
        .await
        .on("GET", &deployment_path(), body(&json!({"properties": {"provisioningState": "Succeeded"}})))
        .await
        .on("PUT", &deployment_path(), ResponseTemplate::new(201).set_body_json(json!({})))
        .await
        .times(2, "GET", &mine, body(&group("mayfly-0", &ended)))
        .await
        .on("GET", &mine, refusal(404, "ResourceNotFound"))
        .await
        .on(
            "GET",
            &format!("{mine}/containers/agent/logs"),
            body(&json!({"content": "the token is refused\n{\"event\":\"end\",\"exitCode\":77,\"holdSeconds\":0}\n"})),
        )
        .await
        .on("DELETE", &mine, ResponseTemplate::new(200))
        .await
        .times(2, "GET", &format!("{POOLS}/1/agents"), list(&json!([])))
        .await
        .on(
            "GET",
            &format!("{POOLS}/1/agents"),
            list(&json!([agent(5, "mayfly-0", &json!({"status": "offline"}))])),
        )
        .await
        .on("DELETE", &format!("{POOLS}/1/agents/5"), ResponseTemplate::new(204))
        .await
        .usual()
        .await
}

#[tokio::test]
async fn an_agent_that_is_refused_fails_the_deployment_with_its_log_and_goes() {
    let world = refused_agent().await;
    let error = world.deploy(options(1)).await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Failed);
    insta::assert_snapshot!(text(&world, &error), @r#"
    roll out agents: `mayfly-0` ended with exit code 77: Azure DevOps refused the token or the pool; what this run had created is removed again (1 agent)
    mayfly-0: the token is refused
    mayfly-0: {"event":"end","exitCode":77,"holdSeconds":0}
    hint: give AZDO_TOKEN a token with the scope `Agent Pools (read, manage)` whose owner administers the pool
    "#);
    assert_eq!(world.changes().await, ["PUT mayfly-mayfly", "DELETE mayfly-0", "DELETE 5"]);
}

#[tokio::test]
async fn a_failed_agent_is_kept_on_wish() {
    let world = refused_agent().await;
    let error = world.deploy(DeployOptions { keep_failed: true, ..options(1) }).await.unwrap_err();
    assert!(error.to_string().ends_with("left in place: mayfly-0"), "{error}");
    assert_eq!(world.changes().await, ["PUT mayfly-mayfly"]);
}

/// Two idle agents; the pool shows the second one as `second` says, look by look.
async fn two_agents(second: &[Value]) -> World {
    let groups = json!([group("mayfly-0", &Value::Null), group("mayfly-1", &Value::Null)]);
    let one = groups_path("/mayfly-1");
    let registration = format!("{POOLS}/1/agents/2");
    let mut world = World::new()
        .await
        .on("GET", &groups_path(""), list(&groups))
        .await
        .on(
            "GET",
            &format!("{POOLS}/1/agents"),
            list(&json!([agent(1, "mayfly-0", &json!({})), agent(2, "mayfly-1", &json!({}))])),
        )
        .await
        .on("PUT", &format!("{registration}/usercapabilities"), body(&agent(2, "mayfly-1", &json!({}))))
        .await
        .on("PATCH", &registration, body(&agent(2, "mayfly-1", &json!({}))))
        .await
        .on("DELETE", &registration, ResponseTemplate::new(204))
        .await
        .on("DELETE", &one, ResponseTemplate::new(200))
        .await
        .on("GET", &one, refusal(404, "ResourceNotFound"))
        .await;
    let (last, looks) = second.split_last().unwrap();
    for look in looks {
        world = world.times(1, "GET", &registration, body(look)).await;
    }
    world.on("GET", &registration, body(last)).await.usual().await
}

const MARK: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/agents/providers/microsoft.containerinstance/containergroups/mayfly-1;enabled=true";

#[tokio::test]
async fn a_drain_marks_disables_waits_and_only_then_deletes() {
    let other = json!({"gpu": "yes"});
    let job = json!({"requestId": 31, "jobName": "build"});
    let look = |enabled: bool, busy: bool| {
        let job = if busy { job.clone() } else { Value::Null };
        agent(2, "mayfly-1", &json!({"enabled": enabled, "assignedRequest": job, "userCapabilities": other}))
    };
    let looks = [
        // Before the mark; disabled has not taken effect; it has, with a job; the job goes on; it is done.
        look(true, false),
        look(true, false),
        look(false, true),
        look(false, true),
        look(false, false),
    ];
    let world = two_agents(&looks).await;
    let report = world.scale(scaled(1)).await.unwrap();
    assert_eq!(report.removed.iter().map(AgentName::as_str).collect::<Vec<_>>(), ["mayfly-1"]);
    let disable = "PATCH 2 {\"id\":2,\"enabled\":false}";
    let mark = format!("PUT usercapabilities {{\"Mayfly.Drain\":\"{MARK}\",\"gpu\":\"yes\"}}");
    assert_eq!(world.changes().await, [mark.as_str(), disable, disable, "DELETE mayfly-1", "DELETE 2"]);
    let told = world.recorder.events.lock().unwrap().join("\n");
    assert!(told.contains("mayfly-1 runs job `build` (request 31)"), "{told}");
}

/// The control of the test above: a read that already shows no request, but not yet the disabling, is not trusted.
#[tokio::test]
async fn idle_before_the_disabling_took_effect_is_not_idle() {
    let look = agent(2, "mayfly-1", &json!({"enabled": true}));
    let world = two_agents(&[look]).await;
    let error = world.scale(scaled(1)).await.unwrap_err();
    assert!(matches!(error, RolloutError::DrainTimeout { .. }), "{error}");
    assert!(!world.changes().await.iter().any(|change| change.starts_with("DELETE")));
}

#[tokio::test]
async fn a_job_that_outlasts_the_drain_keeps_its_agent_which_is_given_back() {
    let busy = json!({"enabled": false, "assignedRequest": {"requestId": 31, "jobName": "build"},
        "userCapabilities": {"Mayfly.Drain": MARK}});
    let world = two_agents(&[agent(2, "mayfly-1", &json!({})), agent(2, "mayfly-1", &busy)]).await;
    let error = world.scale(scaled(1)).await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Failed);
    insta::assert_snapshot!(text(&world, &error), @r"
    drain `mayfly-1` (runs job `build` (request 31)): not idle after 0 s
    hint: the agents take jobs again; give more time with --drain-timeout, or kill their jobs with --force
    ");
    let changes = world.changes().await;
    let given_back = ["PATCH 2 {\"id\":2,\"enabled\":true}", "PUT usercapabilities {}"];
    assert_eq!(changes[changes.len() - 2..], given_back);
    assert!(!changes.iter().any(|change| change.starts_with("DELETE")), "{changes:?}");
}

#[tokio::test]
async fn force_names_the_job_and_does_not_wait() {
    let busy = json!({"assignedRequest": {"requestId": 31, "jobName": "build"}});
    let world = two_agents(&[agent(2, "mayfly-1", &busy)]).await;
    world.scale(ScaleOptions { force: true, ..scaled(1) }).await.unwrap();
    assert!(world.changes().await.contains(&"DELETE mayfly-1".to_owned()));
    let told = world.recorder.events.lock().unwrap().join("\n");
    assert!(told.contains("warning: mayfly-1 is killed with its job `build` (request 31)"), "{told}");
}

#[tokio::test]
async fn a_killed_job_may_hold_its_registration_for_a_while() {
    let busy = json!({"assignedRequest": {"requestId": 31, "jobName": "build"}});
    let world = two_agents(&[agent(2, "mayfly-1", &busy)]).await;
    Mock::given(method("DELETE"))
        .and(path(format!("{POOLS}/1/agents/2")))
        .respond_with(ResponseTemplate::new(409).set_body_json(json!({"message": "runs a job"})))
        .with_priority(1)
        .mount(&world.server)
        .await;
    let report = world.scale(ScaleOptions { force: true, ..scaled(1) }).await.unwrap();
    assert_eq!(report.registrations_left.iter().map(AgentName::as_str).collect::<Vec<_>>(), ["mayfly-1"]);
}

#[test]
fn against_azure_nothing_is_deleted_without_a_yes() {
    let context =
        Context::new(crate::Settings { target: Target::Azure, ..settings("http://127.0.0.1:1") }).unwrap();
    let harmless = Plan { create: vec![context.settings.fleet.agent(0)], ..Plan::default() };
    let deleting = Plan { delete: vec![context.settings.fleet.agent(0)], ..Plan::default() };
    guards::consent(&context, &harmless, &crate::Silent).unwrap();
    let refused = guards::consent(&context, &deleting, &crate::Silent).unwrap_err();
    assert_eq!(refused.exit_class(), ExitClass::Guard);
    let sandbox = Context::new(settings("http://127.0.0.1:1")).unwrap();
    guards::consent(&sandbox, &deleting, &crate::Silent).unwrap();
}
