//! The archives of the tasks, unpacked and run with Node as the agent does (azure-pipelines-agent: NodeHandler.cs).

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Agent, Worker};
use crate::server::{Ask, Server, quick};

/// Unpacks the task of a step, as it is served.
async fn unpacked(server: &Server, worker: &Worker, step: usize) -> TempDir {
    let reference = &worker.job["steps"][step]["reference"];
    let text = |name: &str| reference[name].as_str().unwrap();
    let path = format!("/_apis/distributedtask/tasks/{}/{}", text("id"), text("version"));
    let request = server.bearer(&worker.token, Method::GET, &path).header("accept", "application/zip");
    let archive = request.send().await.unwrap().bytes().await.unwrap();
    let folder = TempDir::new().unwrap();
    zip::ZipArchive::new(Cursor::new(archive)).unwrap().extract(folder.path()).unwrap();
    folder
}

fn node(task: &Path, temporary: &Path, script: &str, more: &[(&str, &str)]) -> Output {
    let mut command = Command::new("node");
    command.arg(task.join("main.js")).current_dir(temporary).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
        .env("AGENT_TEMPDIRECTORY", temporary)
        .env("INPUT_SCRIPT", script)
        .env("INPUT_WORKINGDIRECTORY", "");
    command.envs(more.iter().copied());
    command.output().expect("Node is needed for this test: `cargo xtask test --install` brings it")
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_tasks_run_their_scripts_under_node() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let yaml = "jobs:\n- job: A\n  steps: [{script: a}, {bash: b}, {pwsh: c}]\n";
    let body = json!({"pool": "Default", "yaml": yaml});
    server.control(Method::POST, "/pipelines/runs").json(&body).answer().await.expect(201);
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    let temporary = TempDir::new().unwrap();
    for step in [0, 1] {
        let task = unpacked(&server, &worker, step).await;
        let run = |script: &str, more: &[(&str, &str)]| node(task.path(), temporary.path(), script, more);
        let good = run("echo \"hello $WHO\"\necho \"in $PWD\"", &[("WHO", "world")]);
        assert!(good.status.success() && shown(&good).contains("hello world"), "{}", shown(&good));
        let bad = run("echo before\nexit 7\necho after", &[]);
        assert_eq!(bad.status.code(), Some(7), "{}", shown(&bad));
        assert!(
            shown(&bad).contains("##vso[task.complete result=Failed;]") && !shown(&bad).contains("after")
        );
        let nowhere = run("true", &[("INPUT_WORKINGDIRECTORY", "/does/not/exist")]);
        assert_eq!(nowhere.status.code(), Some(1), "{}", shown(&nowhere));
    }
    // Where there is no PowerShell the task says so; where there is one it runs: either ends with a failure.
    let task = unpacked(&server, &worker, 2).await;
    let power_shell = node(task.path(), temporary.path(), "exit 3", &[("INPUT_PWSH", "true")]);
    assert!(!power_shell.status.success(), "{}", shown(&power_shell));
    assert!(shown(&power_shell).contains("##vso[task.complete result=Failed;]"), "{}", shown(&power_shell));
    assert_eq!(fs_err::read_dir(temporary.path()).unwrap().count(), 0, "scripts are removed again");
}
