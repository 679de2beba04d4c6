//! Groups whose containers are not theirs, and begin anew.

use container_groups::{GroupState, Groups, RestartPolicy, VolumeSource, VolumeSpec};
use service_kit::{Batch, StoreDocument};

use super::{Bench, agent};
use crate::support::{at_once, container_id, id, is_running, until, with_secure};

fn documents(bench: &Bench) -> Vec<StoreDocument> {
    let mut found = bench.home.store.documents(&["container-groups"]).unwrap();
    found.retain(|document| document.table == "container-groups");
    found
}

/// Puts other groups in the place of all that are there.
fn become_these(bench: &Bench, documents: Vec<StoreDocument>) {
    let batch = documents.into_iter().fold(Batch::new().clear("container-groups"), Batch::document);
    bench.home.store.write(Groups::anew(batch).unwrap()).unwrap();
}

/// What is noted only until it is done.
fn left(bench: &Bench) -> Vec<String> {
    let tables = bench.home.store.documents(&["container-groups"]).unwrap();
    tables.into_iter().map(|document| document.table).filter(|table| Groups::is_passing(table)).collect()
}

#[tokio::test]
async fn groups_of_another_time_run_anew_with_their_own_logs() {
    for crashed in [false, true] {
        let mut bench = Bench::new(at_once());
        let mut spec = with_secure(agent("one"), "TOKEN", "kept");
        spec.volumes.push(VolumeSpec { name: "workspace".to_owned(), source: VolumeSource::EmptyDir });
        let first = bench.up(spec.clone()).await;
        bench.engine.write_log(&container_id(&first), "first\n");
        let ends = bench.up(agent("ended")).await;
        bench.groups.stop(&id("ended")).await.unwrap();
        bench.groups.settled(&id("ended")).await.unwrap();
        let mut then = documents(&bench);
        then.extend(bench.groups.saved_logs().await.unwrap());

        // Until then a group of the same name has run just as often, from the same specification.
        bench.groups.delete(&id("one")).await.unwrap();
        let other = bench.up(spec).await;
        bench.engine.write_log(&container_id(&other), "of another time\n");
        bench.up(agent("late")).await;
        bench.groups.start(&id("ended")).await.unwrap();
        bench.groups.settled(&id("ended")).await.unwrap();
        assert_eq!(bench.engine.running().len(), 3, "control");

        bench.groups.halt().await;
        bench.groups.strip().await.unwrap();
        assert!(bench.engine.containers().is_empty() && bench.engine.volumes().is_empty());
        become_these(&bench, then);
        if crashed {
            bench.reborn(at_once()).await;
        } else {
            bench.groups.adopt().await.unwrap();
        }
        let view =
            until(&bench.groups, &id("one"), "it runs", |view| view.state == GroupState::Running).await;
        let again = container_id(&view);
        assert!(![container_id(&first), container_id(&other), container_id(&ends)].contains(&again));
        assert_eq!(bench.engine.containers().len(), 1, "{crashed}");
        assert_eq!(bench.engine.volumes().len(), 1, "{crashed}");
        assert_eq!(bench.groups.logs(&id("one"), "agent", None).await.unwrap(), "");
        assert_eq!(bench.groups.previous_logs(&id("one"), "agent").await.unwrap(), "first\n");
        assert_eq!(bench.groups.get(&id("ended")).unwrap().state, GroupState::Stopped);
        assert!(bench.groups.get(&id("late")).is_none());
        assert_eq!(left(&bench), Vec::<String>::new());

        // From now on it is any other group: what runs goes on.
        bench.reborn(at_once()).await;
        assert_eq!(container_id(&bench.groups.get(&id("one")).unwrap()), again);
    }
}

#[tokio::test]
async fn what_ran_runs_again_when_it_was_taken_away_for_nothing() {
    for crashed in [false, true] {
        let mut bench = Bench::new(at_once());
        let mut spec = agent("once");
        spec.restart_policy = RestartPolicy::Never;
        let first = bench.up(spec.clone()).await;
        bench.engine.write_log(&container_id(&first), "first\n");
        spec = agent("done");
        spec.restart_policy = RestartPolicy::Never;
        bench.up(spec).await;
        bench.exit("done", 0);
        until(&bench.groups, &id("done"), "its end", |view| view.state == GroupState::Succeeded).await;
        bench.groups.halt().await;
        bench.groups.strip().await.unwrap();
        if crashed {
            bench.reborn(at_once()).await;
        } else {
            bench.groups.adopt().await.unwrap();
        }
        until(&bench.groups, &id("once"), "it runs", |view| is_running(view, 2)).await;
        assert_eq!(bench.groups.previous_logs(&id("once"), "agent").await.unwrap(), "first\n");
        assert_eq!(bench.groups.get(&id("done")).unwrap().state, GroupState::Succeeded);
        assert_eq!(bench.engine.containers().len(), 1, "{crashed}");
        assert_eq!(left(&bench), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_no_group_is_told_before_it_is_taken_up() {
    let bench = Bench::new(at_once());
    bench.up(agent("one")).await;
    let read = service_kit::Store::in_memory();
    let all = documents(&bench).into_iter().fold(Batch::new(), Batch::document);
    read.write(all).unwrap();
    assert_eq!(Groups::check(&read).unwrap(), ["one"]);
    read.put("container-groups", "other", &"none").unwrap();
    assert!(Groups::check(&read).is_err());
}
