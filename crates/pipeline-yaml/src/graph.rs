//! What must hold between jobs: names are unique, `dependsOn` names jobs and has no circle.

use std::collections::{BTreeMap, HashMap};

use crate::fault::Found;
use crate::plan::{Phase, Plan};
use crate::read::Places;

/// How many names a fault lists.
const SHOWN: usize = 10;

/// `dependsOn` by index of the phase.
pub(crate) struct Graph {
    direct: Vec<Vec<usize>>,
    /// Phases, each after all that it depends on; those in a circle, and behind one, are missing.
    order: Vec<usize>,
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut index = HashMap::new();
        for (number, phase) in plan.phases.iter().enumerate() {
            index.entry(phase.name.to_ascii_lowercase()).or_insert(number);
        }
        let direct: Vec<Vec<usize>> = plan
            .phases
            .iter()
            .map(|phase| {
                phase.depends_on.iter().filter_map(|name| index.get(&name.to_ascii_lowercase()).copied())
            })
            .map(Iterator::collect)
            .collect();
        let mut behind = vec![Vec::new(); direct.len()];
        let mut open: Vec<usize> = direct.iter().map(Vec::len).collect();
        for (phase, names) in direct.iter().enumerate() {
            for name in names {
                behind[*name].push(phase);
            }
        }
        let mut order: Vec<usize> = (0..direct.len()).filter(|phase| open[*phase] == 0).collect();
        let mut next = 0;
        while let Some(phase) = order.get(next).copied() {
            next += 1;
            for later in &behind[phase] {
                open[*later] -= 1;
                if open[*later] == 0 {
                    order.push(*later);
                }
            }
        }
        Self { direct, order }
    }

    /// Phases, each after all that it depends on.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// For each phase which ones it depends on, directly or through others.
    pub(crate) fn before(&self) -> Vec<Vec<bool>> {
        let count = self.direct.len();
        let mut before = vec![vec![false; count]; count];
        for phase in &self.order {
            let mut all = vec![false; count];
            for direct in &self.direct[*phase] {
                all[*direct] = true;
                all.iter_mut().zip(&before[*direct]).for_each(|(all, more)| *all |= more);
            }
            before[*phase] = all;
        }
        before
    }

    /// Phases that wait for each other, each for the next.
    fn circle(&self) -> Option<Vec<usize>> {
        let mut left = vec![true; self.direct.len()];
        self.order.iter().for_each(|phase| left[*phase] = false);
        let mut path = vec![left.iter().position(|left| *left)?];
        loop {
            // Whatever is left waits for something that is left: the walk must come back to where it was.
            let next = *self.direct[*path.last()?].iter().find(|phase| left[**phase])?;
            if let Some(seen) = path.iter().position(|known| *known == next) {
                return Some(path.split_off(seen));
            }
            path.push(next);
        }
    }
}

/// Notes what is wrong between the jobs of a file.
pub(crate) fn check(plan: &Plan, places: &[Places], found: &mut Found) {
    let mut lines = BTreeMap::new();
    for (phase, place) in plan.phases.iter().zip(places) {
        if let Some(line) = lines.insert(phase.name.to_ascii_lowercase(), place.name.line) {
            let message = format!("is `{}`, as in line {line}; case does not tell names apart", phase.name);
            found.add(place.name, &key(place, "job"), message);
        }
    }
    let graph = Graph::of(plan);
    let before = graph.before();
    for ((phase, place), before) in plan.phases.iter().zip(places).zip(&before) {
        dependencies(plan, phase, place, found);
        let reached: Vec<_> = plan.phases.iter().zip(before).filter(|(_, before)| **before).collect();
        let reaches = |name: &str| reached.iter().any(|(phase, _)| phase.name.eq_ignore_ascii_case(name));
        for name in phase.condition.of.iter().filter(|name| !reaches(name)) {
            let message = format!("asks about `{name}`, which is no job that this one depends on");
            found.add(place.condition, &key(place, "condition"), message);
        }
    }
    if let Some(circle) = graph.circle() {
        let names: Vec<_> =
            circle.iter().chain(circle.first()).map(|index| plan.phases[*index].name.as_str()).collect();
        if let Some(place) = circle.first().and_then(|first| places.get(*first)) {
            let at = place.depends_on.first().copied().unwrap_or(place.name);
            let message = format!("goes in a circle: {}", names.join(" → "));
            found.add(at, &key(place, "dependsOn"), message);
        }
    }
}

fn key(place: &Places, key: &str) -> String {
    if place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", place.path) }
}

fn dependencies(plan: &Plan, phase: &Phase, place: &Places, found: &mut Found) {
    for (index, (name, at)) in phase.depends_on.iter().zip(&place.depends_on).enumerate() {
        let mut earlier = phase.depends_on.iter().take(index);
        if earlier.any(|known| known.eq_ignore_ascii_case(name)) {
            found.add(*at, &key(place, "dependsOn"), format!("names `{name}` twice"));
        } else if plan.phase(name).is_none() {
            let known = plan.phases.iter().map(|phase| format!("`{}`", phase.name)).take(SHOWN);
            let more = if plan.phases.len() > SHOWN { ", …" } else { "" };
            let known = known.collect::<Vec<_>>().join(", ");
            let message = format!("names `{name}`, which is no job of this file; there are {known}{more}");
            found.add(*at, &key(place, "dependsOn"), message);
        }
    }
}
