//! `expand`, as the command does it: a text is read, planned, and every body is made.

use std::time::{Duration, Instant};

use arm_template::Diagnostic;
use testkit::figures::Figure;

#[path = "../../../arm-template/examples/expand_cost/subject.rs"]
mod subject;

use subject::{expand, large, looped};

/// How long one measurement goes on.
const BUDGET: Duration = Duration::from_millis(600);

pub(crate) fn run() -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut each = Vec::new();
    for copies in [1, 10, 100, 800] {
        let name = format!("expand {copies} copies, to serde_json that writes the result");
        match measured(&looped(copies)) {
            Ok((ours, written)) => {
                each.push(ours / f64::from(copies));
                figures.push(Figure::new(name, ours, "us").aim("<= 5x").against(written));
            }
            Err(fault) => figures.push(Figure::missing(name, fault)),
        }
    }
    if let [.., hundred, most] = each.as_slice() {
        figures.push(
            Figure::new("expand, time of one of 800 copies, to one of 100", *most, "us").against(*hundred),
        );
    }
    let name = "expand 800 resources in a template of 4 MB, to serde_json that writes the result";
    figures.push(match measured(&large()) {
        Ok((ours, written)) => Figure::new(name, ours / 1000.0, "ms").against(written / 1000.0),
        Err(fault) => Figure::missing(name, fault),
    });
    figures
}

/// Microseconds of one expansion, and of writing its result; the quickest of many of each.
fn measured(text: &str) -> Result<(f64, f64), String> {
    let failed = |faults: Vec<Diagnostic>| faults.first().map(ToString::to_string).unwrap_or_default();
    let result = expand(text).map_err(failed)?;
    let ours = quickest(|| expand(text).map(|value| value["resources"].as_array().map_or(0, Vec::len)));
    let written = quickest(|| serde_json::to_string(&result).map(|text| text.len()));
    Ok((ours, written))
}

fn quickest<T>(mut work: impl FnMut() -> T) -> f64 {
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < BUDGET {
        let start = Instant::now();
        std::hint::black_box(work());
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6
}
