//! Figures of a measurement: what was measured, what it should be, and how they are printed.

use std::time::Duration;

use serde_json::{Value, json};

/// One figure, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    name: String,
    value: Result<f64, String>,
    unit: &'static str,
    aim: Option<&'static str>,
    ratio: Option<f64>,
}

impl Figure {
    /// A figure that was measured.
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value: Ok(value), unit, aim: None, ratio: None }
    }

    /// One that could not be measured, and why.
    pub fn missing(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), value: Err(why.into()), unit: "", aim: None, ratio: None }
    }

    /// What it should be.
    pub fn aim(mut self, aim: &'static str) -> Self {
        self.aim = Some(aim);
        self
    }

    /// How it compares with the same of a bare route or program, in the same unit.
    pub fn against(mut self, bare: f64) -> Self {
        self.ratio = self.value.as_ref().ok().map(|value| value / bare);
        self
    }
}

/// For people: one figure a line.
pub fn table(figures: &[Figure]) -> String {
    let mut lines = vec![format!("{:<72} {:>10} {:<6} {:<9} ratio", "figure", "value", "", "aim")];
    for figure in figures {
        let aim = figure.aim.unwrap_or_default();
        lines.push(match &figure.value {
            Ok(value) => {
                let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
                format!("{:<72} {value:>10.1} {:<6} {aim:<9} {ratio}", figure.name, figure.unit)
            }
            Err(why) => format!("{:<72} not measured: {why}", figure.name),
        });
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// For programs: every member is always there.
pub fn document(figures: &[Figure]) -> Value {
    let one = |figure: &Figure| {
        json!({
            "figure": figure.name, "value": figure.value.as_ref().ok(), "unit": figure.unit, "aim": figure.aim,
            "ratio": figure.ratio, "notMeasured": figure.value.as_ref().err(),
        })
    };
    figures.iter().map(one).collect()
}

/// In milliseconds, the time that so many percent of these did not exceed; 0 of none.
pub fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> [Figure; 2] {
        [
            Figure::new("push", 300.0, "MB/s").aim(">= 0.7x").against(400.0),
            Figure::missing("pull", "no engine").aim(">= 0.7x").against(400.0),
        ]
    }

    #[test]
    fn a_ratio_is_to_the_bare_figure_and_none_without_one() {
        let [measured, missing] = some();
        assert_eq!((measured.ratio, missing.ratio), (Some(0.75), None));
        assert_eq!(Figure::new("alone", 1.0, "s").ratio, None);
    }

    #[test]
    fn a_program_reads_the_same_members_of_every_figure() {
        let expected = json!([
            {"figure": "push", "value": 300.0, "unit": "MB/s", "aim": ">= 0.7x", "ratio": 0.75, "notMeasured": null},
            {"figure": "pull", "value": null, "unit": "", "aim": ">= 0.7x", "ratio": null, "notMeasured": "no engine"},
        ]);
        assert_eq!(document(&some()), expected);
    }

    #[test]
    fn a_person_reads_one_figure_a_line() {
        let text = table(&some());
        let lines: Vec<_> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            ["figure value aim ratio", "push 300.0 MB/s >= 0.7x 0.75", "pull not measured: no engine"]
        );
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        for (percent, expected) in [(0, 1.0), (50, 101.0), (99, 199.0), (100, 200.0)] {
            let found = percentile(&times, percent);
            assert!((found - expected).abs() < 1e-9, "{percent}: {found}");
        }
        assert!(percentile(&[], 50).abs() < 1e-9);
    }
}
