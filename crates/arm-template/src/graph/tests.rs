use super::sort;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn graph(edges: &[&[usize]]) -> Vec<BTreeSet<usize>> {
    edges.iter().map(|needs| needs.iter().copied().collect()).collect()
}

#[test]
fn keeps_the_order_of_the_file_where_it_may() {
    assert_eq!(sort(&graph(&[&[], &[], &[]])), Ok(vec![0, 1, 2]));
    assert_eq!(sort(&graph(&[&[2], &[], &[]])), Ok(vec![1, 2, 0]));
}

#[test]
fn names_one_cycle() {
    assert_eq!(sort(&graph(&[&[], &[2], &[3], &[1], &[1]])), Err(vec![1, 2, 3]));
    assert_eq!(sort(&graph(&[&[0]])), Err(vec![0]));
}

proptest! {
    #[test]
    fn order_respects_dependencies(edges in proptest::collection::vec((0_usize..20, 0_usize..20), 0..60)) {
        let mut graph = vec![BTreeSet::new(); 20];
        for (from, to) in edges {
            graph[from].insert(to);
        }
        match sort(&graph) {
            Ok(order) => {
                prop_assert_eq!(order.len(), graph.len());
                let place = |node: usize| order.iter().position(|known| *known == node);
                for (node, needs) in graph.iter().enumerate() {
                    for need in needs {
                        prop_assert!(place(*need) < place(node));
                    }
                }
            }
            Err(cycle) => {
                prop_assert!(!cycle.is_empty());
                for (at, node) in cycle.iter().enumerate() {
                    prop_assert!(graph[*node].contains(&cycle[(at + 1) % cycle.len()]));
                }
            }
        }
    }
}
