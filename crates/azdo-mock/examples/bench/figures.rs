//! Figures and how they are printed.

use std::io::{self, Write as _};

use serde_json::json;

/// One figure.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What it should be.
    pub(crate) aim: Option<&'static str>,
    /// To a bare route or program that does the same.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, aim: None, ratio: None }
    }

    pub(crate) fn aim(mut self, aim: &'static str) -> Self {
        self.aim = Some(aim);
        self
    }

    pub(crate) fn against_bare(mut self, bare: f64) -> Self {
        self.ratio = Some(self.value / bare);
        self
    }
}

pub(crate) fn print_table(figures: &[Figure]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{:<70} {:>10} {:<6} {:<8} ratio", "figure", "value", "", "aim")?;
    for figure in figures {
        let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let aim = figure.aim.unwrap_or_default();
        writeln!(out, "{:<70} {:>10.1} {:<6} {aim:<8} {ratio}", figure.name, figure.value, figure.unit)?;
    }
    Ok(())
}

pub(crate) fn print_json(figures: &[Figure]) -> io::Result<()> {
    let show = |figure: &Figure| {
        json!({"figure": figure.name, "value": figure.value, "unit": figure.unit, "aim": figure.aim,
            "ratio": figure.ratio})
    };
    writeln!(io::stdout(), "{:#}", json!(figures.iter().map(show).collect::<Vec<_>>()))
}
