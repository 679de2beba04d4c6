//! How runs go: which job starts when, and how it all ends.

use crate::{Decision, JobResult, JobState, Plan, Progress, RunResult};

fn plan(jobs: &[&str]) -> Plan {
    let jobs: Vec<_> = jobs.iter().map(|job| format!("- {{{job}, steps: [{{script: a}}]}}\n")).collect();
    let text = format!("jobs:\n{}", jobs.concat());
    Plan::parse(&text).unwrap_or_else(|faults| panic!("{faults}\n---\n{text}"))
}

/// A run in which jobs end as told, all others well, each as soon as it starts.
fn run(plan: &Plan, told: &[(&str, JobResult)]) -> (Vec<String>, RunResult) {
    let mut progress = Progress::default();
    loop {
        let decision = plan.decide(&progress);
        apply(&mut progress, &decision);
        for id in &decision.start {
            let result =
                told.iter().find(|(name, _)| name == id).map_or(JobResult::Succeeded, |(_, result)| *result);
            progress.jobs.insert(id.clone(), JobState::Ended(result));
        }
        if let Some(outcome) = decision.outcome {
            let ran =
                progress.jobs.iter().filter(|(_, state)| **state != JobState::Ended(JobResult::Skipped));
            return (ran.map(|(id, _)| id.clone()).collect(), outcome);
        }
    }
}

fn apply(progress: &mut Progress, decision: &Decision) {
    progress.jobs.extend(decision.start.iter().map(|id| (id.clone(), JobState::Started)));
    progress.jobs.extend(decision.end.iter().map(|(id, result)| (id.clone(), JobState::Ended(*result))));
}

fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}.__default")).collect()
}

#[test]
fn conditions_by_the_result_before() {
    use JobResult::{Abandoned, Canceled, Failed, Succeeded, SucceededWithIssues};
    // Which of five jobs run behind a job with a result. `always` is in each row, so no row is true for want of a run.
    let plan = plan(&[
        "job: A",
        "job: always, dependsOn: A, condition: always()",
        "job: either, dependsOn: A, condition: succeededOrFailed()",
        "job: failed, dependsOn: A, condition: failed()",
        "job: good, dependsOn: A",
    ]);
    for (result, expected) in [
        (Succeeded, &["A", "always", "either", "good"][..]),
        (SucceededWithIssues, &["A", "always", "either", "good"]),
        (Failed, &["A", "always", "either", "failed"]),
        (Canceled, &["A", "always"]),
        (Abandoned, &["A", "always"]),
    ] {
        assert_eq!(run(&plan, &[("A.__default", result)]).0, ids(expected), "{result:?}");
    }
}

#[test]
fn status_functions_look_at_everything_before_unless_they_name_jobs() {
    let plan = plan(&[
        "job: A",
        "job: B, dependsOn: A, condition: always()",
        "job: C, dependsOn: B",
        "job: D, dependsOn: B, condition: succeeded('b')",
        "job: E, dependsOn: C, condition: failed()",
        "job: F, dependsOn: C, condition: succeededOrFailed('C')",
        "job: G, dependsOn: C, condition: succeededOrFailed()",
    ]);
    let (ran, outcome) = run(&plan, &[("A.__default", JobResult::Failed)]);
    assert_eq!(
        ran,
        ids(&["A", "B", "D", "E", "G"]),
        "C is skipped since A failed, and F since C was skipped"
    );
    assert_eq!(outcome, RunResult::Failed);
}

#[test]
fn a_job_that_may_fail_has_issues() {
    let plan = plan(&[
        "job: A, continueOnError: true",
        "job: B, dependsOn: A",
        "job: C, dependsOn: A, condition: failed()",
    ]);
    let (ran, outcome) = run(&plan, &[("A.__default", JobResult::Failed)]);
    assert_eq!((ran, outcome), (ids(&["A", "B"]), RunResult::SucceededWithIssues));
}

#[test]
fn a_phase_has_the_worst_result_of_its_jobs() {
    let plan = plan(&["job: A, strategy: {matrix: {x: , y: , z: }}", "job: B, dependsOn: A"]);
    for (told, ran, outcome) in [
        (JobResult::Succeeded, 4, RunResult::Succeeded),
        (JobResult::SucceededWithIssues, 4, RunResult::SucceededWithIssues),
        (JobResult::Failed, 3, RunResult::Failed),
        (JobResult::Abandoned, 3, RunResult::Failed),
        (JobResult::Canceled, 3, RunResult::Canceled),
    ] {
        let went = run(&plan, &[("A.y", told)]);
        assert_eq!((went.0.len(), went.1), (ran, outcome), "{told:?}");
    }
}

#[test]
fn no_more_legs_run_at_once_than_allowed() {
    let plan = plan(&["job: A, strategy: {matrix: {x: , y: , z: }, maxParallel: 2}"]);
    let mut progress = Progress::default();
    let decision = plan.decide(&progress);
    assert_eq!(decision.start, ["A.x", "A.y"]);
    apply(&mut progress, &decision);
    assert_eq!(plan.decide(&progress), Decision::default(), "nothing changed, so nothing happens");
    progress.jobs.insert("A.y".into(), JobState::Ended(JobResult::Failed));
    assert_eq!(plan.decide(&progress).start, ["A.z"], "a leg that failed keeps no other from starting");
}

#[test]
fn a_cancelled_run_starts_only_what_asks_for_it() {
    let plan = plan(&[
        "job: A, strategy: {matrix: {x: , y: , z: }, maxParallel: 1}",
        "job: B, dependsOn: A",
        "job: C, dependsOn: A, condition: always()",
        "job: D, dependsOn: A, condition: succeededOrFailed()",
        "job: E, dependsOn: A, condition: canceled()",
        "job: F",
    ]);
    let mut progress = Progress::default();
    let decision = plan.decide(&progress);
    assert_eq!(decision.start, ["A.x", "F.__default"]);
    apply(&mut progress, &decision);
    progress.cancelled = true;
    let decision = plan.decide(&progress);
    assert_eq!(decision.start, [""; 0]);
    let canceled = |id: &str| (id.to_owned(), JobResult::Canceled);
    assert_eq!(decision.end, [canceled("A.y"), canceled("A.z")]);
    apply(&mut progress, &decision);
    progress.jobs.insert("A.x".into(), JobState::Ended(JobResult::Canceled));
    progress.jobs.insert("F.__default".into(), JobState::Ended(JobResult::Succeeded));
    let decision = plan.decide(&progress);
    assert_eq!(decision.start, ["C.__default", "E.__default"]);
    let skipped: Vec<_> = decision.end.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(skipped, ["B.__default", "D.__default"]);
    apply(&mut progress, &decision);
    for id in decision.start {
        progress.jobs.insert(id, JobState::Ended(JobResult::Succeeded));
    }
    assert_eq!(plan.decide(&progress).outcome, Some(RunResult::Canceled));
}

#[test]
fn a_run_that_is_cancelled_before_it_starts_runs_nothing() {
    let plan = plan(&["job: A", "job: B, dependsOn: A"]);
    let decision = plan.decide(&Progress { cancelled: true, ..Progress::default() });
    assert_eq!(
        (decision.start.len(), decision.end.len(), decision.outcome),
        (0, 2, Some(RunResult::Canceled))
    );
}
