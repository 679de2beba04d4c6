//! A pipeline file on real containers: what is in it runs, in order, and what is not supported is refused by name.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{Answer, Stack};
use serde_json::Value;

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/pipelines");
    folder.join(name).display().to_string()
}

/// What a job printed: the lines behind its name.
fn said<'a>(answer: &'a Answer, job: &str) -> Vec<&'a str> {
    let lines = answer.stdout.lines().filter_map(|line| line.split_once(" | "));
    lines.filter(|(name, _)| name.trim_end() == job).map(|(_, line)| line).collect()
}

/// Writes a file and returns its path.
fn file(stack: &Stack, name: &str, text: &str) -> Result<String> {
    let path = stack.folder().join(name);
    fs_err::write(&path, text)?;
    Ok(path.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matrix_its_successor_and_the_job_for_failures_run_as_the_file_says() -> Result<()> {
    let stack = Stack::builder().agents(2).start().await?;
    let answer = stack.mayfly(&["run", "--file", &fixture("supported/build-and-report.yml")]).await?;
    ensure!(answer.code == 10, "a job failed, so the run does: {} {}", answer.code, answer.text());
    for (job, wanted) in [
        ("Build debug", "mode=Debug greeting=hello"),
        ("Build debug", "place=1/2"),
        ("Build release", "mode=Release greeting=hello"),
        ("Build release", "place=2/2"),
        // Environment, folder, and a step that may fail.
        ("Test", "cwd=/tmp who=hello-tester"),
        ("Test", "ran-after"),
        // After a failure only the step that wants to runs.
        ("Publish", "step-cleaned"),
        ("Report", "reported"),
    ] {
        ensure!(said(&answer, job).contains(&wanted), "{job} did not say {wanted}: {}", answer.text());
    }
    ensure!(!said(&answer, "Publish").contains(&"never"), "{}", answer.text());
    ensure!(said(&answer, "Celebrate").is_empty(), "{}", answer.text());
    let rows: Vec<Vec<&str>> =
        answer.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    for row in [
        &["Build", "debug", "succeeded"][..],
        &["Test", "succeededWithIssues"],
        &["Publish", "failed"],
        &["Report", "succeeded"],
        &["Celebrate", "skipped", "-", "-"],
    ] {
        ensure!(rows.iter().any(|found| found.starts_with(row)), "no row {row:?}: {}", answer.stdout);
    }
    // What depends on a job is queued after its end.
    let runs = stack.control("GET", "/azdo/pipelines/runs", None).await?;
    let time = |job: usize, key: &str| runs[0]["jobs"][job][key].as_str().unwrap_or_default().to_owned();
    for (before, after) in [(0, 2), (1, 2), (2, 3), (3, 4)] {
        ensure!(
            time(before, "finishTime") <= time(after, "queueTime"),
            "{after} did not wait for {before}: {runs:#}"
        );
    }

    let report = power_shell(&stack).await?;
    ensure!(report.contains("pwsh"), "the log does not name what is missing: {report}");
    stack.finish().await
}

/// The image has no PowerShell: the step fails and says so, instead of running in another shell.
async fn power_shell(stack: &Stack) -> Result<String> {
    let path = file(stack, "pwsh.yml", "steps:\n- pwsh: echo this is no PowerShell\n- script: echo next\n")?;
    let answer = stack.mayfly(&["run", "-o", "json", "--file", &path]).await?;
    ensure!(answer.code == 10, "{} {}", answer.code, answer.text());
    let report: Value = serde_json::from_str(&answer.stdout)?;
    ensure!(report["result"] == "failed", "{report}");
    let log = report["jobs"][0]["log"].as_array().context("the report has the log")?;
    ensure!(!log.iter().any(|line| line == "this is no PowerShell" || line == "next"), "{report:#}");
    Ok(report.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_crash_of_the_sandbox_and_can_be_cancelled() -> Result<()> {
    let mut stack = Stack::builder().agents(1).start().await?;
    let text = "jobs:
- job: First
  steps: [{script: sleep 5; echo first}]
- job: Second
  dependsOn: First
  steps: [{script: echo second}]
- job: Clean
  dependsOn: Second
  condition: always()
  steps: [{script: echo cleaned}]
";
    let path = file(&stack, "order.yml", text)?;
    let run = stack.ok(&["run", "--no-wait", "--file", &path]).await?.stdout.trim().to_owned();
    until(&stack, &run, |run| run["jobs"][0]["state"] == "running").await?;
    stack.kill_sandbox().await?;
    stack.sandbox_up().await?;
    let ended = until(&stack, &run, |run| run["state"] == "completed").await?;
    ensure!(ended["result"] == "succeeded", "{ended:#}");
    let id = ended["jobs"][1]["jobId"].as_str().context("the second job ran")?;
    let log = stack.control("GET", &format!("/azdo/jobs/{id}/log?from=0"), None).await?;
    ensure!(log["lines"].as_array().is_some_and(|lines| lines.iter().any(|line| line == "second")), "{log}");

    let path = file(&stack, "long.yml", &text.replace("sleep 5", "sleep 300"))?;
    let waiting = stack.spawn(&["run", "--file", &path])?;
    let runs = stack
        .eventually("the second run is there", Duration::from_secs(30), async || {
            let runs = stack.control("GET", "/azdo/pipelines/runs", None).await?;
            ensure!(runs.as_array().is_some_and(|runs| runs.len() == 2), "{runs}");
            Ok(runs)
        })
        .await?;
    let run = runs[1]["id"].to_string();
    until(&stack, &run, |run| run["jobs"][0]["state"] == "running").await?;
    stack.control("POST", &format!("/azdo/pipelines/runs/{run}/cancel"), None).await?;
    let output = waiting.wait_with_output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(11), "{:?} {text}", output.status);
    ensure!(text.contains("cleaned") && !text.contains("second"), "{text}");
    let ended = until(&stack, &run, |run| run["state"] == "completed").await?;
    let results: Vec<_> =
        (0..3).map(|job| ended["jobs"][job]["result"].as_str().unwrap_or_default()).collect();
    ensure!(results == ["canceled", "skipped", "succeeded"], "{ended:#}");
    stack.finish().await
}

async fn until(stack: &Stack, run: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    stack
        .eventually(&format!("run {run} has come so far"), Duration::from_secs(120), async || {
            let found = stack.control("GET", &format!("/azdo/pipelines/runs/{run}"), None).await?;
            if is(&found) { Ok(found) } else { bail!("it is {found}") }
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_supported_is_refused_with_line_and_key_before_anything_is_queued() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let path = fixture("refused/from-the-service.yml");
    let answer = stack.mayfly(&["run", "--file", &path]).await?;
    ensure!(answer.code == 2, "{} {}", answer.code, answer.text());
    for wanted in [
        format!("{path}:11:3: `pool.vmImage` is not supported"),
        format!("{path}:17:3: `steps[0].task` is not supported"),
        format!("{path}:14:13: `template` names a file that is not there: /"),
        format!(
            "{path}:21:16: Unrecognized value: 'dependencies'; only `parameters` and `variables` are known here"
        ),
    ] {
        ensure!(answer.stderr.contains(&wanted), "{wanted} is not in {}", answer.stderr);
    }
    for (name, text, code, wanted) in [
        ("pool.yml", "pool: Nowhere\nsteps: [{script: a}]\n", 2, "the pool `Nowhere`; there are `Default`"),
        ("tab.yml", "steps:\n\t- script: a\n", 2, "tab.yml:2:"),
    ] {
        let path = file(&stack, name, text)?;
        let answer = stack.mayfly(&["run", "--file", &path]).await?;
        ensure!(answer.code == code && answer.stderr.contains(wanted), "{} {}", answer.code, answer.text());
    }
    let answer = stack.mayfly(&["run", "--file", "no-such-file.yml"]).await?;
    ensure!(
        answer.code == 2 && answer.stderr.contains("no-such-file.yml"),
        "{} {}",
        answer.code,
        answer.text()
    );
    for list in ["/azdo/pipelines/runs", "/azdo/jobs"] {
        let queued = stack.control("GET", list, None).await?;
        ensure!(queued == Value::Array(vec![]), "{list}: {queued}");
    }
    stack.finish().await
}

/// A repository of files below the stack's folder.
fn repository(stack: &Stack, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = stack.folder().join(name);
        fs_err::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs_err::write(&path, text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_parameters_and_variables_make_the_jobs_that_run() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    let files = [
        ("repo/.git/HEAD", "ref: refs/heads/main\n"),
        (
            "repo/ci/main.yml",
            "parameters:
- {name: mode, values: [debug, release], default: debug}
- {name: after, type: stepList, default: []}
variables:
- template: ../vars.yml
extends:
  template: /base.yml
  parameters:
    name: Build_${{ parameters.mode }}
    steps:
    - template: steps.yml
      parameters: {mode: '${{ parameters.mode }}'}
    - ${{ parameters.after }}
",
        ),
        ("repo/vars.yml", "variables: {compiler: cc}\n"),
        (
            "repo/ci/steps.yml",
            "parameters: [{name: mode}]\nsteps:\n- script: echo ${{ variables.compiler }} ${{ parameters.mode }}\n",
        ),
        (
            "repo/base.yml",
            "parameters: [{name: name}, {name: steps, type: stepList}]
jobs:
- job: ${{ parameters.name }}
  steps:
  - script: echo before ${{ variables['Build.Reason'] }} ${{ variables['Agent.Name'] }}.
  - ${{ parameters.steps }}
",
        ),
    ];
    repository(&stack, &files)?;
    let main = stack.folder().join("repo/ci/main.yml").display().to_string();
    let after = "after=[{bash: echo after}]";
    let said_so = ["run", "--file", &main, "--parameter", "mode=release", "--parameter", after];
    let answer = stack.mayfly(&said_so).await?;
    ensure!(answer.code == 0, "{} {}", answer.code, answer.text());
    for wanted in ["before Manual .", "cc release", "after"] {
        ensure!(said(&answer, "Build_release").contains(&wanted), "no {wanted}: {}", answer.text());
    }

    // What is wrong is told with the file that it is in, and nothing is queued.
    for (words, wanted) in [
        (
            ["mode=fast", "after=[]"],
            format!("{main}:2:3: The 'mode' parameter value 'fast' is not an allowed value"),
        ),
        (
            ["mode=debug", "after=1"],
            format!("{main}:3:3: The 'after' parameter value '1' is not a valid StepList"),
        ),
        (["mode=debug", "other=1"], format!("{main}:1:1: Unexpected parameter 'other'")),
    ] {
        let answer =
            stack.mayfly(&["run", "--file", &main, "--parameter", words[0], "--parameter", words[1]]).await?;
        ensure!(
            answer.code == 2 && answer.stderr.contains(&wanted),
            "{wanted}: {} {}",
            answer.code,
            answer.text()
        );
    }
    repository(&stack, &[("repo/ci/steps.yml", "steps:\n- task: Npm@1\n- template: no.yml\n")])?;
    let answer = stack.mayfly(&["run", "--file", &main]).await?;
    let wanted = "ci/main.yml:12:20: Unexpected parameter 'mode'";
    ensure!(answer.code == 2 && answer.stderr.contains(wanted), "{} {}", answer.code, answer.text());
    let alone = file(&stack, "repo/ci/alone.yml", "steps:\n- template: steps.yml\n")?;
    let answer = stack.mayfly(&["run", "--file", &alone]).await?;
    for wanted in [
        "ci/steps.yml:2:3: `steps[0].task` is not supported",
        "ci/steps.yml:3:13: `template` names a file that is not there: /ci/no.yml",
    ] {
        ensure!(
            answer.code == 2 && answer.stderr.contains(wanted),
            "{wanted}: {} {}",
            answer.code,
            answer.text()
        );
    }
    let runs = stack.control("GET", "/azdo/pipelines/runs", None).await?;
    ensure!(runs.as_array().is_some_and(|runs| runs.len() == 1), "{runs}");
    stack.finish().await
}
