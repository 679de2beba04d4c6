use proptest::prelude::*;

use super::*;
use crate::attributes::Changes;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn blob(number: u8) -> Digest {
    Digest::of(&[b'b', number])
}

fn id(number: u8) -> Digest {
    Digest::of(&[b'm', number])
}

fn record(manifest: Manifest, now: Timestamp) -> ManifestRecord {
    let details = Details { length: 1, manifest, architecture: None, os: None };
    ManifestRecord {
        media_type: "x".into(),
        pushed: now,
        updated: None,
        attributes: Attributes::default(),
        details: Some(details),
    }
}

fn image(blobs: &[u8]) -> Manifest {
    Manifest { blobs: blobs.iter().map(|&number| blob(number)).collect(), ..Manifest::default() }
}

fn about(subject: u8) -> Manifest {
    Manifest { subject: Some(id(subject)), ..Manifest::default() }
}

fn with_image(tag: &str) -> Repository {
    let mut repository = Repository::default();
    repository.link(&blob(1), START).unwrap();
    repository.put(&id(1), record(image(&[1]), START), &[tag.to_owned()], START).unwrap();
    repository
}

fn attributes(text: &str) -> Attributes {
    let changes: Changes = serde_json::from_str(text).unwrap();
    Attributes::default().changed(changes)
}

#[test]
fn a_manifest_is_kept_when_all_that_it_refers_to_is_there() {
    let mut repository = with_image("1");
    let put = |repository: &mut Repository, manifest: Manifest| {
        repository.put(&id(2), record(manifest, START), &[], START)
    };
    let before = repository.manifests.len();
    assert_eq!(put(&mut repository, image(&[1, 2])), Err(Refusal::Missing(vec![blob(2)])));
    let index = |wanted: u8| Manifest { manifests: [id(wanted)].into(), ..Manifest::default() };
    assert_eq!(put(&mut repository, index(7)), Err(Refusal::Missing(vec![id(7)])));
    let cache = |digest: Digest| Manifest { others: [digest].into(), ..Manifest::default() };
    assert_eq!(put(&mut repository, cache(blob(2))), Err(Refusal::Missing(vec![blob(2)])));
    assert_eq!(repository.manifests.len(), before);
    assert_eq!(put(&mut repository, index(1)), Ok(()));
    assert_eq!(put(&mut repository, cache(blob(1))), Ok(()));
    assert_eq!(put(&mut repository, about(9)), Ok(()), "a subject need not be there");
}

#[test]
fn referrers_go_with_their_subject() {
    let mut repository = with_image("1");
    for (number, subject) in [(2, 1), (3, 2), (4, 9)] {
        repository.put(&id(number), record(about(subject), START), &[], START).unwrap();
    }
    // Two that are about each other do not make it go round for ever.
    repository.put(&id(5), record(about(6), START), &[], START).unwrap();
    repository.put(&id(6), record(about(5), START), &[], START).unwrap();
    assert_eq!(repository.referrers(&id(1)).map(|(digest, _)| digest).collect::<Vec<_>>(), [&id(2)]);
    assert_eq!(repository.delete(&id(1), START), Ok(vec![id(1), id(2), id(3)]));
    assert_eq!(repository.delete(&id(5), START), Ok(vec![id(5), id(6)]));
    assert_eq!(repository.manifests.keys().collect::<Vec<_>>(), [&id(4)]);
    assert!(repository.tags.is_empty());
    assert_eq!(repository.delete(&id(1), START), Err(Refusal::Manifest));
}

#[test]
fn what_is_locked_is_not_changed() {
    let read_only = attributes(r#"{"writeEnabled": false}"#);
    let kept = attributes(r#"{"deleteEnabled": false}"#);
    let hidden = attributes(r#"{"readEnabled": false}"#);
    let by_tag = Reference::Tag("1".into());
    type Lock = fn(&mut Repository) -> &mut Attributes;
    let places: [(&str, Lock); 3] = [
        ("repository", |one| &mut one.attributes),
        ("tag", |one| &mut one.tags.get_mut("1").unwrap().attributes),
        ("manifest", |one| &mut one.manifests.get_mut(&id(1)).unwrap().attributes),
    ];
    for (place, lock) in places {
        let locked = |how: Attributes| {
            let mut repository = with_image("1");
            *lock(&mut repository) = how;
            repository
        };
        let again = |one: &mut Repository| one.put(&id(1), record(image(&[1]), START), &["1".into()], START);
        assert_eq!(again(&mut locked(read_only)), Err(Refusal::Locked), "{place}");
        assert_eq!(again(&mut locked(kept)), Ok(()), "{place}");
        for how in [read_only, kept] {
            assert_eq!(locked(how).delete(&id(1), START), Err(Refusal::Locked), "{place}");
            assert_eq!(locked(how).clear(START), Err(Refusal::Locked), "{place}");
            // A tag is its own: a locked manifest can lose it.
            let untagged = if place == "manifest" { Ok(()) } else { Err(Refusal::Locked) };
            assert_eq!(locked(how).untag("1", START), untagged, "{place}");
        }
        assert_eq!(locked(hidden).resolve(&by_tag).err(), Some(Refusal::Locked), "{place}");
        assert!(locked(read_only).resolve(&by_tag).is_ok(), "{place}");
    }
    let mut repository = with_image("1");
    repository.attributes = read_only;
    assert_eq!(repository.link(&blob(2), START), Err(Refusal::Locked));
    repository.attributes = kept;
    assert_eq!(repository.unlink(&blob(1), START), Err(Refusal::Locked));
    let mut free = with_image("1");
    assert_eq!(free.clear(START), Ok((vec![id(1)], vec!["1".into()])), "control: without a lock");
}

#[test]
fn nothing_is_collected_while_a_manifest_is_not_understood() {
    let mut repository = with_image("1");
    repository.manifests.get_mut(&id(1)).unwrap().details = None;
    let later = START + SignedDuration::from_hours(1000);
    assert!(repository.collect(later).is_empty());
    assert!(repository.collect(later + SignedDuration::from_hours(1000)).is_empty());
    repository.manifests.get_mut(&id(1)).unwrap().details = record(image(&[]), START).details;
    assert!(repository.collect(later).is_empty(), "it is idle from now on");
    assert_eq!(repository.collect(later + SignedDuration::from_hours(25)), [blob(1)]);
}

#[derive(Debug, Clone)]
enum Step {
    Link(u8),
    Want(u8),
    Put(u8, Vec<u8>),
    Delete(u8),
    Pass(i64),
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_u8).prop_map(Step::Link),
        1 => (0..6_u8).prop_map(Step::Want),
        4 => (0..4_u8, proptest::collection::vec(0..6_u8, 0..4)).prop_map(|(number, blobs)| Step::Put(number, blobs)),
        2 => (0..4_u8).prop_map(Step::Delete),
        3 => (1..20_i64).prop_map(Step::Pass),
        3 => Just(Step::Collect),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever is pushed, deleted and collected in whatever order: what a manifest refers to is there; what none refers
    /// to is there until it is a day old, and is gone with the first collection after that.
    #[test]
    fn what_is_referred_to_stays_and_what_is_not_goes_after_its_age(steps in steps()) {
        let mut repository = Repository::default();
        let mut now = START;
        // The model: since when each blob has been wanted by nobody's manifest.
        let mut since: BTreeMap<Digest, Timestamp> = BTreeMap::new();
        for step in steps {
            let used = |repository: &Repository| -> BTreeSet<Digest> {
                let details = repository.manifests.values().filter_map(|record| record.details.as_ref());
                details.flat_map(|details| details.manifest.references().cloned()).collect()
            };
            let before = used(&repository);
            match step {
                Step::Link(number) => {
                    repository.link(&blob(number), now).unwrap();
                    since.insert(blob(number), now);
                }
                Step::Want(number) => {
                    if repository.want(&blob(number), now).is_ok() {
                        since.insert(blob(number), now);
                    }
                }
                Step::Put(number, blobs) => {
                    let there = blobs.iter().all(|&one| repository.blobs.contains(&blob(one)));
                    let put = repository.put(&id(number), record(image(&blobs), now), &[], now);
                    prop_assert_eq!(put.is_ok(), there);
                }
                Step::Delete(number) => {
                    let there = repository.manifests.contains_key(&id(number));
                    prop_assert_eq!(repository.delete(&id(number), now).is_ok(), there);
                }
                Step::Pass(hours) => now += SignedDuration::from_hours(hours),
                Step::Collect => {
                    for digest in repository.collect(now) {
                        let age = now.duration_since(since[&digest]);
                        prop_assert!(age > IDLE_LIFETIME, "collected after {age:?}");
                    }
                    for digest in repository.blobs.difference(&before) {
                        prop_assert!(now.duration_since(since[digest]) <= IDLE_LIFETIME);
                    }
                }
            }
            let after = used(&repository);
            for digest in before.difference(&after) {
                since.insert(digest.clone(), now);
            }
            prop_assert!(after.is_subset(&repository.blobs), "a manifest lost what it refers to");
        }
    }
}
