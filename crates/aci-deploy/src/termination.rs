//! PURE. What the ends of a container say about its agent.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::arm::{ContainerGroup, ContainerState};

/// Exit codes of the entrypoint that no further attempt can change (container contract).
const FATAL: [i64; 3] = [64, 73, 77];

/// The ends of one container that were seen while it was watched.
#[derive(Debug, Default)]
pub(crate) struct Terminations {
    /// Finish time to exit code; a finish time names one end.
    seen: BTreeMap<String, i64>,
    /// Ends from before the watch began.
    before: Vec<String>,
    restarts_before: u32,
    restarts: u32,
}

/// What the ends mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Undecided,
    /// It ended as after a job.
    Listened,
    /// It will not get better.
    Failed(i64),
}

impl Terminations {
    /// Begins to watch a group that has run for some time: what has ended before does not count.
    pub(crate) fn of_running(group: &ContainerGroup) -> Self {
        let mut known = Self::default();
        known.observe(group);
        Self {
            before: known.seen.into_keys().collect(),
            restarts_before: known.restarts,
            restarts: known.restarts,
            seen: BTreeMap::new(),
        }
    }

    /// Takes one look at the group.
    pub(crate) fn observe(&mut self, group: &ContainerGroup) {
        let Some(view) = group.container().and_then(|container| container.view()) else { return };
        self.restarts = self.restarts.max(view.restart_count);
        for state in [&view.previous_state, &view.current_state].into_iter().flatten() {
            if let Some((key, code)) = ended(state)
                && !self.before.contains(&key)
            {
                self.seen.insert(key, code);
            }
        }
    }

    /// `registered`: the agent has a registration that this container made.
    pub(crate) fn verdict(&self, registered: bool) -> Verdict {
        if let Some(code) = self.seen.values().find(|code| FATAL.contains(code)) {
            return Verdict::Failed(*code);
        }
        if registered && self.seen.values().any(|code| *code == 0) {
            return Verdict::Listened;
        }
        let restarts = self.restarts.saturating_sub(self.restarts_before) as usize;
        match self.seen.values().last() {
            Some(code) if self.seen.len() >= 2 || restarts >= 2 => Verdict::Failed(*code),
            _ => Verdict::Undecided,
        }
    }

    /// The exit code of the last end.
    pub(crate) fn last_code(&self) -> Option<i64> {
        self.seen.values().last().copied()
    }
}

fn ended(state: &ContainerState) -> Option<(String, i64)> {
    if !state.state.eq_ignore_ascii_case("terminated") {
        return None;
    }
    Some((state.finish_time.clone().unwrap_or_default(), state.exit_code?))
}

/// The entrypoint's last line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndLine {
    event: String,
    exit_code: i64,
    #[serde(default)]
    hold_seconds: u64,
}

fn end_line(line: &str) -> Option<EndLine> {
    serde_json::from_str(line.trim()).ok().filter(|end: &EndLine| end.event == "end")
}

/// Whether this is the last line of a run.
pub(crate) fn is_end(line: &str) -> bool {
    end_line(line).is_some()
}

/// The exit code in the entrypoint's last line, where it says that it holds before it ends: it is only written for errors
/// that another attempt does not cure.
pub(crate) fn held(line: &str) -> Option<i64> {
    let end = end_line(line)?;
    (end.hold_seconds > 0 && FATAL.contains(&end.exit_code)).then_some(end.exit_code)
}

/// What an exit code of the entrypoint means and what to do about it.
pub(crate) fn meaning(code: i64) -> (&'static str, Option<&'static str>) {
    match code {
        0 => (
            "ended twice with exit code 0 and never registered",
            Some("check that the image is one made by `build-image`: its entrypoint must be Mayfly's"),
        ),
        64 => (
            "ended with exit code 64: its configuration is wrong",
            Some(
                "read the log above: it names each variable; with a template of your own check the environment it sets",
            ),
        ),
        69 => (
            "ended twice with exit code 69: it cannot reach Azure DevOps",
            Some("check AZDO_URL, and that containers may reach it (network, proxy, firewall)"),
        ),
        70 => (
            "ended twice with exit code 70: the agent itself failed",
            Some("read the log above; --keep-failed leaves the group in place for a closer look"),
        ),
        73 => (
            "ended with exit code 73: its file system had been used before",
            Some("rebuild the image with `build-image`; do not make it from a container that has run"),
        ),
        75 => {
            ("ended twice with exit code 75: it was stopped before a job ran", Some("run the command again"))
        }
        76 => (
            "ended twice with exit code 76: it was stopped, and a running job was cancelled for it",
            Some("run the command again"),
        ),
        77 => (
            "ended with exit code 77: Azure DevOps refused the token or the pool",
            Some(
                "give AZDO_TOKEN a token with the scope `Agent Pools (read, manage)` whose owner administers the pool",
            ),
        ),
        _ => (
            "ended twice with an error",
            Some("read the log above; --keep-failed leaves the group in place for a closer look"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(restarts: u32, states: &[(&str, Option<i64>, &str)]) -> ContainerGroup {
        let state = |index: usize| {
            states.get(index).map(|(state, code, finish)| {
                serde_json::json!({"state": state, "exitCode": code, "finishTime": finish})
            })
        };
        serde_json::from_value(serde_json::json!({
            "id": "/x", "name": "mayfly-0",
            "properties": {"containers": [{"name": "agent", "properties": {
                "image": "i",
                "instanceView": {"restartCount": restarts, "currentState": state(0), "previousState": state(1)},
            }}]},
        }))
        .unwrap()
    }

    const RUNNING: (&str, Option<i64>, &str) = ("Running", None, "");

    fn check(looks: &[ContainerGroup], registered: bool, wanted: Verdict) {
        let mut ends = Terminations::default();
        for look in looks {
            ends.observe(look);
        }
        assert_eq!(ends.verdict(registered), wanted, "{ends:?}");
    }

    #[test]
    fn a_fatal_code_needs_to_be_seen_once() {
        for code in [64, 73, 77] {
            check(&[group(1, &[RUNNING, ("Terminated", Some(code), "t1")])], true, Verdict::Failed(code));
            check(&[group(0, &[("Terminated", Some(code), "t1")])], false, Verdict::Failed(code));
        }
    }

    #[test]
    fn another_code_needs_to_be_seen_twice() {
        let once = group(1, &[RUNNING, ("Terminated", Some(69), "t1")]);
        let waiting = group(1, &[("Waiting", None, ""), ("Terminated", Some(70), "t2")]);
        check(&[once.clone(), once.clone()], false, Verdict::Undecided);
        check(&[once, waiting], false, Verdict::Failed(70));
        check(&[group(2, &[RUNNING, ("Terminated", Some(1), "t9")])], false, Verdict::Failed(1));
    }

    #[test]
    fn success_counts_only_with_a_registration() {
        let done = group(1, &[RUNNING, ("Terminated", Some(0), "t1")]);
        check(std::slice::from_ref(&done), true, Verdict::Listened);
        check(std::slice::from_ref(&done), false, Verdict::Undecided);
        check(&[done, group(2, &[RUNNING, ("Terminated", Some(0), "t2")])], false, Verdict::Failed(0));
    }

    #[test]
    fn what_ended_before_the_watch_does_not_count() {
        let old = group(5, &[RUNNING, ("Terminated", Some(77), "t1")]);
        let mut ends = Terminations::of_running(&old);
        ends.observe(&old);
        assert_eq!(ends.verdict(false), Verdict::Undecided);
        ends.observe(&group(6, &[RUNNING, ("Terminated", Some(77), "t2")]));
        assert_eq!(ends.verdict(false), Verdict::Failed(77));
    }

    #[test]
    fn a_container_that_holds_is_recognised_by_its_last_line() {
        let line = |event: &str, code: i64, hold: u64| {
            serde_json::json!({"event": event, "agent": "mayfly-0", "agentId": null, "exitCode": code,
                "reason": "refused", "durationSeconds": 0.4, "holdSeconds": hold})
            .to_string()
        };
        assert_eq!(held(&line("end", 77, 300)), Some(77));
        assert_eq!(held(&line("end", 64, 300)), Some(64));
        for other in
            [line("end", 0, 0), line("end", 70, 0), line("end", 70, 300), line("start", 77, 300), "77".into()]
        {
            assert_eq!(held(&other), None, "{other}");
        }
    }

    #[test]
    fn nothing_seen_is_undecided() {
        check(&[group(0, &[RUNNING])], true, Verdict::Undecided);
        check(&[group(0, &[("Waiting", None, "")])], false, Verdict::Undecided);
        check(&[], false, Verdict::Undecided);
    }
}
