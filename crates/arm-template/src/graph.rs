//! The order in which resources may be deployed.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Sorts so that everything comes after what it depends on, otherwise in the given order.
///
/// # Errors
/// The members of one cycle, in the order in which they wait for each other.
pub(crate) fn sort(dependencies: &[BTreeSet<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waiting: Vec<usize> = dependencies.iter().map(BTreeSet::len).collect();
    let mut dependents = vec![Vec::new(); dependencies.len()];
    for (node, needs) in dependencies.iter().enumerate() {
        for need in needs {
            dependents[*need].push(node);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..dependencies.len()).filter(|node| waiting[*node] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for dependent in &dependents[node] {
            waiting[*dependent] -= 1;
            if waiting[*dependent] == 0 {
                ready.push(Reverse(*dependent));
            }
        }
    }
    if order.len() == dependencies.len() { Ok(order) } else { Err(cycle(dependencies, &waiting)) }
}

/// Every node that still waits leads to a cycle: follow it until a node comes up again.
fn cycle(dependencies: &[BTreeSet<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut node = waiting.iter().position(|count| *count > 0);
    while let Some(current) = node {
        if let Some(start) = path.iter().position(|known| *known == current) {
            return path.split_off(start);
        }
        path.push(current);
        node = dependencies[current].iter().copied().find(|need| waiting[*need] > 0);
    }
    path
}

#[cfg(test)]
mod tests;
