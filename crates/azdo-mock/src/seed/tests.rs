//! What a seed file may say, and what is said of one that is wrong.

use super::*;
use crate::state::members::PoolRights;

fn faults(text: &str) -> Vec<String> {
    Seed::parse(text).expect_err("it is wrong").0.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_read() {
    let seed = Seed::parse(include_str!("../../../../fixtures/seed/everything.yaml")).expect("it is right");
    assert_eq!(seed.organization.expect("a name").it, "acme");
    assert_eq!(seed.parallel_jobs, Some(ParallelJobs::AtMost(2)));
    assert_eq!(seed.pools.iter().map(|pool| pool.it.as_str()).collect::<Vec<_>>(), ["Linux", "Windows"]);
    let [reader, ended, made] = seed.tokens.as_slice() else { panic!("{:?}", seed.tokens) };
    assert_eq!(
        (PoolRights::of(reader.it.scopes), reader.it.expires),
        (PoolRights::Read, Expiry::In(SignedDuration::from_hours(720)))
    );
    let end = "2020-01-01T00:00:00Z".parse().expect("a time");
    assert_eq!((PoolRights::of(ended.it.scopes), ended.it.expires), (PoolRights::None, Expiry::At(end)));
    assert!(
        made.it.token.is_none()
            && PoolRights::of(made.it.scopes) == PoolRights::Manage
            && made.it.expires == Expiry::Never
    );
    let [first, second] = seed.agents.as_slice() else { panic!("{:?}", seed.agents) };
    assert_eq!(
        (first.it.pool.as_deref(), first.it.enabled, first.it.max_parallelism),
        (Some("Linux"), true, 1)
    );
    assert_eq!(first.it.system_capabilities["Agent.OS"], "Linux");
    assert_eq!(first.it.system_capabilities["Agent.Name"], "build-1");
    assert_eq!(first.it.user_capabilities["docker"], "27.0");
    assert_eq!(
        (second.it.enabled, second.it.max_parallelism, second.it.version.as_str()),
        (false, 2, "4.255.0")
    );
    assert_eq!((seed.pipelines.len(), seed.pipelines[0].it.name.as_str()), (1, "nightly"));
    let [one, two] = seed.jobs.as_slice() else { panic!("{:?}", seed.jobs) };
    assert_eq!((one.it.steps.len(), one.it.steps[0].script.as_str()), (1, "make"));
    assert_eq!(
        one.it.demands.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["docker", "Agent.OS -equals Linux"]
    );
    assert_eq!((two.it.steps.len(), two.it.limits), (2, Limits { timeout: 10, cancel_timeout: 1 }));
    assert!(two.it.variables["KEY"].is_secret && !two.it.variables["MODE"].is_secret);
}

#[test]
fn a_pipeline_brings_its_templates() {
    let text = "pipelines:\n- name: a\n  yaml: 'steps: [{template: x/s.yml}]'\n  templates: {x/s.yml: 'steps: [{script: a}]'}";
    let seed = Seed::parse(text).expect("a seed");
    let paths: Vec<_> = seed.pipelines[0].it.templates.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/x/s.yml"]);
}

#[test]
fn what_is_wrong_is_named_with_line_column_and_key() {
    let check = |text: &str, expected: &str| {
        let faults = faults(text);
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{text:?}: {faults:#?}");
    };
    check("", "1:1: the file is empty");
    check("- a", "1:1: the file is a list; it needs one or more of `organization`");
    check(
        "pools: [A]\ncolour: red",
        "2:1: `colour` is not supported here; supported: organization, parallelJobs,",
    );
    check("pools: [A]\nPools: [A]", "2:1: `Pools` is not a key; it is written `pools`");
    check("pools: [A, a]", "1:12: `pools[1]` names the pool `a` a second time");
    check("pools: ['']", "1:9: `pools[0]` is no pool name");
    check("pools: {A: 1}", "1:8: `pools` is a mapping; it needs a list");
    check("parallelJobs: -1", "1:15: `parallelJobs` is neither");
    check("agents:\n- {pool: A}", "2:3: `agents[0].name` is missing");
    check("agents:\n- name: a\n  enabled: perhaps", "3:12: `agents[0].enabled` is neither true nor false");
    check(
        "agents:\n- name: a\n  maxParallelism: 0",
        "3:19: `agents[0].maxParallelism` is no whole number from 1 to 100",
    );
    check("agents:\n- name: a\n  labels: [x]", "3:3: `agents[0].labels` is not supported here");
    check(
        "agents:\n- name: a\n  publicKey: {modulus: x, exponent: AQAB}",
        "3:14: `agents[0].publicKey` is not usable",
    );
    check("jobs:\n- name: a", "2:3: `jobs[0].steps` is missing, and so is `script`");
    check("jobs:\n- script: a\n  steps: [{script: b}]", "2:11: `jobs[0].script` is there beside `steps`");
    check("jobs:\n- steps:\n  - {script: b, uses: x}", "3:17: `jobs[0].steps[0].uses` is not supported");
    check("jobs:\n- script: a\n  demands: ['-x']", "3:13: `jobs[0].demands` holds `-x` is not a demand");
    check(
        "jobs:\n- script: a\n  variables: {A: {value: 1, secret: true}}",
        "3:29: `jobs[0].variables.A.secret` is not",
    );
    check(
        "personalAccessTokens:\n- {name: a, scopes: [vso.all]}",
        "2:22: `personalAccessTokens[0].scopes` is refused",
    );
    check(
        "personalAccessTokens:\n- {name: a, expires: tomorrow}",
        "2:22: `personalAccessTokens[0].expires` is no time",
    );
    check(
        "personalAccessTokens:\n- {name: a, expiresIn: soon}",
        "2:24: `personalAccessTokens[0].expiresIn` is no time span",
    );
    check(
        "personalAccessTokens:\n- {name: a}\n- {name: A}",
        "3:3: `personalAccessTokens[1]` has the name `A` of an earlier token",
    );
    check(
        "personalAccessTokens:\n- {name: a, token: x}\n- {name: b, token: x}",
        "3:3: `personalAccessTokens[1]` has the text",
    );
    check("pipelines:\n- {name: a, file: b.yml}", "2:19: `pipelines[0].file` is not supported");
    check("pipelines:\n- {name: a}", "2:3: `pipelines[0].yaml` is missing");
    check(
        "pipelines:\n- name: a\n  yaml: 'stages: []'",
        "3:9: `pipelines[0].yaml` holds a pipeline file that is wrong at 1:1: `stages`",
    );
    check(
        "pipelines:\n- name: a\n  yaml: 'steps: [{template: s.yml}]'\n  templates: {t.yml: 'steps: []'}",
        "3:9: `pipelines[0].yaml` holds a pipeline file that is wrong at 1:20: `template` names a file that is not there",
    );
    check(
        "pipelines:\n- name: a\n  yaml: 'steps: [{template: s.yml}]'\n  templates: {s.yml: 'steps: [{task: x}]'}",
        "3:9: `pipelines[0].yaml` holds a pipeline file that is wrong at /s.yml:1:10: `steps[0].task` is not supported",
    );
    check("pools: [&a A]", "1:9: anchors");
}

#[test]
fn several_faults_are_told_at_once_and_none_shows_a_token() {
    let all =
        faults("pools: 1\njobs: 2\npersonalAccessTokens:\n- {name: a, token: planted-token, colour: 1}");
    assert_eq!(all.len(), 3, "{all:#?}");
    let shown = Seed::parse("personalAccessTokens: [{name: a, token: planted-token}]").expect("it is right");
    assert!(!format!("{shown:?}{all:?}").contains("planted"), "{shown:?}");
}

#[test]
fn time_spans_have_units_and_may_lie_in_the_past() {
    for (text, seconds) in [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("-1h", -3600), ("PT5M", 300)]
    {
        let text = format!("personalAccessTokens: [{{name: a, expiresIn: {text}}}]");
        let seed = Seed::parse(&text).expect(&text);
        assert_eq!(seed.tokens[0].it.expires, Expiry::In(SignedDuration::from_secs(seconds)), "{text}");
    }
}

#[test]
fn the_example_of_the_documentation_is_the_file_that_is_tested() {
    let page = include_str!("../../../../docs/seed-file.md");
    let (_, rest) = page.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let (_, file) =
        include_str!("../../../../fixtures/seed/everything.yaml").split_once('\n').expect("a comment");
    assert_eq!(example, file);
}
