//! `${{ variables.x }}`: what is known where.

use super::{refused, scripts, scripts_of};
use crate::Inputs;

#[test]
fn variables_are_known_where_they_are_in_scope() {
    let text = "variables:
  image: linux
  base: ${{ variables.image }}-base
  macro: $(image)
jobs:
- job: A
  variables:
  - {name: IMAGE, value: mac}
  - {name: own, value: 'on ${{ variables.image }}, ${{ variables.base }}'}
  steps:
  - script: ${{ variables.image }} ${{ variables['OWN'] }} ${{ variables.macro }}
- job: B
  displayName: ${{ variables.later }}
  steps:
  - script: ${{ variables.image }}[${{ variables.own }}]
  variables: {later: x}
";
    assert_eq!(scripts(text, &[]), ["mac on mac, linux-base $(image)", "linux[]"]);
    // What stands above it in the file need not come first.
    let text = "steps:\n- script: ${{ variables.x }}\nvariables: {x: late}\n";
    assert_eq!(scripts(text, &[]), ["late"]);
}

#[test]
fn what_is_not_known_before_the_run_is_empty() {
    let text = "variables:
- group: secrets
- {name: known, value: 1}
steps:
- script: a${{ variables.fromGroup }}${{ variables['Agent.Name'] }}b${{ variables.known }}
- ${{ if eq(variables.nothing, '') }}:
  - script: empty
- ${{ if variables.nothing }}:
  - script: never
";
    assert_eq!(scripts(text, &[]), ["ab1", "empty"]);
}

#[test]
fn predefined_variables_are_those_that_were_given() {
    let variables = [("Build.Reason", "Manual"), ("build.sourceBranchName", "main")];
    let inputs = Inputs {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Inputs::default()
    };
    let text = "variables:
  ${{ if eq(variables['Build.SourceBranchName'], 'main') }}:
    stage: prod
  ${{ else }}:
    stage: test
steps:
- script: ${{ variables.stage }} ${{ variables['build.reason'] }}
";
    assert_eq!(scripts_of(text, &inputs), ["prod Manual"]);
    assert_eq!(scripts(text, &[]), ["test "]);
}

#[test]
fn conditions_loops_and_parameters_make_variables() {
    let text = "parameters:
- {name: extra, type: object, default: {a: 1, b: 2}}
- {name: named, type: object, default: [{name: c, value: 3}]}
variables:
- ${{ each pair in parameters.extra }}:
  - {name: '${{ pair.key }}', value: '${{ pair.value }}'}
- ${{ parameters.named }}
- ${{ if eq(variables.a, 1) }}:
    name: d
    value: 4
- {name: sum, value: '${{ variables.a }}${{ variables.b }}${{ variables.c }}${{ variables.d }}'}
jobs:
- job: A
  ${{ if variables.sum }}:
    variables: {sum: '${{ variables.sum }}5'}
  steps:
  - script: ${{ variables.sum }}
- job: B
  steps: [{script: '${{ variables.sum }}'}]
- job: C
  variables: ${{ parameters.extra }}
  steps: [{script: '${{ length(variables) }} ${{ variables.b }}'}]
";
    assert_eq!(scripts(text, &[]), ["12345", "1234", "5 2"]);
    let text = "variables: {a: 1, A2: x}\nsteps:\n- ${{ each v in variables }}:\n  - script: ${{ v.key }}=${{ v.value }}\n";
    assert_eq!(scripts(text, &[]), ["a=1", "A2=x"]);
}

/// All variables as one value are a copy, so many of them count.
#[test]
fn copies_of_all_variables_make_no_flood() {
    let variables: Vec<_> = (0..400).map(|number| format!("  v{number}: x\n")).collect();
    let variables = variables.concat();
    let steps = "- script: ${{ length(variables) }}\n".repeat(200);
    let text = format!("variables:\n{variables}steps:\n{steps}");
    refused(&text, &[], &["523:11: the file's expressions make more than 50000 values"]);
}
