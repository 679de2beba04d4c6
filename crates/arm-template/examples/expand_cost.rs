//! Expands one template, or writes its expansion, so many times: for a profiler to count.
//!
//! `expand_cost COPIES|large expand|write TIMES`. The difference of two runs that differ by one in `TIMES` is the cost of
//! one, without that of the start. See `docs/benchmarks.md`.

#[path = "expand_cost/subject.rs"]
mod subject;

use std::process::ExitCode;
use subject::{expand, large, looped};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, work, times] = arguments.as_slice() else { return ExitCode::FAILURE };
    let (Ok(times), Ok(text)) = (times.parse::<usize>(), text(what)) else { return ExitCode::FAILURE };
    let Ok(result) = expand(&text) else { return ExitCode::FAILURE };
    for _ in 0..times {
        match work.as_str() {
            "expand" => drop(std::hint::black_box(expand(&text))),
            "write" => drop(std::hint::black_box(serde_json::to_string(&result))),
            _ => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

fn text(what: &str) -> Result<String, std::num::ParseIntError> {
    if what == "large" { Ok(large()) } else { what.parse().map(looped) }
}
