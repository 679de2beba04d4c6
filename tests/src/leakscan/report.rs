//! The report: tables for people, one document for machines.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::scan::{Check, Row, Scanned};

const WIDTH: u16 = 120;

/// One table for a target, 120 columns wide.
pub fn as_table(scanned: &Scanned) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["route", "what an attacker does", "found", "class", "evidence"]);
    for row in &scanned.rows {
        let class = row.class.as_str();
        table.add_row([row.route, row.attack, answer(row), class, row.evidence.as_str()]);
    }
    format!("{}\n{table}\n", scanned.kind.name())
}

fn answer(row: &Row) -> &'static str {
    match (&row.check, row.found) {
        (_, true) => "FOUND",
        (Check::Failed(_), false) => "ERROR",
        (_, false) => "no",
    }
}

/// All targets as one document.
pub fn as_json(all: &[Scanned], faults: &[String]) -> Value {
    let targets: Vec<Value> = all
        .iter()
        .map(|scanned| {
            let routes: Vec<Value> = scanned.rows.iter().map(route).collect();
            json!({ "target": scanned.kind.name(), "routes": routes })
        })
        .collect();
    json!({ "targets": targets, "faults": faults })
}

fn route(row: &Row) -> Value {
    let (check, why) = match &row.check {
        Check::Held => ("held", ""),
        Check::Closed(why) => ("closed", why.as_str()),
        Check::Failed(why) => ("failed", why.as_str()),
    };
    json!({
        "route": row.route, "attack": row.attack, "found": row.found, "class": row.class,
        "evidence": row.evidence, "classes": row.classes, "selfCheck": check, "selfCheckReason": why,
        "ownKeyRefusedAfterRestart": row.own_key_refused,
    })
}
