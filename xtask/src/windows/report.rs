//! The table at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::workspace::say;

/// What the summary line of one test program says.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// Left out by name: they need containers.
    pub(super) left_out: u64,
    pub(super) time: Duration,
}

impl Outcome {
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s`
    pub(super) fn parse(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let mut outcome = Self::default();
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse() else { continue };
            match what {
                "passed" => outcome.passed = number,
                "failed" => outcome.failed = number,
                "ignored" => outcome.ignored = number,
                "filtered out" => outcome.left_out = number,
                _ => {}
            }
        }
        Some(outcome)
    }
}

pub(super) struct Row {
    pub(super) package: String,
    pub(super) target: String,
    pub(super) outcome: Outcome,
    /// The tests that were left out by name.
    pub(super) left_out: Vec<String>,
}

/// Prints one line for each test program, the reasons for what did not run, the times, and last a line with the counts.
pub(super) fn show(rows: &[Row], without: &[String], times: &[(&str, Duration)], under: &str) {
    say(&format!(
        "\n{:<18} {:<28} {:>6} {:>6} {:>7} {:>15} {:>7}",
        "crate", "tests", "passed", "failed", "ignored", "not for Windows", "seconds"
    ));
    let mut total = Outcome::default();
    for Row { package, target, outcome, .. } in rows {
        total.passed += outcome.passed;
        total.failed += outcome.failed;
        total.ignored += outcome.ignored;
        total.left_out += outcome.left_out;
        // Test programs that are for another system alone are empty here.
        let note = if outcome.passed + outcome.failed + outcome.left_out == 0 { "  (none here)" } else { "" };
        say(&format!(
            "{package:<18} {target:<28} {:>6} {:>6} {:>7} {:>15} {:>7.1}{note}",
            outcome.passed,
            outcome.failed,
            outcome.ignored,
            outcome.left_out,
            outcome.time.as_secs_f32()
        ));
    }
    if !without.is_empty() {
        say(&format!("\nNOT RUN, since their tests did not build: {}", without.join(", ")));
    }
    say("\nNot for Windows: the package `e2e` and tests in modules `docker` start Linux containers:");
    for row in rows {
        for test in &row.left_out {
            say(&format!("  {} {test}", row.package));
        }
    }
    say(
        "Tests under `cfg(unix)` are compiled out: users, modes, signals, `/proc`; the Windows twins are counted above.",
    );
    for (what, time) in times {
        say(&format!("{what:<10} {:>7.1} s", time.as_secs_f32()));
    }
    let crates = rows.iter().map(|row| &row.package).collect::<BTreeSet<_>>().len();
    say(&format!(
        "\n{} tests ran for x86_64 Windows {under}, of {crates} crates; {} crates were not run",
        total.passed + total.failed,
        without.len()
    ));
    say(&format!(
        "{} passed, {} failed, {} skipped",
        total.passed,
        total.failed,
        total.left_out + total.ignored
    ));
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn the_summary_line_is_read_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s";
        let outcome = Outcome::parse(line).expect("a summary");
        assert_eq!((outcome.passed, outcome.failed, outcome.ignored, outcome.left_out), (12, 2, 1, 3));
        assert!(Outcome::parse("test reads_it ... ok").is_none());
    }
}
