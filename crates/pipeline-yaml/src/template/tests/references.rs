//! References to templates in other files.

use std::collections::BTreeMap;

use super::super::include::resolve;
use super::{refused, refused_of, scripts_of};
use crate::{Inputs, Plan};

/// A repository with files.
struct Repository(BTreeMap<String, String>);

impl Repository {
    fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into())
    }

    fn file(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    #[track_caller]
    fn scripts(&self, text: &str) -> Vec<String> {
        let file = |path: &str| self.file(path);
        scripts_of(text, &Inputs { path: "/ci/main.yml".into(), templates: Some(&file), ..Inputs::default() })
    }

    #[track_caller]
    fn refused(&self, text: &str, expected: &[&str]) {
        let file = |path: &str| self.file(path);
        let inputs = Inputs { path: "/ci/main.yml".into(), templates: Some(&file), ..Inputs::default() };
        refused_of(text, &inputs, expected);
    }
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    for (from, name, expected) in [
        ("/ci/main.yml", "steps.yml", Ok("/ci/steps.yml")),
        ("/ci/main.yml", "./a/../b/steps.yml", Ok("/ci/b/steps.yml")),
        ("/ci/main.yml", "../steps.yml", Ok("/steps.yml")),
        ("/ci/main.yml", "/x/steps.yml", Ok("/x/steps.yml")),
        ("/ci/main.yml", "x\\steps.yml", Ok("/ci/x/steps.yml")),
        ("/ci/main.yml", "x/steps.yml@self", Ok("/x/steps.yml")),
        ("", "steps.yml", Ok("/steps.yml")),
        ("/ci/main.yml", "../../steps.yml", Err("that is outside of the repository")),
        ("/ci/main.yml", "/..", Err("that is outside of the repository")),
        ("/ci/main.yml", "x/", Err("that is no file")),
        ("/ci/main.yml", ".", Ok("/ci")),
        ("/main.yml", ".", Err("that is no file")),
        ("/a", "x.yml@other", Err("there is no repository `other`, only that of the file itself (`@self`)")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(resolve(from, name), expected, "{name} in {from}");
    }
}

#[test]
fn steps_jobs_and_variables_come_from_templates() {
    let repository = Repository::new([
        (
            "/ci/steps/build.yml",
            "parameters:
- {name: mode, values: [debug, release]}
- {name: clean, type: boolean, default: false}
- {name: after, type: stepList, default: []}
steps:
- script: build ${{ parameters.mode }} with ${{ variables.compiler }}
- ${{ if parameters.clean }}:
  - script: clean
- ${{ parameters.after }}
- template: ../common/report.yml
",
        ),
        ("/ci/common/report.yml", "steps: [{script: 'report'}]\n"),
        (
            "/jobs.yml",
            "parameters:
  name: ''
  steps: []
jobs:
- job: ${{ parameters.name }}
  variables:
  - template: /vars.yml
    parameters: {version: 7}
  steps: ${{ parameters.steps }}
",
        ),
        ("/vars.yml", "parameters: [{name: version}]\nvariables:\n  compiler: cc${{ parameters.version }}\n"),
    ]);
    let text = "variables:
- template: ../vars.yml
  parameters: {version: 6}
jobs:
- template: ../jobs.yml
  parameters:
    name: Build
    steps:
    - template: steps/build.yml
      parameters:
        mode: release
        clean: ${{ eq(variables.compiler, 'cc6') }}
        after:
        - script: after
- job: Other
  steps:
  - template: steps/build.yml
    parameters: {mode: debug}
  - script: own
";
    // A reference in a value is read where it is put in: with the variables there, from the file that it is written in.
    let expected =
        ["build release with cc7", "clean", "after", "report", "build debug with cc6", "report", "own"];
    assert_eq!(repository.scripts(text), expected);
    let file = |path: &str| repository.file(path);
    let inputs = Inputs { path: "/ci/main.yml".into(), templates: Some(&file), ..Inputs::default() };
    let plan = Plan::read(text, &inputs).expect("a plan");
    let compilers: Vec<_> =
        plan.jobs().map(|(_, job)| job.variables.get("compiler").map(String::as_str)).collect();
    assert_eq!(compilers, [Some("cc7"), Some("cc6")]);
}

#[test]
fn a_file_extends_a_template() {
    let repository = Repository::new([
        (
            "/ci/base.yml",
            "parameters: [{name: steps, type: stepList, default: []}]
extends:
  template: root.yml
  parameters:
    jobs:
    - job: Guarded
      templateContext: {any: thing}
      steps:
      - script: before
      - ${{ parameters.steps }}
",
        ),
        (
            "/ci/root.yml",
            "parameters: [{name: jobs, type: jobList}]
pool: Builders
jobs:
- ${{ parameters.jobs }}
- job: Last
  steps: [{script: 'last ${{ variables.x }}'}]
",
        ),
    ]);
    let text = "trigger: none
name: run
variables: {x: 'of the file'}
extends:
  template: base.yml
  parameters:
    steps:
    - script: mine
";
    assert_eq!(repository.scripts(text), ["before", "mine", "last of the file"]);
    for (text, expected) in [
        ("extends: base.yml\n", "1:1: `extends` names no template"),
        (
            "extends: {template: base.yml, parameters: {steps: 1}}\n",
            "1:51: The 'steps' parameter value '1' is not a valid StepList.",
        ),
        (
            "pool: Own\nextends: {template: base.yml}\n",
            "/ci/root.yml:2:1: `pool` is there twice; the first is in line 1",
        ),
    ] {
        repository.refused(text, &[expected]);
    }
    let beside = ["2:1: `jobs` cannot stand beside `extends`"];
    repository.refused("extends: {template: base.yml}\njobs: []\n", &beside);
}

#[test]
fn faults_name_the_file_that_they_are_in() {
    let repository = Repository::new([
        ("/ci/task.yml", "steps:\n- script: a\n- task: Npm@1\n"),
        ("/ci/text.yml", "hello\n"),
        ("/ci/empty.yml", ""),
        ("/ci/broken.yml", "steps: [\n"),
        ("/ci/jobs.yml", "jobs: []\n"),
        ("/ci/both.yml", "steps: [{script: a}]\nvariables: {}\n"),
        ("/ci/none.yml", "parameters: []\n"),
        ("/ci/expression.yml", "steps:\n- script: ${{ nope }}\n"),
        (
            "/ci/typed.yml",
            "parameters: [{name: n, type: number}]\nsteps: [{script: '${{ parameters.n }}'}]\n",
        ),
        ("/ci/default.yml", "parameters: [{name: n, type: number, default: x}]\nsteps: []\n"),
    ]);
    for (reference, expected) in [
        ("task.yml", "/ci/task.yml:3:3: `steps[1].task` is not supported"),
        ("text.yml", "/ci/text.yml:1:1: is text; a template is a mapping"),
        ("empty.yml", "/ci/empty.yml:1:1: is empty; a template is a mapping"),
        ("broken.yml", "/ci/broken.yml:2:1: this is no YAML"),
        (
            "jobs.yml",
            "/ci/jobs.yml:1:1: `jobs` has no place here: a template that is named under `steps` holds",
        ),
        ("both.yml", "/ci/both.yml:2:1: `variables` has no place here"),
        ("none.yml", "2:14: `template` has no `steps` in it"),
        ("expression.yml", "/ci/expression.yml:2:11: Unrecognized value: 'nope'"),
        ("typed.yml", "2:3: A value for the 'n' parameter must be provided."),
        ("typed.yml, parameters: {n: many}", "2:41: The 'n' parameter value 'many' is not a valid Number."),
        ("typed.yml, parameters: {n: 1, m: 2}", "2:44: Unexpected parameter 'm'"),
        ("typed.yml, parameters: 1", "2:37: `parameters` is text; it needs a mapping"),
        ("typed.yml, displayName: x", "2:25: `displayName` cannot stand beside `template`"),
        ("default.yml", "/ci/default.yml:1:14: The 'n' parameter value 'x' is not a valid Number."),
        ("missing.yml", "2:14: `template` names a file that is not there: /ci/missing.yml"),
        ("a.yml@tools", "2:14: `template` is `a.yml@tools`; there is no repository `tools`"),
        ("../../a.yml", "2:14: `template` is `../../a.yml`; that is outside of the repository"),
        ("[a]", "2:14: `template` is a list; it needs the path of a file"),
    ] {
        let expected = if expected.starts_with("2:25") {
            // What stands beside it is read over, and the template's own need is told too.
            vec!["2:3: A value for the 'n' parameter must be provided.", expected]
        } else {
            vec![expected]
        };
        repository.refused(&format!("steps:\n- {{template: {reference}}}\n"), &expected);
    }
    // Several files that are not there are told at once.
    repository.refused(
        "steps: [{template: x.yml}, {template: y.yml}]\n",
        &[
            "1:20: `template` names a file that is not there",
            "1:39: `template` names a file that is not there",
        ],
    );
    refused(
        "steps: [{template: x.yml}]\n",
        &[],
        &["1:20: `template` names a file, but there is no repository to read it from"],
    );
}

#[test]
fn a_template_knows_its_own_parameters_alone() {
    let repository = Repository::new([("/ci/leak.yml", "steps: [{script: '${{ parameters.mode }}'}]\n")]);
    let text = "parameters: [{name: mode, default: x}]\nsteps: [{template: leak.yml}]\n";
    repository.refused(text, &["/ci/leak.yml:1:19: Key not found 'mode'"]);
}

#[test]
fn templates_may_be_nested_100_deep_and_a_circle_is_named() {
    let repository = Repository::new([
        ("/ci/a.yml", "steps:\n- template: b.yml\n"),
        ("/ci/b.yml", "steps:\n- template: a.yml\n- template: a.yml\n"),
        (
            "/ci/count.yml",
            "parameters: [{name: left}]
steps:
- script: ${{ parameters.left }}
- ${{ if ne(parameters.left, 'x') }}:
  - template: count.yml
    parameters: {left: '${{ replace(parameters.left, ''xx'', ''x'') }}'}
",
        ),
    ]);
    let circle = "/ci/b.yml:2:3: templates are nested deeper than 100 levels; they go in a circle: /ci/a.yml → /ci/b.yml → \
                  /ci/a.yml";
    repository.refused("steps: [{template: a.yml}]\n", &[circle]);
    // A template that names itself but ends is no circle.
    let text = "steps: [{template: count.yml, parameters: {left: xxxx}}]\n";
    assert_eq!(repository.scripts(text), ["xxxx", "xx", "x"]);
}

#[test]
fn a_pipeline_has_at_most_100_templates() {
    let names: Vec<_> = (0..101).map(|number| format!("/{number}.yml")).collect();
    let steps = |count: usize| {
        let references: Vec<_> = names[..count].iter().map(|name| format!("{{template: {name}}}")).collect();
        format!("steps: [{}]\n", references.join(", "))
    };
    let files = names.iter().map(|name| (name.clone(), "steps: [{script: a}]\n".to_owned())).collect();
    let repository = Repository(files);
    assert_eq!(repository.scripts(&steps(100)).len(), 100);
    repository.refused(&steps(101), &["1:2099: the file has more than 100 templates"]);
}

/// 100 levels with conditions between them, on the stack of a thread.
#[test]
fn deep_templates_do_not_end_the_stack() {
    let nested = |levels: usize, inner: &str| {
        let mut text = inner.to_owned();
        for _ in 0..levels {
            text = format!("[{{'${{{{ if true }}}}': {text}}}]");
        }
        text
    };
    let level = |number: usize, deep: usize| {
        format!("steps: {}\n", nested(deep, &format!("[{{template: {}.yml}}]", number + 1)))
    };
    let last = ("/ci/100.yml".to_owned(), "steps: [{script: a}]\n".to_owned());
    let chain = |deep: usize| {
        let files = (1..100).map(|number| (format!("/ci/{number}.yml"), level(number, deep)));
        Repository(files.chain([last.clone()]).collect())
    };
    assert_eq!(chain(1).scripts("steps: [{template: 1.yml}]\n"), ["a"]);
    let deep = chain(8);
    let file = |path: &str| deep.file(path);
    let inputs = Inputs { path: "/ci/main.yml".into(), templates: Some(&file), ..Inputs::default() };
    let faults = Plan::read("steps: [{template: 1.yml}]\n", &inputs).expect_err("too deep").to_string();
    assert!(faults.contains("nested deeper than 400 levels"), "{faults}");
}
