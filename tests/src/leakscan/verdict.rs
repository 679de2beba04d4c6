//! When the scan is good: ours caught nowhere, the others caught, every route proved, every own key dead.

use super::scan::{Check, Row, Scanned};
use super::target::Kind;

/// Routes that must lead nowhere although what they lead to is no secret.
const MUST_BE_CLOSED: [&str; 4] = ["open-ports", "neighbours", "container-engine", "clock"];
const NAIVE_ROUTES: usize = 4;
const RESTART_ROUTES: usize = 3;

fn is_leak(class: &str) -> bool {
    matches!(class, "registration-token" | "registry-password" | "earlier-job")
}

fn caught<'a>(scanned: &'a Scanned, class: &'a str) -> impl Iterator<Item = &'a Row> {
    scanned.rows.iter().filter(move |row| row.classes.contains_key(class))
}

/// What is wrong, one sentence each; nothing where all is well.
pub fn faults(all: &[Scanned]) -> Vec<String> {
    let mut faults = Vec::new();
    for scanned in all {
        let name = scanned.kind.name();
        for row in &scanned.rows {
            if let Check::Failed(why) = &row.check {
                faults.push(format!("{name}: {}: proves nothing: {why}", row.route));
            }
            if scanned.kind.is_ours() {
                faults.extend(
                    fault_of_ours(scanned.kind, row).map(|fault| format!("{name}: {}: {fault}", row.route)),
                );
            }
        }
        match scanned.kind {
            Kind::Mayfly | Kind::MayflyRoot => {}
            Kind::Naive => {
                let routes = caught(scanned, "registration-token").count();
                if routes < NAIVE_ROUTES {
                    faults.push(format!(
                        "{name}: caught on {routes} routes, a sound scan finds {NAIVE_ROUTES}"
                    ));
                }
            }
            Kind::Restarted => {
                let routes = caught(scanned, "earlier-job").count();
                if routes < RESTART_ROUTES {
                    faults.push(format!(
                        "{name}: caught on {routes} routes, a sound scan finds {RESTART_ROUTES}"
                    ));
                }
            }
        }
    }
    faults
}

fn fault_of_ours(kind: Kind, row: &Row) -> Option<String> {
    if let Some(class) = row.classes.keys().find(|class| is_leak(class)) {
        return Some(format!("leads to {class}"));
    }
    if row.found && MUST_BE_CLOSED.contains(&row.route) {
        return Some("is open".into());
    }
    if row.route == "privileges" && row.found && kind == Kind::Mayfly {
        return Some("the job has rights that it must not have".into());
    }
    (row.own_key_refused == Some(false)).then(|| "the agent's key outlives its agent".into())
}

/// One line for each target.
pub fn summary(all: &[Scanned]) -> Vec<String> {
    all.iter()
        .map(|scanned| {
            let count = |class| caught(scanned, class).count();
            let held = scanned.rows.iter().filter(|row| row.check == Check::Held).count();
            let closed = scanned.rows.iter().filter(|row| matches!(row.check, Check::Closed(_))).count();
            format!(
                "{}: {} routes ({held} proved by a canary, {closed} refused by the system); routes to the registration \
                 token {}, the registry password {}, an earlier job {}, the agent's own key {}",
                scanned.kind.name(),
                scanned.rows.len(),
                count("registration-token"),
                count("registry-password"),
                count("earlier-job"),
                count("own-agent-key"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn row(route: &'static str, class: &str, check: Check, refused: Option<bool>) -> Row {
        let classes = if class == "none" { BTreeMap::new() } else { BTreeMap::from([(class.to_owned(), 1)]) };
        Row {
            route,
            attack: "",
            found: class != "none",
            class: class.into(),
            classes,
            evidence: String::new(),
            check,
            own_key_refused: refused,
        }
    }

    fn faults_of(kind: Kind, rows: Vec<Row>) -> usize {
        faults(&[Scanned { kind, rows }]).len()
    }

    #[test]
    fn ours_must_be_caught_nowhere() {
        assert_eq!(faults_of(Kind::Mayfly, vec![row("a", "none", Check::Held, None)]), 0);
        assert_eq!(faults_of(Kind::Mayfly, vec![row("a", "own-agent-key", Check::Held, Some(true))]), 0);
        for bad in [
            row("a", "registration-token", Check::Held, None),
            row("a", "registry-password", Check::Closed("x".into()), None),
            row("a", "earlier-job", Check::Held, None),
            row("a", "own-agent-key", Check::Held, Some(false)),
            row("a", "none", Check::Failed("x".into()), None),
            row("open-ports", "open-service", Check::Held, None),
            row("privileges", "privilege", Check::Held, None),
        ] {
            assert_eq!(faults_of(Kind::Mayfly, vec![bad.clone()]), 1, "{bad:?}");
        }
        assert_eq!(faults_of(Kind::MayflyRoot, vec![row("privileges", "privilege", Check::Held, None)]), 0);
    }

    #[test]
    fn the_others_must_be_caught_often_enough() {
        let rows = |class: &str, number| vec![row("a", class, Check::Held, Some(false)); number];
        assert_eq!(faults_of(Kind::Naive, rows("registration-token", 3)), 1);
        assert_eq!(faults_of(Kind::Naive, rows("registration-token", 4)), 0);
        assert_eq!(faults_of(Kind::Restarted, rows("earlier-job", 2)), 1);
        assert_eq!(faults_of(Kind::Restarted, rows("earlier-job", 3)), 0);
    }
}
