//! What files stand for.

use std::collections::BTreeMap;

use crate::{Copies, Plan, Pool, Shell};

fn plan(text: &str) -> Plan {
    Plan::parse(text).unwrap_or_else(|faults| panic!("{faults}\n---\n{text}"))
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn steps_alone_are_one_job_with_the_defaults_of_the_service() {
    let plan = plan(
        "trigger: none\npr:\n- none\nname: nightly\npool: Linux\nsteps:\n- checkout: none\n- script: echo 1\n",
    );
    assert_eq!(plan.name.as_deref(), Some("nightly"));
    let [phase] = plan.phases.as_slice() else { panic!("{plan:?}") };
    assert_eq!((phase.name.as_str(), phase.display_name.as_str()), ("Job", "Job"));
    assert_eq!(phase.identifier(&phase.jobs[0]), "Job.__default");
    assert_eq!((phase.timeout_in_minutes, phase.cancel_timeout_in_minutes, phase.max_parallel), (60, 5, 0));
    assert_eq!(phase.condition.to_string(), "succeeded()");
    assert_eq!(phase.pool, Pool { name: Some("Linux".into()), demands: vec![] });
    assert_eq!((phase.jobs[0].position, phase.jobs[0].total, phase.jobs[0].copies), (1, 1, None));
    let [step] = phase.steps.as_slice() else { panic!("{phase:?}") };
    assert_eq!((step.shell, step.script.as_str(), step.enabled), (Shell::Script, "echo 1", true));
}

#[test]
fn every_key_of_a_step_is_read() {
    let text = "steps:
- pwsh: |
    Write-Host $(name)
    exit 0
  name: first-step
  displayName: Say $(name)
  env:
    NAME: $(name)
    EMPTY:
  workingDirectory: /tmp
  condition: SucceededOrFailed()
  continueOnError: yes
  timeoutInMinutes: 3
  enabled: off
- bash: a
- powershell: b
";
    let plan = plan(text);
    let steps = &plan.phases[0].steps;
    let step = &steps[0];
    assert_eq!((step.shell, step.script.as_str()), (Shell::Pwsh, "Write-Host $(name)\nexit 0\n"));
    assert_eq!(
        (step.name.as_deref(), step.display_name.as_deref()),
        (Some("first-step"), Some("Say $(name)"))
    );
    assert_eq!(step.env, map(&[("NAME", "$(name)"), ("EMPTY", "")]));
    assert_eq!(step.working_directory.as_deref(), Some("/tmp"));
    assert_eq!(step.condition.to_string(), "succeededOrFailed()");
    assert_eq!((step.continue_on_error, step.timeout_in_minutes, step.enabled), (true, 3, false));
    assert_eq!((steps[1].shell, steps[2].shell), (Shell::Bash, Shell::PowerShell));
}

#[test]
fn a_matrix_is_one_job_for_each_leg() {
    let text = "variables:
  color: red
  size: small
jobs:
- job: Build
  displayName: Build it
  variables:
  - name: Color
    value: green
  strategy:
    maxParallel: 2
    matrix:
      linux: {SIZE: large, os: 1.10}
      mac:
  pool: {name: Big, demands: [docker, Agent.OS -equals Linux]}
  steps: [{script: a}]
";
    let plan = plan(text);
    let phase = &plan.phases[0];
    let names: Vec<_> =
        plan.jobs().map(|(phase, job)| (phase.identifier(job), job.display_name.clone())).collect();
    assert_eq!(
        names,
        [
            ("Build.linux".into(), "Build it linux".to_owned()),
            ("Build.mac".into(), "Build it mac".to_owned())
        ]
    );
    assert_eq!(phase.jobs[0].variables, map(&[("Color", "green"), ("SIZE", "large"), ("os", "1.10")]));
    assert_eq!(phase.jobs[1].variables, map(&[("Color", "green"), ("size", "small")]));
    assert_eq!((phase.jobs[1].position, phase.jobs[1].total), (2, 2));
    assert_eq!(phase.jobs[1].copies, Some(Copies::MultiConfiguration));
    assert_eq!(phase.max_parallel, 2);
    assert_eq!(phase.pool.demands, ["docker", "Agent.OS -equals Linux"]);
}

/// What stands later wins: in the same place, and what is further in.
#[test]
fn groups_lie_between_the_variables_of_the_file() {
    let text = "variables:
- {name: before, value: file}
- group: outer
- {name: After, value: file}
- {name: leg, value: file}
jobs:
- job: A
  variables: [{name: own, value: job}, {group: inner}, {name: before, value: job}]
  strategy: {matrix: {x: {leg: x}}}
  steps: [{script: a}]
- {job: B, steps: [{script: a}]}
";
    let plan = plan(text);
    let jobs: Vec<_> = plan.jobs().map(|(_, job)| job).collect();
    let taken = |job: usize, group: usize| {
        let names = ["before", "AFTER", "leg", "own", "other"];
        let job = jobs[job];
        let taken = names.iter().filter(|name| job.takes_from(&job.groups[group], name));
        (job.groups[group].name.as_str(), taken.copied().collect::<Vec<_>>())
    };
    assert_eq!(taken(0, 0), ("outer", vec!["other"]));
    assert_eq!(taken(0, 1), ("inner", vec!["AFTER", "own", "other"]));
    assert_eq!(taken(1, 0), ("outer", vec!["before", "own", "other"]));
    assert_eq!(jobs[1].groups.len(), 1);
}

#[test]
fn slices_are_numbered_and_one_slice_is_none() {
    let sliced = plan("strategy: {parallel: 3}\nsteps: [{script: a}]");
    let names: Vec<_> =
        sliced.jobs().map(|(phase, job)| (phase.identifier(job), job.display_name.clone())).collect();
    let expected = [("Job.Job1", "Job 1"), ("Job.Job2", "Job 2"), ("Job.Job3", "Job 3")];
    assert_eq!(names, expected.map(|(id, shown)| (id.to_owned(), shown.to_owned())));
    assert_eq!(sliced.phases[0].jobs[2].copies, Some(Copies::MultiMachine));
    let single = plan("strategy: {parallel: 1}\nsteps: [{script: a}]");
    assert_eq!(single.phases[0].jobs[0].name, "__default");
}

#[test]
fn a_job_has_its_own_pool_or_that_of_the_file() {
    let text = "pool: {name: P, demands: java}
jobs:
- {job: A, steps: [{script: a}]}
- {job: B, pool: Q, steps: [{script: a}]}
- {job: C, pool: {demands: [x]}, steps: [{script: a}]}
";
    let pools: Vec<_> = plan(text).phases.into_iter().map(|phase| phase.pool).collect();
    let pool = |name: Option<&str>, demands: &[&str]| Pool {
        name: name.map(Into::into),
        demands: demands.iter().map(|text| (*text).to_owned()).collect(),
    };
    assert_eq!(pools, [pool(Some("P"), &["java"]), pool(Some("Q"), &[]), pool(None, &["x"])]);
}

/// Templates pass empty texts on.
#[test]
fn empty_texts_are_as_if_they_were_not_there() {
    let text = "jobs:
- job: A
  displayName: ''
  dependsOn: ''
  condition: ''
  steps: [{script: a, displayName: '', name: '', condition: '', workingDirectory: ''}]
";
    assert_eq!(plan(text), plan("jobs: [{job: A, steps: [{script: a}]}]"));
}

#[test]
fn dollars_in_scripts_are_left_alone() {
    let text = "steps:\n- bash: echo $[1+2] $(date) ${HOME} $((1+1))\n";
    assert_eq!(plan(text).phases[0].steps[0].script, "echo $[1+2] $(date) ${HOME} $((1+1))");
}
