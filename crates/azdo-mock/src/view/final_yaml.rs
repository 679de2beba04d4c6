//! What a pipeline file comes to, as the service shows it before a run: stages, jobs and steps written out, shells as the
//! tasks that run them.
//!
//! Source for the form: MicrosoftDocs/azure-devops-docs: runs (preview); the service writes `script` as `CmdLine@2`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pipeline_yaml::{Copies, Phase, Plan, Shell, Step};

use crate::wire::record_id::ONLY_STAGE;

/// The whole text.
pub(crate) fn text(plan: &Plan) -> String {
    let mut out = Lines::default();
    if let Some(name) = &plan.name {
        out.entry(0, "name", name);
    }
    out.line(0, "stages:");
    out.line(0, &format!("- stage: {ONLY_STAGE}"));
    out.line(1, "jobs:");
    for phase in &plan.phases {
        job(&mut out, phase);
    }
    out.0
}

fn job(out: &mut Lines, phase: &Phase) {
    out.entry(1, "- job", &phase.name);
    if phase.display_name != phase.name {
        out.entry(2, "displayName", &phase.display_name);
    }
    out.list(2, "dependsOn", &phase.depends_on);
    let condition = phase.condition.to_string();
    if condition != "succeeded()" {
        out.entry(2, "condition", &condition);
    }
    if phase.continue_on_error {
        out.line(2, "continueOnError: true");
    }
    for (name, minutes, usual) in [
        ("timeoutInMinutes", phase.timeout_in_minutes, 60),
        ("cancelTimeoutInMinutes", phase.cancel_timeout_in_minutes, 5),
    ] {
        if minutes != usual {
            out.line(2, &format!("{name}: {minutes}"));
        }
    }
    let common = common_variables(phase);
    strategy(out, phase, &common);
    out.map(2, "variables", &common);
    if phase.pool.name.is_some() || !phase.pool.demands.is_empty() {
        out.line(2, "pool:");
        if let Some(name) = &phase.pool.name {
            out.entry(3, "name", name);
        }
        out.list(3, "demands", &phase.pool.demands);
    }
    out.line(2, "steps:");
    for one in &phase.steps {
        step(out, one);
    }
}

/// Variables that all jobs of a phase have alike; the others are those of its legs.
fn common_variables(phase: &Phase) -> BTreeMap<String, String> {
    let mut jobs = phase.jobs.iter();
    let Some(first) = jobs.next() else { return BTreeMap::new() };
    let mut common = first.variables.clone();
    for job in jobs {
        common.retain(|name, value| job.variables.get(name) == Some(value));
    }
    common
}

fn strategy(out: &mut Lines, phase: &Phase, common: &BTreeMap<String, String>) {
    match phase.jobs.first().and_then(|job| job.copies) {
        None => return,
        Some(Copies::MultiMachine) => {
            out.line(2, "strategy:");
            out.line(3, &format!("parallel: {}", phase.jobs.len()));
        }
        Some(Copies::MultiConfiguration) => {
            out.line(2, "strategy:");
            out.line(3, "matrix:");
            for job in &phase.jobs {
                let own = job.variables.iter().filter(|(name, _)| !common.contains_key(*name));
                let own: BTreeMap<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
                if own.is_empty() {
                    out.line(4, &format!("{}: {{}}", scalar(&job.name)));
                } else {
                    out.map(4, &scalar(&job.name), &own);
                }
            }
        }
    }
    if phase.max_parallel != 0 {
        out.line(3, &format!("maxParallel: {}", phase.max_parallel));
    }
}

fn step(out: &mut Lines, step: &Step) {
    let (task, inputs): (_, &[(&str, &str)]) = match step.shell {
        Shell::Script => ("CmdLine@2", &[]),
        Shell::Bash => ("Bash@3", &[("targetType", "inline")]),
        Shell::Pwsh => ("PowerShell@2", &[("targetType", "inline"), ("pwsh", "true")]),
        Shell::PowerShell => ("PowerShell@2", &[("targetType", "inline")]),
    };
    out.entry(2, "- task", task);
    for (name, value) in [("name", &step.name), ("displayName", &step.display_name)] {
        if let Some(value) = value {
            out.entry(3, name, value);
        }
    }
    let condition = step.condition.to_string();
    if condition != "succeeded()" {
        out.entry(3, "condition", &condition);
    }
    for (name, set) in [("continueOnError: true", step.continue_on_error), ("enabled: false", !step.enabled)]
    {
        if set {
            out.line(3, name);
        }
    }
    if step.timeout_in_minutes != 0 {
        out.line(3, &format!("timeoutInMinutes: {}", step.timeout_in_minutes));
    }
    out.map(3, "env", &step.env);
    out.line(3, "inputs:");
    for (name, value) in inputs {
        out.entry(4, name, value);
    }
    out.entry(4, "script", &step.script);
    if let Some(folder) = &step.working_directory {
        out.entry(4, "workingDirectory", folder);
    }
}

/// Text that grows by lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{:width$}{text}", "", width = depth * 2);
    }

    /// A key with its value; a list item's dash stands where its siblings' indentation begins.
    fn entry(&mut self, depth: usize, key: &str, value: &str) {
        let inner = if key.starts_with("- ") { depth + 2 } else { depth + 1 };
        // A block keeps a text as it is, but for what its indentation and end would say of it.
        let block = value.contains('\n')
            && !value.starts_with([' ', '\n'])
            && !value.ends_with("\n\n")
            && value.chars().all(|c| c == '\n' || !c.is_control());
        if !block {
            return self.line(depth, &format!("{key}: {}", scalar(value)));
        }
        self.line(depth, &format!("{key}: {}", if value.ends_with('\n') { "|" } else { "|-" }));
        for line in value.lines() {
            if line.is_empty() { self.0.push('\n') } else { self.line(inner, line) }
        }
    }

    fn list(&mut self, depth: usize, key: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        self.line(depth, &format!("{key}:"));
        for value in values {
            self.line(depth, &format!("- {}", scalar(value)));
        }
    }

    fn map(&mut self, depth: usize, key: &str, values: &BTreeMap<String, String>) {
        if values.is_empty() {
            return;
        }
        self.line(depth, &format!("{key}:"));
        for (name, value) in values {
            self.entry(depth + 1, &scalar(name), value);
        }
    }
}

/// A text on one line: as it is where that is plainly a text, else in quotes. JSON's quotes are YAML's too.
fn scalar(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || " _-./@()$,=".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || "_$/".contains(c))
        && !text.ends_with(' ')
        && text.chars().all(inner)
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off"
        );
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_out_with_its_stage_jobs_and_tasks() {
        let file = "name: nightly\njobs:\n- job: A\n  strategy:\n    matrix:\n      x: {v: '1', w: same}\n      y: {v: two, w: \
                    same}\n    maxParallel: 1\n  steps:\n  - script: |\n      echo one\n\n      echo two\n    displayName: 'Say: \
                    it'\n- job: B\n  dependsOn: A\n  condition: always()\n  timeoutInMinutes: 5\n  pool: {name: Default, \
                    demands: [docker]}\n  steps:\n  - pwsh: dir\n    env: {K: 'yes'}\n    enabled: false\n  - bash: ls\n    \
                    workingDirectory: /tmp\n";
        let expected = "name: nightly
stages:
- stage: __default
  jobs:
  - job: A
    strategy:
      matrix:
        x:
          v: \"1\"
        y:
          v: two
      maxParallel: 1
    variables:
      w: same
    steps:
    - task: CmdLine@2
      displayName: \"Say: it\"
      inputs:
        script: |
          echo one

          echo two
  - job: B
    dependsOn:
    - A
    condition: always()
    timeoutInMinutes: 5
    pool:
      name: Default
      demands:
      - docker
    steps:
    - task: PowerShell@2
      enabled: false
      env:
        K: \"yes\"
      inputs:
        targetType: inline
        pwsh: \"true\"
        script: dir
    - task: Bash@3
      inputs:
        targetType: inline
        script: ls
        workingDirectory: /tmp
";
        assert_eq!(text(&Plan::parse(file).unwrap()), expected);
    }
}
