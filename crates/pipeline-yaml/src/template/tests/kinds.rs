//! Parameters that are steps, jobs or stages.

use super::{refused, scripts, with};
use crate::Plan;

const DECLARED: &str = "parameters:
- {name: first, type: step, default: {script: default}}
- {name: rest, type: stepList, default: []}
- {name: jobs, type: jobList, default: [{job: X, steps: [{script: x}]}]}
";

#[test]
fn steps_and_jobs_are_put_in() {
    let text = format!(
        "{DECLARED}jobs:
- ${{{{ parameters.jobs }}}}
- ${{{{ each job in parameters.jobs }}}}:
  - ${{{{ each pair in job }}}}:
      ${{{{ if notIn(pair.key, 'job', 'steps') }}}}:
        ${{{{ pair.key }}}}: ${{{{ pair.value }}}}
    job: Wrapped_${{{{ job.job }}}}
    dependsOn: ${{{{ job.job }}}}
    steps:
    - script: before
    - ${{{{ job.steps }}}}
- job: Last
  steps:
  - ${{{{ parameters.first }}}}
  - ${{{{ parameters.rest }}}}
  - ${{{{ each step in parameters.rest }}}}:
    - ${{{{ each pair in step }}}}:
        ${{{{ pair.key }}}}: ${{{{ pair.value }}}} again
"
    );
    assert_eq!(scripts(&text, &[]), ["x", "before", "x", "default"]);
    let pairs = [
        ("first", r#"{"script": "one"}"#),
        ("rest", "- script: two\n- bash: three\n"),
        ("jobs", "- {job: A, displayName: An A, steps: [{script: a}, {script: b}]}\n"),
    ];
    let made = scripts(&text, &pairs);
    assert_eq!(made, ["a", "b", "before", "a", "b", "one", "two", "three", "two again", "three again"]);
    let plan = Plan::read(&text, &with(&pairs)).expect("a plan");
    let names: Vec<_> = plan.phases.iter().map(|phase| phase.display_name.as_str()).collect();
    assert_eq!(names, ["An A", "An A", "Last"]);
}

#[test]
fn values_of_another_shape_are_refused() {
    let text = format!("{DECLARED}steps: [{{script: a}}]\n");
    for (pair, expected) in [
        (("first", "text"), "2:3: The 'first' parameter value 'text' is not a valid Step."),
        (("first", "[{script: a}]"), "2:3: The 'first' parameter value '[{script: a}]' is not a valid Step."),
        (("rest", "{script: a}"), "3:3: The 'rest' parameter value '{script: a}' is not a valid StepList."),
        (("rest", "[a]"), "3:3: The 'rest' parameter value '[a]' is not a valid StepList."),
        (("jobs", "[}"), "4:3: The 'jobs' parameter value '[}' is not a valid JobList."),
    ] {
        refused(&text, &[pair], &[expected]);
    }
    for (parameters, expected) in [
        (
            "[{name: a, type: stageList, default: {a: b}}]",
            "1:14: The 'a' parameter is not a valid StageList.",
        ),
        (
            "[{name: a, type: deployment}]",
            "1:30: `parameters[0].type` is `deployment`, which is not supported: there are no deployment jobs",
        ),
        (
            "[{name: a, type: pool}]",
            "1:30: `parameters[0].type` is `pool`, which is not supported: supported:",
        ),
        (
            "[{name: a, default: 'x${{ parameters.b }}'}]",
            "1:33: `parameters` holds a template expression (`${{ }}`); only literals can be here",
        ),
    ] {
        refused(&format!("parameters: {parameters}\nsteps: [{{script: a}}]\n"), &[], &[expected]);
    }
}

/// What is wrong with a step is told where the step is written, not where it is put in.
#[test]
fn faults_of_a_value_are_told_where_it_is_said() {
    let text = "parameters:
- name: steps
  type: stepList
  default:
  - script: a
  - task: Npm@1
    inputs: {a: b}
steps:
- ${{ parameters.steps }}
";
    let expected = ["6:5: `steps[1].task` is not supported", "7:5: `steps[1].inputs` is not supported"];
    refused(text, &[], &expected);
    let given = [("steps", "[{task: a}]")];
    refused(text, &given, &["9:3: `steps[0].task` is not supported"]);
}
