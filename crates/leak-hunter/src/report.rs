//! One line of JSON for each route, short enough that no service cuts it.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use crate::look::{Hit, Look, SelfCheck};

/// Of many places the first are named; the numbers of all stand beside them.
const NAMED: usize = 4;
const PLACE: usize = 70;
const TEXT: usize = 120;

/// Prints a line; a job's log has no better place to report a failure to print.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What a route says.
pub(crate) fn row(route: &str, look: &Look<'_>) -> String {
    let (check, why) = match &look.check {
        SelfCheck::Held => ("held", String::new()),
        SelfCheck::Closed(why) => ("closed", shortened(why, TEXT)),
        SelfCheck::Failed => ("failed", String::new()),
    };
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for hit in &look.hits {
        *classes.entry(&hit.class).or_default() += 1;
    }
    // The finds of the worst classes first: they are what a cut list must not lose.
    let mut hits: Vec<&Hit> = look.hits.iter().collect();
    hits.sort_by_key(|hit| rank(&hit.class));
    let named = hits.iter().take(NAMED);
    let named: Vec<_> = named.map(|hit| json!([hit.name, hit.class, shortened(&hit.place, PLACE)])).collect();
    let row = json!({
        "route": route, "looked": look.looked, "unit": look.unit, "classes": classes, "hits": named,
        "check": check, "why": why, "note": shortened(&look.note, TEXT),
    });
    format!("leakscan-row {row}")
}

fn rank(class: &str) -> u8 {
    match class {
        "registration-token" => 0,
        "registry-password" => 1,
        "earlier-job" => 2,
        _ => 3,
    }
}

fn shortened(text: &str, limit: usize) -> String {
    let text = text.replace(['\n', '\r'], " ");
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needles::Needles;

    #[test]
    fn the_longest_row_fits_into_a_line_of_the_service() {
        let needles = Needles::new(Vec::new());
        let mut look = Look::new(&needles, "files");
        for number in 0..50 {
            look.hit("access token of the agent", "own-agent-key", &format!("{}{number}", "/x".repeat(200)));
        }
        look.hit("registration token", "registration-token", "/last");
        look.note(&"n".repeat(500));
        let row = row("a-route-of-a-long-name", &look);
        assert!(row.chars().count() < 1000 && row.contains("/last"), "{}", row.len());
    }
}
