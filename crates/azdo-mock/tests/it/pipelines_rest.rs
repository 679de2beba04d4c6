//! Pipelines and their runs over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{TWO_JOBS, ask, define, finish, get, start, take, write_log};
use crate::client::Agent;
use crate::server::{Ask, Server};

async fn run(server: &Server, pipeline: i64, body: Value) -> Value {
    ask(server, Method::POST, &format!("/pipelines/{pipeline}/runs"), Some(body)).await.expect(200)
}

#[tokio::test]
async fn a_pipeline_is_run_watched_and_read() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let pipeline = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let body = json!({
        "variables": {"color": {"value": "red"}, "key": {"value": "s3cret", "isSecret": true}},
        "resources": {"repositories": {"self": {"refName": "refs/heads/topic", "version": "abc"}}},
        "stagesToSkip": [], "templateParameters": {},
    });
    let queued = run(&server, pipeline, body).await;
    assert_eq!((&queued["state"], &queued["name"]), (&json!("inProgress"), &json!("20261124.1")));
    assert!(queued.get("result").is_none());
    assert_eq!(
        (&queued["pipeline"]["id"], &queued["pipeline"]["name"]),
        (&json!(pipeline), &json!("nightly"))
    );
    assert_eq!(
        queued["variables"],
        json!({"color": {"value": "red"}, "key": {"value": null, "isSecret": true}})
    );
    assert_eq!(queued["resources"]["repositories"]["self"]["refName"], "refs/heads/topic");

    let job = take(&server, &agent).await;
    let variable = |name: &str| job.1.job["variables"][name].clone();
    assert_eq!(variable("color"), json!({"value": "red", "isSecret": false}));
    assert_eq!(variable("key"), json!({"value": "s3cret", "isSecret": true}));
    assert_eq!(variable("build.sourceVersion")["value"], "abc");
    let step = job.1.job["steps"][0]["id"].clone();
    write_log(&server, &job.1, &step, "hi\n").await;
    finish(&server, &agent, job, "succeededWithIssues").await;
    let path = format!("/pipelines/{pipeline}/runs/{}", queued["id"]);
    let ended = get(&server, &path).await;
    assert_eq!((&ended["state"], &ended["result"]), (&json!("completed"), &json!("succeeded")));
    let build = get(&server, &format!("/build/builds/{}", queued["id"])).await;
    assert_eq!(
        (&build["result"], &build["parameters"]),
        (&json!("partiallySucceeded"), &json!("{\"color\":\"red\"}"))
    );
    let list = get(&server, &format!("/pipelines/{pipeline}/runs")).await;
    assert_eq!((&list["count"], &list["value"][0]["id"]), (&json!(1), &queued["id"]));

    let logs = get(&server, &format!("{path}/logs")).await;
    assert_eq!((&logs["logs"][0]["id"], &logs["logs"][0]["lineCount"]), (&json!(1), &json!(1)));
    assert!(logs.get("signedContent").is_none());
    let log = get(&server, &format!("{path}/logs/1?$expand=signedContent")).await;
    let url = log["signedContent"]["url"].as_str().unwrap();
    let text = server.as_user(Method::GET, url.strip_prefix(crate::server::BASE).unwrap()).answer().await;
    assert_eq!(text.text, "hi\n");
    ask(&server, Method::GET, &format!("{path}/logs/9"), None)
        .await
        .refused(404, "BuildLogNotFoundException");
    let other = define(&server, "other", "steps: [{script: a}]\n").await;
    let wrong = format!("/pipelines/{other}/runs/{}", queued["id"]);
    ask(&server, Method::GET, &wrong, None).await.refused(404, "RunNotFoundException");
    ask(&server, Method::GET, "/pipelines/99", None).await.refused(404, "PipelineNotFoundException");
}

#[tokio::test]
async fn pipelines_are_listed_and_made() {
    let server = start().await;
    let body = json!({"name": "web", "folder": "\\ci", "configuration": {"type": "yaml", "path": "/web.yml",
        "repository": {"id": "r", "type": "azureReposGit"}}});
    let made = ask(&server, Method::POST, "/pipelines", Some(body.clone())).await.expect(200);
    assert_eq!(
        (&made["id"], &made["folder"], &made["configuration"]["path"]),
        (&json!(2), &json!("\\ci"), &json!("web.yml"))
    );
    ask(&server, Method::POST, "/pipelines", Some(body)).await.refused(409, "PipelineExistsException");
    let designer = json!({"name": "x", "configuration": {"type": "designerJson"}});
    ask(&server, Method::POST, "/pipelines", Some(designer)).await.refused(400, "InvalidPipelineException");
    let names = async |query: &str| {
        let list = get(&server, &format!("/pipelines?{query}")).await;
        let all = list["value"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["mayfly", "web"]);
    assert_eq!(names("orderBy=name%20desc&$top=1").await, ["web"]);
    assert_eq!(get(&server, "/pipelines/2?pipelineVersion=1").await["name"], "web");
    ask(&server, Method::GET, "/pipelines/2?pipelineVersion=7", None)
        .await
        .refused(404, "PipelineNotFoundException");
}

#[tokio::test]
async fn a_preview_shows_what_would_run_and_queues_nothing() {
    let server = start().await;
    let pipeline = define(&server, "nightly", TWO_JOBS).await;
    let runs = format!("/pipelines/{pipeline}/runs");
    let shown = run(&server, pipeline, json!({"previewRun": true})).await;
    let text = shown["finalYaml"].as_str().unwrap();
    assert!(text.starts_with("stages:\n- stage: __default\n  jobs:\n  - job: Build\n"), "{text}");
    let other = json!({"previewRun": true, "yamlOverride": "steps: [{bash: other}]\n"});
    let preview =
        ask(&server, Method::POST, &format!("/pipelines/{pipeline}/preview"), Some(other.clone())).await;
    let preview = preview.expect(200);
    assert!(preview["finalYaml"].as_str().unwrap().contains("script: other"), "{preview}");
    assert_eq!(run(&server, pipeline, other).await["finalYaml"], preview["finalYaml"]);
    for (body, part) in [
        (json!({"previewRun": true, "yamlOverride": "steps: [{task: x}]\n"}), "(Line: 1, Col: 10)"),
        (json!({"templateParameters": {"env": "prod"}}), "Unexpected parameter 'env'"),
        (json!({"stagesToSkip": ["Deploy"]}), "Stage Deploy was not found"),
        (json!({"stagesToSkip": ["__default"]}), "nothing to run"),
        (json!({"yamlOverride": "steps: []"}), "previewRun"),
    ] {
        let refused =
            ask(&server, Method::POST, &runs, Some(body)).await.refused(400, "PipelineValidationException");
        assert!(refused["message"].as_str().unwrap().contains(part), "{refused}");
        let type_name = refused["typeName"].as_str().unwrap();
        assert_eq!(
            type_name,
            "Microsoft.Azure.Pipelines.WebApi.PipelineValidationException, Microsoft.Azure.Pipelines.WebApi"
        );
    }
    assert_eq!(get(&server, &runs).await["count"], 0);
    ask(&server, Method::POST, "/pipelines/99/runs", Some(json!({})))
        .await
        .refused(404, "PipelineNotFoundException");
    ask(&server, Method::POST, &runs, Some(json!([]))).await.refused(400, "ArgumentException");
}

const WITH_PARAMETERS: &str = "
parameters:
- {name: where, values: [east, west]}
- {name: count, type: number, default: 1}
- {name: loud, type: boolean, default: false}
- {name: names, type: object, default: []}
steps:
- script: echo ${{ parameters.where }} ${{ parameters.count }}
  displayName: Go ${{ parameters.where }}
  env: {LOUD: '${{ parameters.loud }}'}
- ${{ each name in parameters.names }}:
  - script: hello ${{ name }}
";

/// Values come as text, as the Python SDK sends them, or as JSON.
#[tokio::test]
async fn a_run_has_the_parameters_that_it_is_queued_with() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let pipeline = define(&server, "nightly", WITH_PARAMETERS).await;
    let path = format!("/pipelines/{pipeline}/runs");
    for (parameters, part) in [
        (json!({}), "(Line: 3, Col: 3): A value for the 'where' parameter must be provided."),
        (json!({"where": "east", "color": "red"}), "Unexpected parameter 'color'"),
        (json!({"where": "north"}), "The 'where' parameter value 'north' is not an allowed value."),
        (
            json!({"where": "east", "count": "few"}),
            "The 'count' parameter value 'few' is not a valid Number.",
        ),
        (json!({"where": "east", "loud": 1}), "The 'loud' parameter value '1' is not a valid Boolean."),
    ] {
        let body = json!({"templateParameters": parameters});
        let refused =
            ask(&server, Method::POST, &path, Some(body)).await.refused(400, "PipelineValidationException");
        assert!(refused["message"].as_str().unwrap().contains(part), "{refused}");
    }
    let parameters = json!({"where": "west", "count": "3", "loud": true, "names": ["ann", "bob"]});
    let queued = run(&server, pipeline, json!({"templateParameters": parameters})).await;
    assert_eq!(queued["templateParameters"]["where"], "west");
    let job = take(&server, &agent).await;
    let steps = job.1.job["steps"].as_array().unwrap();
    let scripts: Vec<_> = steps.iter().map(|step| step["inputs"]["script"].as_str().unwrap()).collect();
    assert_eq!(scripts, ["echo west 3", "hello ann", "hello bob"]);
    assert_eq!(
        (&steps[0]["displayName"], &steps[0]["environment"]["LOUD"]),
        (&json!("Go west"), &json!("True"))
    );
    let preview = json!({"templateParameters": {"where": "east", "names": "[eve]"}});
    let shown = ask(&server, Method::POST, &format!("/pipelines/{pipeline}/preview"), Some(preview)).await;
    let shown = shown.expect(200);
    let text = shown["finalYaml"].as_str().unwrap();
    assert!(text.contains("script: echo east 1") && text.contains("script: hello eve"), "{text}");
}

/// What a repository would hold is put there by the control API, templates too.
#[tokio::test]
async fn templates_come_from_the_files_of_the_repository() {
    let server = start().await;
    let text = "parameters: [{name: who, default: all}]
steps:
- template: ci/steps.yml
  parameters: {who: '${{ parameters.who }}'}
";
    let pipeline = define(&server, "nightly", text).await;
    let preview = format!("/pipelines/{pipeline}/preview");
    let ask_for = async |who: &str| {
        let body = json!({"templateParameters": {"who": who}});
        ask(&server, Method::POST, &preview, Some(body)).await
    };
    let refused = ask_for("me").await.refused(400, "PipelineValidationException");
    let told = "/nightly.yml (Line: 3, Col: 13): 'template' names a file that is not there: /ci/steps.yml";
    assert!(refused["message"].as_str().unwrap().contains(told), "{refused}");

    let put = async |path: &str, text: &str| {
        let put = server.control(Method::PUT, &format!("/files/{path}"));
        put.json(&json!({"text": text})).answer().await.expect(200);
    };
    put(
        "ci/steps.yml",
        "parameters: [{name: who}]\nsteps:\n- template: one.yml\n- script: hello ${{ parameters.who }}\n",
    )
    .await;
    put(
        "ci/one.yml",
        "steps:\n- script: ${{ variables['Build.DefinitionName'] }} ${{ variables['Build.Reason'] }}\n",
    )
    .await;
    let shown = ask_for("me").await.expect(200);
    let text = shown["finalYaml"].as_str().unwrap();
    for wanted in ["script: nightly Manual", "script: hello me"] {
        assert!(text.contains(wanted), "no {wanted}: {text}");
    }
    put("ci/one.yml", "steps:\n- task: Npm@1\n").await;
    let refused = ask_for("me").await.refused(400, "PipelineValidationException");
    let told = "/ci/one.yml (Line: 2, Col: 3): 'steps[0].task' is not supported";
    assert!(refused["message"].as_str().unwrap().contains(told), "{refused}");
}
