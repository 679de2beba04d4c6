//! What is refused, in which line and column, under which key, in which words.

use crate::Plan;

/// The faults of a file, one a line.
fn faults(text: &str) -> String {
    match Plan::parse(text) {
        Ok(plan) => panic!("it was read: {plan:?}"),
        Err(faults) => faults.to_string(),
    }
}

/// Every fault begins with its place and key; the words after it are those given.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = faults(text);
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{found}\n---\n{text}");
    for (line, expected) in lines.iter().zip(expected) {
        let (start, words) = expected.split_once(" … ").unwrap_or((expected, ""));
        assert!(line.starts_with(start) && line.contains(words), "{line}\nis not\n{expected}");
    }
}

#[test]
fn the_file_as_a_whole() {
    for (text, expected) in [
        ("", "1:1: the file is empty"),
        ("# nothing\n", "1:1: the file is empty"),
        ("hello", "1:1: the file is text"),
        ("- a", "1:1: the file is a list"),
        ("name: x", "1:1: the file has neither `steps` nor `jobs`"),
        ("steps: [", "2:1: this is no YAML"),
        ("steps:\n- script: a\n b: c", "3:"),
        ("steps:\n- script: a\n---\nsteps: []", "3:1: a second document"),
        ("steps: []", "1:1: `steps` has no step"),
        ("jobs: []", "1:1: `jobs` is empty"),
        ("jobs:", "1:1: `jobs` is empty; it needs a list"),
        ("steps: x", "1:8: `steps` is text; it needs a list"),
        ("[a]: b\nsteps: [{script: a}]", "1:1: a key must be text"),
    ] {
        check(text, &[expected]);
    }
    check(&format!("steps: [{{script: '{}'}}]", "x".repeat(300_000)), &["1:1: the file has 300021 bytes"]);
    check(&"[".repeat(100), &["1:33: the file is nested deeper"]);
}

#[test]
fn several_faults_are_told_at_once_in_the_order_of_the_text() {
    check(
        "trigger: [main]\n\
         jobs:\n\
         - job: A\n\
         \u{20}\u{20}steps:\n\
         \u{20}\u{20}- task: Npm@1\n\
         \u{20}\u{20}- script: a\n\
         \u{20}\u{20}\u{20}\u{20}Condition: always()\n\
         \u{20}\u{20}- script: b\n\
         \u{20}\u{20}\u{20}\u{20}timeoutInMinutes: soon\n\
         - job: 1b\n\
         \u{20}\u{20}dependsOn: [A, C]\n\
         \u{20}\u{20}steps: [{checkout: self}]\n",
        &[
            "1:10: `trigger` can only be `none`",
            "5:5: `jobs[0].steps[0].task` is not supported: only scripts run here",
            "7:5: `jobs[0].steps[1].Condition` is not a key; it is written `condition`",
            "9:23: `jobs[0].steps[2].timeoutInMinutes` is no whole number from 0",
            "10:8: `jobs[1].job` is `1b`; a name begins with a letter",
            "11:18: `jobs[1].dependsOn` names `C`, which is no job of this file … there are `A`, `1b`",
            "12:22: `jobs[1].steps[0].checkout` is `self`, but there is no repository",
        ],
    );
}

#[test]
fn keys_that_are_not_there() {
    for (text, expected) in [
        ("stages: []\nsteps: [{script: a}]", "1:1: `stages` is not supported: there are no stages"),
        (
            "extends: {template: a.yml}",
            "1:21: `template` names a file, but there is no repository to read it from",
        ),
        ("resources: {}\nsteps: [{script: a}]", "1:1: `resources` is not supported"),
        (
            "jobs:\n- template: a.yml",
            "2:13: `template` names a file, but there is no repository to read it from",
        ),
        (
            "pool: {vmImage: ubuntu-latest}\nsteps: [{script: a}]",
            "1:8: `pool.vmImage` is not supported: there are no Microsoft-hosted",
        ),
        ("pool: server\nsteps: [{script: a}]", "1:7: `pool` is `server`: agentless"),
        (
            "pool: {demands: [java, Agent.OS = Linux]}\nsteps: [{script: a}]",
            "1:24: `pool.demands` holds `Agent.OS = Linux`",
        ),
        ("pool: {demands: Agent.Version -gtVersion new}\nsteps: [{script: a}]", "1:17: `pool.demands` holds"),
        ("pool: $(p)\nsteps: [{script: a}]", "1:7: `pool` holds `$(p)`"),
        ("name: $(Rev:r)\nsteps: [{script: a}]", "1:7: `name` is a build number format"),
        (
            "variables: [{group: g, name: a}]\nsteps: [{script: a}]",
            "1:24: `variables[0].name` is not supported here; supported: group",
        ),
        ("variables: [{group: $(g)}]\nsteps: [{script: a}]", "1:21: `variables[0].group` is `$(g)`"),
        (
            "variables: [{template: v.yml}]\nsteps: [{script: a}]",
            "1:24: `template` names a file, but there is no repository to read it from",
        ),
        (
            "steps: [{script: a, retryCountOnTaskFailure: 3}]",
            "1:21: `steps[0].retryCountOnTaskFailure` is not supported here; supported: script, bash",
        ),
        ("steps: [{script: a, bash: b}]", "1:9: `steps[0]` has both `script` and `bash`"),
        ("steps: [{displayName: a}]", "1:9: `steps[0]` runs nothing"),
        ("steps: [{script: a}]\njobs: []", "2:1: `jobs` is not supported here; supported: steps"),
        ("steps: [{checkout: none}]", "1:1: `steps` has no step"),
        ("steps: [{checkout: none, name: x}, {script: a}]", "1:26: `steps[0].name` has no meaning"),
        ("steps: [{checkout: git}, {script: a}]", "1:20: `steps[0].checkout` is `git`"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn yaml_that_hides_something() {
    for (text, expected) in [
        ("steps: [{script: a, script: b}]", "1:21: `script` is there twice; the first is in line 1"),
        ("steps: &s [{script: a}]", "1:8: anchors"),
        ("steps: [{script: !!str a}]", "1:18: tags"),
    ] {
        let found = faults(text);
        assert!(found.lines().next().is_some_and(|line| line.starts_with(expected)), "{found}\n---\n{text}");
    }
    assert!(faults("steps: &s [{script: a}]\njobs: *s").contains("2:7: aliases"));
}

#[test]
fn values_of_the_wrong_kind() {
    for (text, expected) in [
        ("steps: [{script: {a: b}}]", "1:18: `steps[0].script` is a mapping; it needs text"),
        ("steps: [{script: }]", "1:10: `steps[0].script` is empty"),
        ("steps: [{script: a, enabled: maybe}]", "1:30: `steps[0].enabled` is neither true nor false"),
        ("steps: [{script: a, continueOnError: $(x)}]", "1:38: `steps[0].continueOnError` is neither"),
        ("steps: [{script: a, env: [a]}]", "1:26: `steps[0].env` is a list; it needs a mapping"),
        ("steps: [{script: a, env: {A: [b]}}]", "1:30: `steps[0].env.A` is a list; it needs text"),
        ("steps: [{script: a, name: a b}]", "1:27: `steps[0].name` is `a b`"),
        (
            "steps: [{script: a, name: x}, {script: a, name: X}]",
            "1:31: `steps[1].name` is `X`, the name of an earlier",
        ),
        (
            "steps: [{script: a, condition: 'eq(1, 1)'}]",
            "1:32: `steps[0].condition` is `eq(1, 1)` … not supported; supported: succeeded()",
        ),
        (
            "steps: [{script: a, condition: failed('A')}]",
            "1:32: `steps[0].condition` is `failed('A')`; `failed` takes no arguments",
        ),
        (
            "steps: [{script: a, timeoutInMinutes: -1}]",
            "1:39: `steps[0].timeoutInMinutes` is no whole number",
        ),
        ("steps: [a]", "1:9: `steps[0]` is text; it needs a mapping"),
        ("variables: {a: [b]}\nsteps: [{script: a}]", "1:16: `variables.a` is a list"),
        (
            "variables: {a: b, A: c}\nsteps: [{script: a}]",
            "1:19: `variables.A` sets the variable `A` a second time",
        ),
        ("variables: {a: '$[x]'}\nsteps: [{script: a}]", "1:16: `variables.a` is a runtime expression"),
        ("variables: {secretX: b}\nsteps: [{script: a}]", "1:13: `variables.secretX` begins with"),
        ("variables: {System.JobId: b}\nsteps: [{script: a}]", "1:13: `variables.System.JobId` is set by"),
        ("variables: [{name: a}]\nsteps: [{script: a}]", "1:13: `variables[0]` has no `value`"),
        (
            "variables: [{value: a}]\nsteps: [{script: a}]",
            "1:13: `variables[0]` has neither `name` nor `group`",
        ),
        ("strategy: {}\nsteps: [{script: a}]", "1:11: `strategy` needs `matrix` or `parallel`"),
        ("strategy: {matrix: {}}\nsteps: [{script: a}]", "1:12: `strategy.matrix` is empty"),
        ("strategy: {matrix: }\nsteps: [{script: a}]", "1:12: `strategy.matrix` is empty"),
        (
            "strategy: {matrix: {_a: }}\nsteps: [{script: a}]",
            "1:21: `strategy.matrix._a` is no name of a leg",
        ),
        (
            "strategy: {matrix: {a: , A: }}\nsteps: [{script: a}]",
            "1:26: `strategy.matrix.A` is the name of the leg in line 1",
        ),
        (
            "strategy: {matrix: '$[ dependencies.x ]'}\nsteps: [{script: a}]",
            "1:20: `strategy.matrix` is a runtime expression",
        ),
        ("strategy: {matrix: {a: }, parallel: 2}\nsteps: [{script: a}]", "1:11: `strategy` has both"),
        (
            "strategy: {parallel: 0}\nsteps: [{script: a}]",
            "1:22: `strategy.parallel` is no whole number from 1 to 256",
        ),
        (
            "strategy: {parallel: 2, maxParallel: 1}\nsteps: [{script: a}]",
            "1:38: `strategy.maxParallel` goes with `matrix` only",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn what_holds_between_jobs() {
    let jobs = |rest: &[&str]| {
        let jobs: Vec<_> = rest.iter().map(|job| format!("- {{{job}, steps: [{{script: a}}]}}\n")).collect();
        format!("jobs:\n{}", jobs.concat())
    };
    for (text, expected) in [
        (jobs(&["job: A", "job: a"]), "3:9: `jobs[1].job` is `a`, as in line 2"),
        (jobs(&["job: A b"]), "2:9: `jobs[0].job` is `A b`; a name has only letters"),
        (jobs(&[&format!("job: {}", "a".repeat(101))]), "2:9: `jobs[0].job` is"),
        (jobs(&["displayName: A"]), "2:3: `jobs[0]` has no name"),
        (jobs(&["job: A, dependsOn: A"]), "2:23: `jobs[0].dependsOn` goes in a circle: A → A"),
        (
            jobs(&[
                "job: Z, dependsOn: A",
                "job: A, dependsOn: B",
                "job: B, dependsOn: [C]",
                "job: C, dependsOn: A",
            ]),
            "3:23: `jobs[1].dependsOn` goes in a circle: A → B → C → A",
        ),
        (jobs(&["job: A", "job: B, dependsOn: [A, a]"]), "3:27: `jobs[1].dependsOn` names `a` twice"),
        (jobs(&["job: A", "job: B, condition: failed('A')"]), "3:23: `jobs[1].condition` asks about `A`"),
        (
            jobs(&["job: A, cancelTimeoutInMinutes: 0"]),
            "2:36: `jobs[0].cancelTimeoutInMinutes` is no whole number from 1",
        ),
        (jobs(&["job: A, workspace: {clean: all}"]), "2:12: `jobs[0].workspace` is not supported"),
        (
            jobs(&["job: A, strategy: {parallel: 200}", "job: B, strategy: {parallel: 200}"]),
            "1:1: the file stands for 400 jobs",
        ),
    ] {
        check(&text, &[expected]);
    }
    let text = "jobs:\n- job: A\n";
    check(text, &["2:3: `jobs[0].steps` is missing"]);
}

#[test]
fn a_flood_of_faults_ends_somewhere() {
    let keys: Vec<_> = (0..5000).map(|number| format!("k{number}: x\n")).collect();
    assert_eq!(faults(&keys.concat()).lines().count(), 100);
}
