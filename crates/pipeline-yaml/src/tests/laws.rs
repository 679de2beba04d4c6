//! Laws over random files and random runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::{Inputs, JobResult, JobState, Plan, Progress};

/// A job of a random file: what it depends on (by distance to earlier jobs), its condition, legs, limit.
#[derive(Debug, Clone)]
struct Drawn {
    depends_on: Vec<usize>,
    condition: &'static str,
    legs: usize,
    max_parallel: u32,
    continue_on_error: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let conditions = ["succeeded()", "failed()", "always()", "succeededOrFailed()", "canceled()"];
    (
        prop::collection::vec(1..4_usize, 0..3),
        prop::sample::select(conditions.to_vec()),
        0..4_usize,
        0..3_u32,
        any::<bool>(),
    )
        .prop_map(|(depends_on, condition, legs, max_parallel, continue_on_error)| Drawn {
            depends_on,
            condition,
            legs,
            max_parallel,
            continue_on_error,
        })
}

/// The jobs as a file. The later ones come first, since the order of the file must not matter.
fn file(jobs: &[Drawn]) -> String {
    let mut text = "jobs:\n".to_owned();
    for (number, job) in jobs.iter().enumerate().rev() {
        let before: BTreeSet<_> =
            job.depends_on.iter().filter_map(|back| number.checked_sub(*back)).collect();
        let before: Vec<_> = before.iter().map(|number| format!("j{number}")).collect();
        let _ = writeln!(
            text,
            "- job: j{number}\n  dependsOn: [{}]\n  condition: {}",
            before.join(", "),
            job.condition
        );
        let _ = writeln!(text, "  continueOnError: {}", job.continue_on_error);
        if job.legs > 0 {
            let legs: Vec<_> = (0..job.legs).map(|leg| format!("l{leg}: ")).collect();
            let _ = writeln!(
                text,
                "  strategy: {{matrix: {{{}}}, maxParallel: {}}}",
                legs.join(", "),
                job.max_parallel
            );
        }
        text.push_str("  steps: [{script: a}]\n");
    }
    text
}

const RESULTS: [JobResult; 5] = [
    JobResult::Succeeded,
    JobResult::SucceededWithIssues,
    JobResult::Failed,
    JobResult::Canceled,
    JobResult::Abandoned,
];

/// A run: which running job ends next and how; when it is cancelled, if at all.
fn check_run(plan: &Plan, ends: &[(usize, usize)], cancel_at: Option<usize>) {
    let total = plan.jobs().count();
    let mut progress = Progress::default();
    let mut ended: BTreeMap<String, JobResult> = BTreeMap::new();
    let mut picks = ends.iter().cycle();
    for turn in 0.. {
        assert!(turn <= 2 * total + 2, "the run comes to an end");
        progress.cancelled |= cancel_at.is_some_and(|at| turn >= at);
        let decision = plan.decide(&progress);
        for id in decision.start.iter().chain(decision.end.iter().map(|(id, _)| id)) {
            assert!(!progress.jobs.contains_key(id), "{id} is decided once");
        }
        for id in &decision.start {
            let (phase, _) =
                plan.jobs().find(|(phase, job)| phase.identifier(job) == *id).expect("a job of the plan");
            for name in &phase.depends_on {
                let before = plan.phase(name).expect("a job of the plan");
                let over = before.jobs.iter().all(|job| {
                    let id = before.identifier(job);
                    ended.contains_key(&id) || decision.end.iter().any(|(end, _)| *end == id)
                });
                assert!(over, "{id} waits for {name}");
            }
        }
        for (id, result) in &decision.end {
            progress.jobs.insert(id.clone(), JobState::Ended(*result));
            assert!(ended.insert(id.clone(), *result).is_none(), "{id} ends once");
        }
        progress.jobs.extend(decision.start.iter().map(|id| (id.clone(), JobState::Started)));
        for phase in plan.phases.iter().filter(|phase| phase.max_parallel > 0) {
            let running = phase.jobs.iter().map(|job| phase.identifier(job));
            let running = running.filter(|id| progress.jobs.get(id) == Some(&JobState::Started)).count();
            assert!(running <= phase.max_parallel as usize, "{} runs {running} legs", phase.name);
        }
        let again = plan.decide(&progress);
        assert!(again.start.is_empty() && again.end.is_empty(), "what is decided is decided: {again:?}");
        let running: Vec<_> =
            progress.jobs.iter().filter(|(_, state)| **state == JobState::Started).collect();
        if running.is_empty() {
            assert!(decision.outcome.is_some(), "nothing runs, so the run is over: {progress:?}");
            assert_eq!(ended.len(), total, "every job ended");
            return;
        }
        assert!(decision.outcome.is_none(), "a job runs, so the run is not over");
        let (pick, result) = picks.next().copied().unwrap_or_default();
        let id = running[pick % running.len()].0.clone();
        let result = RESULTS[result % RESULTS.len()];
        progress.jobs.insert(id.clone(), JobState::Ended(result));
        assert!(ended.insert(id, result).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_exactly_once_and_never_before_what_it_depends_on(
        jobs in prop::collection::vec(drawn(), 1..8),
        ends in prop::collection::vec((0..8_usize, 0..5_usize), 1..12),
        cancel_at in prop::option::of(0..10_usize),
    ) {
        let text = file(&jobs);
        let plan = Plan::parse(&text).map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
        check_run(&plan, &ends, cancel_at);
        let stored = serde_json::to_string(&plan).expect("a plan can be stored");
        prop_assert_eq!(serde_json::from_str::<Plan>(&stored).expect("and read"), plan);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = Plan::parse(&text);
    }

    /// Which file a step is written in changes nothing.
    #[test]
    fn templates_are_what_they_hold(
        steps in prop::collection::vec(0..4_usize, 1..12),
        whole in any::<bool>(),
    ) {
        let step = |number: usize| format!("- script: step ${{{{ variables.v }}}} {number}\n");
        let mut flat = "variables: {v: x}\nsteps:\n".to_owned();
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        // Each file names the next one wherever a step is drawn that is to be in another.
        let mut texts = vec!["steps:\n".to_owned()];
        for (number, drawn) in steps.iter().enumerate() {
            flat.push_str(&step(number));
            let last = texts.len() - 1;
            if *drawn == 0 {
                let name = format!("t{}.yml", texts.len());
                let _ = writeln!(texts[last], "- template: {name}");
                texts.push("steps:\n".to_owned());
            }
            let last = texts.len() - 1;
            texts[last].push_str(&step(number));
        }
        let root = format!("variables: {{v: x}}\n{}", texts[0]);
        for (number, text) in texts.into_iter().enumerate().skip(1) {
            let text = if whole { format!("${{{{ if true }}}}:\n  {}", text.replace('\n', "\n  ")) } else { text };
            files.insert(format!("/t{number}.yml"), text);
        }
        let file = |path: &str| files.get(path).cloned();
        let inputs = Inputs { templates: Some(&file), ..Inputs::default() };
        let split = Plan::read(&root, &inputs).map_err(|faults| TestCaseError::fail(format!("{faults}\n{root}")))?;
        prop_assert_eq!(split, Plan::parse(&flat).expect("steps alone"));
    }

    /// The same words in three files that may name each other.
    #[test]
    fn any_words_in_templates_are_read_or_refused_in_their_file(
        texts in prop::collection::vec(
            prop::collection::vec(prop::sample::select([WORDS, TEMPLATE_WORDS].concat()), 0..30), 3,
        ),
    ) {
        let texts: Vec<_> = texts.into_iter().map(|words| words.concat()).collect();
        let names = ["", "/a.yml", "/b.yml"];
        let file = |path: &str| names.iter().position(|name| *name == path).map(|at| texts[at].clone());
        let inputs = Inputs { templates: Some(&file), ..Inputs::default() };
        let root = format!("steps:\n- template: a.yml\n{}", texts[0]);
        if let Err(faults) = Plan::read(&root, &inputs) {
            for fault in &faults.0 {
                let at = fault.file.as_ref().map(|file| names.iter().position(|name| name == file));
                let text = match at {
                    None => &root,
                    Some(at) => &texts[at.expect("a file that is there")],
                };
                let lines = text.lines().count().max(1);
                prop_assert!(fault.at.line <= lines + 1, "{}", fault);
            }
        }
    }

    /// Words of pipeline files in any order come further into the reader than random letters do.
    #[test]
    fn any_words_are_read_or_refused_with_a_place(
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..60),
    ) {
        let text = words.concat();
        if let Err(faults) = Plan::parse(&text) {
            prop_assert!(!faults.0.is_empty());
            let lines = text.lines().count().max(1);
            for fault in &faults.0 {
                prop_assert!(fault.at.line >= 1 && fault.at.line <= lines + 1 && fault.at.column >= 1, "{}", fault);
                prop_assert!(!fault.message.is_empty());
            }
        }
    }
}

const TEMPLATE_WORDS: &[&str] = &[
    "steps:\n- template: b.yml",
    "\n- template: a.yml",
    "\n- template: b.yml",
    "\n  parameters: {x: 1}",
    "parameters: {x: 2}\n",
    "parameters: [{name: x, type: stepList, default: [{script: a}]}]\n",
    "extends: {template: b.yml}\n",
    "variables: {v: 1}\n",
    "variables:\n- template: b.yml\n",
    "jobs:\n- template: a.yml\n",
    "\n- ${{ parameters.x }}",
    "\n- ${{ if true }}:\n  - script: ${{ variables.v }}",
    "\n- ${{ each v in variables }}:\n  - template: b.yml",
];

const WORDS: &[&str] = &[
    "steps:",
    "jobs:",
    "\n- ",
    "\n  ",
    "\n    ",
    "\n",
    " ",
    ": ",
    "job: A",
    "job: B",
    "script: a",
    "bash: |",
    "pool: ",
    "name: x",
    "dependsOn: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "A",
    "B",
    "strategy: ",
    "matrix: ",
    "parallel: 2",
    "condition: ",
    "always()",
    "failed('A')",
    "variables: ",
    "value: 1",
    "${{ x }}",
    "$(x)",
    "&a ",
    "*a",
    "!t ",
    "'",
    "\"",
    "#",
    "---",
    "? ",
    "~",
    "%",
    "é",
    "\t",
    "checkout: none",
    "env: ",
    "timeoutInMinutes: ",
    "-1",
    "99999999999",
    "displayName: ",
    "enabled: ",
    "\u{feff}",
    "\r\n",
    "\0",
];
