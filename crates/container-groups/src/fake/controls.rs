//! What a test does to the engine, and what it asks of it.

use std::net::IpAddr;
use std::time::Duration;

use crate::fake::{Down, FakeRuntime};
use crate::group::RegistryCredential;
use crate::runtime::{ContainerId, CreateContainer, ExitStatus, Seen, SeenStatus};

impl FakeRuntime {
    /// Lets the engine answer (`false`) or not (`true`).
    pub fn set_down(&self, down: Down) {
        self.change(|state| state.down = down == Down::Yes);
    }

    /// Holds every pull back until [`FakeRuntime::release_pulls`].
    pub fn hold_pulls(&self) {
        self.change(|state| state.pulls_held = true);
    }

    /// Lets held pulls go on.
    pub fn release_pulls(&self) {
        self.change(|state| state.pulls_held = false);
    }

    /// Holds every creation of a container back until [`FakeRuntime::release_creations`].
    pub fn hold_creations(&self) {
        self.change(|state| state.creations_held = true);
    }

    /// Lets held creations go on.
    pub fn release_creations(&self) {
        self.change(|state| state.creations_held = false);
    }

    /// How many creations were held back so far.
    pub fn held_creations(&self) -> u32 {
        self.lock().creations_waiting
    }

    /// Makes an image inaccessible.
    pub fn refuse_image(&self, image: &str) {
        self.refuse_image_with(image, "manifest unknown");
    }

    /// Makes an image inaccessible, for a reason that the registry gives.
    pub fn refuse_image_with(&self, image: &str, reason: &str) {
        self.change(|state| state.refused_images.insert(image.to_owned(), reason.to_owned()));
    }

    /// Makes a registry ask for a login.
    pub fn require_login(&self, server: &str, username: &str, password: &str) {
        self.change(|state| {
            state.logins.insert(server.to_owned(), (username.to_owned(), password.to_owned()))
        });
    }

    /// Lets the next `count` starts fail.
    pub fn break_starts(&self, count: u32) {
        self.change(|state| state.broken_starts = count);
    }

    /// Calls that came while the engine was down.
    pub fn unanswered(&self) -> u32 {
        self.lock().unanswered
    }

    /// All containers.
    pub fn containers(&self) -> Vec<Seen> {
        self.lock().containers.iter().map(|held| held.seen.clone()).collect()
    }

    /// The running containers.
    pub fn running(&self) -> Vec<Seen> {
        let running = |one: &Seen| matches!(one.status, SeenStatus::Running { .. });
        self.containers().into_iter().filter(running).collect()
    }

    /// What a container was created from.
    pub fn request(&self, id: &str) -> Option<CreateContainer> {
        self.lock().containers.iter().find(|held| held.seen.id == id).map(|held| held.request.clone())
    }

    /// The names of all volumes.
    pub fn volumes(&self) -> Vec<String> {
        self.lock().volumes.keys().cloned().collect()
    }

    /// Containers that were killed, with the grace they were given.
    pub fn kills(&self) -> Vec<(ContainerId, Duration)> {
        self.lock().kills.clone()
    }

    /// The most generations of one container of one group that ever ran at once.
    pub fn most_running_at_once(&self) -> usize {
        self.lock().most_running.values().copied().max().unwrap_or(0)
    }

    /// Lets a running container end.
    pub fn exit(&self, id: &str, code: i32) {
        let now = self.clock.now();
        self.change(|state| {
            for held in state.containers.iter_mut().filter(|held| held.seen.id == id) {
                if let SeenStatus::Running { started } = held.seen.status {
                    held.seen.status = SeenStatus::Exited {
                        started,
                        exit: ExitStatus { code, finished: now, out_of_memory: false },
                    };
                }
            }
        });
    }

    /// Adds to what a container wrote.
    pub fn write_log(&self, id: &str, text: &str) {
        self.change(|state| {
            for held in state.containers.iter_mut().filter(|held| held.seen.id == id) {
                held.log.extend_from_slice(text.as_bytes());
            }
        });
    }

    /// Every login that came with an image.
    pub fn logins_seen(&self) -> Vec<RegistryCredential> {
        self.lock().logins_seen.clone()
    }

    /// What commands that probe a container end with from now on.
    pub fn set_probe_code(&self, code: i64) {
        self.change(|state| state.probe_code = code);
    }

    /// How many commands were run to probe a container.
    pub fn probes(&self) -> u64 {
        self.lock().probes
    }

    /// Gives a container an address; without one it has that of this host.
    pub fn set_address(&self, id: &str, address: IpAddr) {
        self.change(|state| state.addresses.insert(id.to_owned(), address));
    }

    /// Makes a container vanish behind the service's back.
    pub fn vanish(&self, id: &str) {
        self.change(|state| state.containers.retain(|held| held.seen.id != id));
    }
}
