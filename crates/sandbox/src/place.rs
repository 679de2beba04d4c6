//! Where an instance keeps its state, and the right to write there: one process for an instance, one for a folder.

mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;

use service_kit::{SharedClock, SharedEntropy, Store, StoreError, StoreKey};

pub use error::PlaceError;

use crate::hold::{Hold, Holder, Keep};
use crate::instance::{Instance, make_private};

const KEY: &str = "state.key";
const DOCUMENTS: &str = "state.redb";
/// How long whoever is there may take to end: a process that was killed has its locks until the last of its threads is gone.
const ENDING: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// The right to serve an instance, and where its state is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) keep: Keep,
    /// Where logs and blobs are.
    pub(crate) folder: PathBuf,
    pub(crate) store: Store,
    /// Who had a folder of its own before, and did not give it up by `sandbox down`.
    pub(crate) left_by: Option<Holder>,
    /// Something of the instance without a state may be on the engine: its process was killed.
    pub(crate) litter: bool,
    own: Hold,
    apart: Option<Hold>,
    holder: Holder,
}

impl Place {
    /// Takes the instance and the folder of its state, or says who has them and does not end.
    pub(crate) async fn take(
        instance: &Instance,
        keep: &Keep,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Result<Self, PlaceError> {
        let limit = clock.now() + ENDING;
        loop {
            match Self::take_now(instance, keep, clock, entropy) {
                Err(PlaceError::InUse { .. }) if clock.now() < limit => {
                    clock.wait_until(clock.now() + LOOK).await;
                }
                taken => return taken,
            }
        }
    }

    fn take_now(
        instance: &Instance,
        keep: &Keep,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Result<Self, PlaceError> {
        let name = instance.name().to_owned();
        instance.make_folder()?;
        let own = held(instance.folder())?.ok_or_else(|| PlaceError::InUse {
            instance: name.clone(),
            folder: None,
            holder: Holder::of(instance.folder()).map(Box::new),
        })?;
        let keep = absolute(keep);
        let last = last_kept(instance.folder());
        if last.as_ref().is_some_and(|last| *last != Keep::Nowhere && *last != keep) {
            return Err(PlaceError::Elsewhere { instance: name, kept: last.unwrap_or_default() });
        }
        let litter = last == Some(Keep::Nowhere);
        let holder =
            Holder { instance: name.clone(), process_id: std::process::id(), since: clock.now(), keep };
        let (folder, apart) = match &holder.keep {
            Keep::In(folder) => (folder.clone(), Some(take_apart(folder, &name)?)),
            Keep::WithInstance | Keep::Nowhere => (instance.folder().to_owned(), None),
        };
        let left_by = apart.as_ref().and_then(|_| Holder::of(&folder)).filter(|left| left.instance != name);
        let store = open(&holder.keep, &folder, entropy).map_err(|error| match error {
            StoreError::InUse { .. } => {
                PlaceError::InUse { instance: name, folder: Some(folder.clone()), holder: None }
            }
            error => error.into(),
        })?;
        let place = Self { keep: holder.keep.clone(), folder, store, left_by, litter, own, apart, holder };
        place.sign(&place.own)?;
        Ok(place)
    }

    /// From now on the folder is this instance's. Gives whether its last sandbox was taken down, containers and all.
    pub(crate) fn claim(&self) -> Result<bool, PlaceError> {
        let Some(apart) = &self.apart else { return Ok(false) };
        let was_down = Holder::of(&self.folder).is_none_or(|last| last.instance != self.holder.instance);
        self.sign(apart)?;
        Ok(was_down)
    }

    fn sign(&self, hold: &Hold) -> Result<(), PlaceError> {
        hold.note(&self.holder).map_err(|source| PlaceError::Lock { folder: self.folder.clone(), source })
    }
}

fn absolute(keep: &Keep) -> Keep {
    match keep {
        // Without a folder to start from, the words are as good as can be.
        Keep::In(folder) => Keep::In(std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
        other => other.clone(),
    }
}

/// Where the instance kept its state last, unless it was taken down since.
fn last_kept(folder: &Path) -> Option<Keep> {
    let noted = Holder::of(folder).map(|last| last.keep);
    // One of an earlier version left no note.
    noted.or_else(|| folder.join(DOCUMENTS).exists().then_some(Keep::WithInstance))
}

fn held(folder: &Path) -> Result<Option<Hold>, PlaceError> {
    Hold::take(folder).map_err(|source| PlaceError::Lock { folder: folder.to_owned(), source })
}

/// Takes a folder of its own. One that is there must be empty or a state's already.
fn take_apart(folder: &Path, instance: &str) -> Result<Hold, PlaceError> {
    if let Some(found) = stranger(folder) {
        return Err(PlaceError::NotOurs { instance: instance.to_owned(), folder: folder.to_owned(), found });
    }
    make_private(folder)?;
    held(folder)?.ok_or_else(|| PlaceError::InUse {
        instance: instance.to_owned(),
        folder: Some(folder.to_owned()),
        holder: Holder::of(folder).map(Box::new),
    })
}

/// What is in a folder that holds no state.
fn stranger(folder: &Path) -> Option<String> {
    let entries: Vec<_> = fs_err::read_dir(folder).ok()?.filter_map(Result::ok).collect();
    let ours = |file: &Path| Hold::is_part(file) || file.ends_with(KEY);
    if entries.iter().any(|entry| ours(&entry.path())) {
        return None;
    }
    entries.first().map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn open(keep: &Keep, folder: &Path, entropy: &SharedEntropy) -> Result<Store, StoreError> {
    if *keep == Keep::Nowhere {
        return Ok(Store::in_memory());
    }
    let key = StoreKey::load_or_create(&folder.join(KEY), entropy)?;
    Store::open(&folder.join(DOCUMENTS), &key, entropy)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use service_kit::{SystemClock, SystemEntropy, VirtualClock};
    use tempfile::TempDir;

    use super::*;

    fn take(home: &TempDir, name: &str, keep: &Keep) -> Result<Place, PlaceError> {
        let instance = Instance::new(name, home.path()).unwrap();
        Place::take_now(&instance, keep, &SystemClock::shared(), &SystemEntropy::shared())
    }

    #[tokio::test]
    async fn who_ends_is_waited_for_and_who_stays_is_named() {
        let home = tempfile::tempdir().unwrap();
        let instance = Instance::new("demo", home.path()).unwrap();
        let hands = VirtualClock::at(Timestamp::UNIX_EPOCH);
        let (clock, entropy) = (hands.shared(), SystemEntropy::shared());
        let again = || Box::pin(Place::take(&instance, &Keep::WithInstance, &clock, &entropy));

        let first = again().await.unwrap();
        let mut second = again();
        assert!(futures_util::poll!(&mut second).is_pending(), "the first may be about to end");
        drop(first);
        hands.advance(SignedDuration::try_from(LOOK).unwrap());
        let _second = second.await.expect("the first has ended");

        let mut third = again();
        assert!(futures_util::poll!(&mut third).is_pending());
        hands.advance(SignedDuration::try_from(ENDING).unwrap());
        assert!(third.await.expect_err("the second stays").to_string().contains("already runs"));
    }

    fn refusal(home: &TempDir, name: &str, keep: &Keep) -> String {
        take(home, name, keep).expect_err("it is refused").to_string()
    }

    fn home() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_second_process_of_an_instance_is_refused_by_name_wherever_its_state_is() {
        let (home, process) = (home(), std::process::id());
        for (name, keep) in
            [("a", Keep::WithInstance), ("b", Keep::Nowhere), ("c", Keep::In(home.path().join("state-of-c")))]
        {
            let first = take(&home, name, &keep).unwrap();
            let refused = refusal(&home, name, &keep);
            let expected =
                format!("start the sandbox `{name}`: it already runs as process {process} since 2");
            assert!(refused.starts_with(&expected), "{refused}");
            let other = Keep::In(home.path().join("another"));
            assert!(refusal(&home, name, &other).starts_with(&expected), "another folder does not help");
            drop(first);
            take(&home, name, &keep).expect("control: it is free again");
        }
    }

    #[test]
    fn a_second_writer_of_a_folder_is_refused_by_the_name_of_the_first() {
        let (one, other, shared) = (home(), home(), home());
        let keep = Keep::In(shared.path().join("state"));
        let first = take(&one, "first", &keep).unwrap();
        assert!(first.claim().unwrap(), "a new folder has no containers");
        let refused = refusal(&other, "second", &keep);
        let process = std::process::id();
        let by = format!("is in use by process {process} of the sandbox `first` since 2");
        assert!(refused.contains("`second`: the state folder `") && refused.contains(&by), "{refused}");
        first.store.put("t", "k", &"v").unwrap();
        drop(first);

        // Killed or stopped, its containers may still be there: that is for the engine to say.
        let second = take(&other, "second", &keep).unwrap();
        assert_eq!(second.left_by.as_ref().map(|holder| holder.instance.as_str()), Some("first"));
        drop(second);
        let again = take(&one, "first", &keep).unwrap();
        assert_eq!((again.left_by.is_some(), again.claim().unwrap()), (false, false), "its own containers");
        drop(again);

        Holder::forget(&shared.path().join("state")).unwrap();
        let after_down = take(&other, "third", &keep).unwrap();
        assert!(after_down.left_by.is_none());
        assert!(after_down.claim().unwrap(), "nobody's containers are there");
        assert_eq!(after_down.store.get::<String>("t", "k").unwrap().as_deref(), Some("v"));
    }

    #[test]
    fn an_instance_that_was_not_taken_down_keeps_its_state_where_it_is() {
        let home = home();
        let (here, there) = (home.path().join("here"), home.path().join("there"));
        drop(take(&home, "a", &Keep::In(here.clone())).unwrap());
        let refused = refusal(&home, "a", &Keep::In(there.clone()));
        assert!(refused.ends_with(&format!("it keeps its state in `{}`", here.display())), "{refused}");
        assert!(!there.exists());
        refusal(&home, "a", &Keep::WithInstance);
        refusal(&home, "a", &Keep::Nowhere);
        drop(take(&home, "b", &Keep::WithInstance).unwrap());
        assert!(refusal(&home, "b", &Keep::Nowhere).ends_with("it keeps its state in its own folder"));
        // One without a state that was killed is in nobody's way, but may have left containers.
        drop(take(&home, "c", &Keep::Nowhere).unwrap());
        assert!(take(&home, "c", &Keep::WithInstance).unwrap().litter);
        assert!(!take(&home, "c", &Keep::WithInstance).unwrap().litter, "control");
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let (home, theirs) = (home(), home());
        fs_err::write(theirs.path().join("thesis.txt"), "years of work").unwrap();
        let keep = Keep::In(theirs.path().to_owned());
        let refused = refusal(&home, "a", &keep);
        assert!(refused.ends_with("holds `thesis.txt` and no state of a sandbox"), "{refused}");
        assert_eq!(fs_err::read_dir(theirs.path()).unwrap().count(), 1, "nothing was added");
        fs_err::remove_file(theirs.path().join("thesis.txt")).unwrap();
        take(&home, "a", &keep).expect("control: an empty one is taken");
    }

    #[test]
    fn without_a_state_there_are_no_documents_and_no_key_on_the_disk() {
        let home = home();
        let names = |name: &str| -> Vec<String> {
            let entries = fs_err::read_dir(home.path().join(name)).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let place = take(&home, "a", &Keep::Nowhere).unwrap();
        place.store.put("t", "k", &"planted-secret").unwrap();
        assert_eq!(names("a"), ["holder.json", "holder.lock"]);
        drop(take(&home, "b", &Keep::WithInstance).unwrap());
        assert_eq!(names("b"), ["holder.json", "holder.lock", "state.key", "state.redb"], "control");
    }
}
