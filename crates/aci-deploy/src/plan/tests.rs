use proptest::prelude::*;

use super::*;
use crate::azdo::AgentId;
use crate::fleet::FleetName;
use crate::observe::{DrainMark, ObservedAgent};

const PATH: &str = "/subscriptions/s/resourcegroups/g/providers/microsoft.containerinstance/containergroups";

fn fleet() -> FleetName {
    "mayfly".parse().unwrap()
}

fn empty() -> ObservedFleet {
    ObservedFleet {
        fleet: fleet(),
        groups: Vec::new(),
        agents: Vec::new(),
        strangers: BTreeSet::new(),
        groups_path: PATH.to_owned(),
    }
}

fn group(index: u32, image: &str) -> ObservedGroup {
    let name = fleet().agent(index);
    ObservedGroup {
        id: format!("{PATH}/{name}"),
        name,
        index: Some(index),
        image: image.to_owned(),
        cpu: 1.0,
        memory_gb: 2.0,
        os_type: crate::settings::OsType::Linux,
        failed: false,
    }
}

fn agent(index: u32) -> ObservedAgent {
    let name = fleet().agent(index).to_string();
    ObservedAgent {
        id: AgentId(i64::from(index) + 1),
        online: true,
        enabled: true,
        job: None,
        drain: None,
        owner: Some(format!("{PATH}/{name}")),
        name,
    }
}

fn job(id: i64) -> JobSummary {
    JobSummary { request_id: id, name: Some("build".to_owned()), pipeline: None }
}

/// `n` idle agents with image `old`.
fn running(n: u32) -> ObservedFleet {
    ObservedFleet {
        groups: (0..n).map(|index| group(index, "old")).collect(),
        agents: (0..n).map(agent).collect(),
        ..empty()
    }
}

fn desired(agents: u32) -> Desired {
    Desired { agents, ..Desired::default() }
}

fn names(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.agent.as_str()).collect()
}

#[test]
fn a_busy_agent_stays_while_an_idle_one_can_go() {
    let mut observed = running(3);
    observed.agents[2].job = Some(job(7));
    insta::assert_snapshot!(plan(&observed, &desired(1)), @r"
    drain    mayfly-1: more agents than wanted
    drain    mayfly-0: more agents than wanted
    keep     mayfly-2
    ");
    insta::assert_snapshot!(plan(&observed, &desired(0)), @r"
    drain    mayfly-1: more agents than wanted
    drain    mayfly-0: more agents than wanted
    drain    mayfly-2: more agents than wanted; waits for job `build` (request 7)
    ");
}

#[test]
fn gaps_are_filled_from_below_and_strangers_keep_their_names() {
    let mut observed = running(4);
    observed.groups.retain(|group| group.index != Some(1));
    observed.agents.retain(|agent| agent.name != "mayfly-1");
    observed.strangers.insert("Mayfly-4".to_owned());
    let mut foreign = agent(5);
    foreign.owner = Some("/subscriptions/s/resourcegroups/other/x/mayfly-5".to_owned());
    foreign.online = false;
    observed.agents.push(foreign);
    let plan = plan(&observed, &desired(6));
    insta::assert_snapshot!(plan, @r"
    create   mayfly-1
    create   mayfly-6
    create   mayfly-7
    keep     mayfly-0
    keep     mayfly-2
    keep     mayfly-3
    ");
}

#[test]
fn what_an_interrupted_drain_left_is_taken_up() {
    let mut observed = running(3);
    for index in [1, 2] {
        observed.agents[index].enabled = false;
        observed.agents[index].drain = Some(DrainMark::new(&observed.groups[index].id, true));
    }
    // The group of the third is gone, its registration is left.
    observed.groups.pop();
    insta::assert_snapshot!(plan(&observed, &desired(2)), @r"
    enable   mayfly-1: an interrupted drain left it disabled
    delete   registration mayfly-2: its container group is gone
    keep     mayfly-0
    keep     mayfly-1
    ");
    insta::assert_snapshot!(plan(&observed, &desired(1)), @r"
    delete   registration mayfly-2: its container group is gone
    drain    mayfly-1: an interrupted drain goes on
    keep     mayfly-0
    ");
}

#[test]
fn a_new_image_replaces_idle_agents_first() {
    let mut observed = running(3);
    observed.agents[0].job = Some(job(7));
    observed.groups[1].image = "new".to_owned();
    observed.groups[2].failed = true;
    let wanted = Desired { image: Some("new".to_owned()), ..desired(3) };
    insta::assert_snapshot!(plan(&observed, &wanted), @r"
    update   mayfly-2: its container group failed
    update   mayfly-0: runs `old`; waits for job `build` (request 7)
    keep     mayfly-1
    ");
}

#[test]
fn nothing_to_do_says_so() {
    insta::assert_snapshot!(plan(&running(2), &desired(2)), @"nothing to do: 2 agents as wanted");
    insta::assert_snapshot!(plan(&empty(), &desired(0)), @"nothing to do: 0 agents as wanted");
}

#[test]
fn an_unmarked_registration_is_left_alone_until_its_name_is_needed() {
    let mut observed = empty();
    let mut orphan = agent(0);
    orphan.online = false;
    orphan.owner = None;
    observed.agents.push(orphan);
    assert_eq!(plan(&observed, &desired(0)).delete, []);
    assert_eq!(plan(&observed, &desired(1)).create, [fleet().agent(0)]);
    observed.agents[0].online = true;
    assert_eq!(plan(&observed, &desired(1)).create, [fleet().agent(1)], "a living agent keeps its name");
}

#[test]
fn a_name_whose_registration_counts_a_killed_job_is_not_used_again_yet() {
    let mut observed = empty();
    observed.agents.push(agent(0));
    observed.agents[0].job = Some(job(7));
    let plan = plan(&observed, &desired(1));
    assert_eq!(plan.create, [fleet().agent(1)]);
    assert_eq!(plan.delete, [fleet().agent(0)]);
}

#[test]
fn a_drain_mark_is_read_back() {
    for was_enabled in [true, false] {
        let mark = DrainMark::new("/Subscriptions/X", was_enabled);
        assert_eq!(DrainMark::parse(&mark.text()), Some(mark));
    }
    assert_eq!(DrainMark::parse("somebody else's"), None);
}

#[derive(Debug, Clone)]
struct Slot {
    group: bool,
    failed: bool,
    new_image: bool,
    registered: bool,
    busy: bool,
    marked: bool,
    online: bool,
    stranger: bool,
    foreign: bool,
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let slot = prop::array::uniform9(any::<bool>()).prop_map(|bits| Slot {
        group: bits[0],
        failed: bits[1] && bits[2],
        new_image: bits[3],
        registered: bits[4],
        busy: bits[5],
        marked: bits[6],
        online: bits[7],
        stranger: bits[8] && !bits[0],
        foreign: bits[8] && bits[2],
    });
    prop::collection::vec(slot, 0..8)
}

fn observed(slots: &[Slot]) -> ObservedFleet {
    let mut observed = empty();
    for (index, slot) in (0u32..).zip(slots) {
        let name = fleet().agent(index);
        if slot.group {
            let image = if slot.new_image { "new" } else { "old" };
            observed.groups.push(ObservedGroup { failed: slot.failed, ..group(index, image) });
        } else if slot.stranger {
            observed.strangers.insert(name.to_string());
        }
        if slot.registered {
            let id = observed.group_id(name.as_str());
            let owner = if slot.foreign && !slot.group { format!("{id}-of-another") } else { id.clone() };
            observed.agents.push(ObservedAgent {
                online: slot.online,
                job: slot.busy.then(|| job(i64::from(index))),
                drain: slot.marked.then(|| DrainMark::new(&owner, true)),
                enabled: !slot.marked,
                owner: Some(owner),
                ..agent(index)
            });
        }
    }
    observed
}

/// The world after the plan was carried out.
fn carried_out(before: &ObservedFleet, plan: &Plan, wanted: &Desired) -> ObservedFleet {
    let mut after = before.clone();
    let gone = |name: &AgentName| plan.drain.iter().any(|change| change.agent == *name);
    after.groups.retain(|group| !gone(&group.name));
    after.agents.retain(|agent| {
        let name = AgentName::new(agent.name.clone());
        !gone(&name) && !plan.delete.contains(&name)
    });
    let renewed = plan.create.iter().chain(plan.update.iter().map(|change| &change.agent));
    for name in renewed {
        let index = fleet().index_of(name.as_str()).unwrap();
        after.groups.retain(|group| group.name != *name);
        after.agents.retain(|agent| agent.name != name.as_str());
        after.groups.push(group(index, wanted.image.as_deref().unwrap_or("old")));
        after.agents.push(agent(index));
    }
    for agent in &mut after.agents {
        if plan.reenable.iter().any(|name| name.is(&agent.name)) {
            agent.drain = None;
            agent.enabled = true;
        }
    }
    after
}

proptest! {
    #[test]
    fn laws(slots in slots(), agents in 0u32..10, new_image in any::<bool>(), renew_all in any::<bool>()) {
        let before = observed(&slots);
        let wanted = Desired { image: new_image.then(|| "new".to_owned()), renew_all, ..desired(agents) };
        let plan = plan(&before, &wanted);
        let drained = names(&plan.drain);
        let updated = names(&plan.update);
        let kept: Vec<&str> = plan.keep.iter().map(AgentName::as_str).collect();
        let created: Vec<&str> = plan.create.iter().map(AgentName::as_str).collect();

        // Every group has exactly one fate, and the number comes out.
        let mut fates: Vec<&str> = [drained.clone(), updated.clone(), kept.clone()].concat();
        fates.sort_unstable();
        let mut all: Vec<&str> = before.groups.iter().map(|group| group.name.as_str()).collect();
        all.sort_unstable();
        prop_assert_eq!(fates, all);
        prop_assert_eq!(updated.len() + kept.len() + created.len(), agents as usize);
        prop_assert!(drained.is_empty() || created.is_empty());

        // A new agent takes the lowest free name, and nobody's else.
        let free: Vec<String> = (0..30).map(|index| fleet().agent(index)).filter(|name| before.is_free(name)).map(|name| name.to_string()).take(created.len()).collect();
        prop_assert_eq!(created, free);

        // Who goes: idle before busy, and among equals the highest index.
        let rank = |name: &str| {
            let agent = before.agent(&AgentName::new(name));
            let group = before.group(name).unwrap();
            (agent.is_some_and(|a| a.job.is_some()), !group.failed, agent.is_none_or(|a| a.drain.is_none()), Reverse(group.index))
        };
        for gone in &drained {
            for stays in kept.iter().chain(&updated) {
                prop_assert!(rank(gone) < rank(stays), "{gone} goes though {stays} should");
            }
        }

        // Enabled again is only who stays and who carries our mark.
        for name in &plan.reenable {
            prop_assert!(plan.keep.contains(name));
            prop_assert!(before.agent(name).unwrap().drain.is_some());
        }
        // Deleted registrations are ours, and have no group.
        for name in &plan.delete {
            prop_assert!(before.group(name.as_str()).is_none());
            prop_assert!(before.agent(name).unwrap().is_proven(&before.group_id(name.as_str())));
        }

        // Afterwards nothing is left to do.
        let settled = Desired { renew_all: false, ..wanted.clone() };
        let after = super::plan(&carried_out(&before, &plan, &wanted), &settled);
        prop_assert!(after.is_empty(), "{after}");
    }
}
