//! Containers that run before the others: in order, one at a time, each to its end.
//!
//! Source: MicrosoftDocs/azure-docs: container-instances-init-container.md. An operation with such containers is not over
//! when the first of them runs; what happens to them drives it on.

use jiff::SignedDuration;

use crate::error::GroupError;
use crate::group::GroupSpec;
use crate::record::{NextStep, Operation};
use crate::runtime::RuntimeError;
use crate::state::Event;
use crate::worker::effects::sleep_until;
use crate::worker::{Reached, Signal, Trouble, Worker};

/// How long a deployment may take: `provisioningTimeoutInSeconds` of every group.
const PROVISIONING_TIME: SignedDuration = SignedDuration::from_mins(30);

impl Worker {
    /// Clears the way and starts the first of them.
    pub(super) async fn initialise(&mut self, spec: &GroupSpec) -> Result<Reached, Trouble> {
        for container in spec.all_containers() {
            self.feed(&container.name, Event::Hold).await?;
        }
        self.watch_holder();
        self.watch_time();
        self.remove_strangers(spec).await?;
        self.note_address(spec).await?;
        self.advance().await?;
        Ok(Reached::Waiting)
    }

    /// Goes as far as can be gone without waiting.
    pub(super) async fn advance(&mut self) -> Result<(), RuntimeError> {
        loop {
            // Apart from the match, so that the record is let go.
            let next = self.entry.record().next_step();
            match next {
                NextStep::Nothing => return Ok(()),
                NextStep::Begin(container) => self.feed(&container, Event::Deploy).await?,
                NextStep::Fail(container, code) => {
                    self.finish(Operation::Deploy, Err(self.init_failed(&container, code)));
                }
                NextStep::Conclude => self.finish(Operation::Deploy, self.check_started()),
            }
        }
    }

    fn init_failed(&self, container: &str, code: i32) -> GroupError {
        let group = self.entry.record().spec.name.clone();
        // The service's own words are not published.
        GroupError::new(
            400,
            "InitContainerFailed",
            format!(
                "The init container '{container}' in container group '{group}' ended with exit code {code}."
            ),
        )
    }

    /// Reports when a deployment that waits has taken too long.
    pub(super) fn watch_time(&mut self) {
        let began = {
            let record = self.entry.record();
            record.began.filter(|_| record.is_initialising())
        };
        let Some(until) = began.and_then(|began| began.checked_add(PROVISIONING_TIME).ok()) else { return };
        let clock = self.shared.settings.clock.clone();
        self.signals.spawn(async move {
            sleep_until(&clock, until).await;
            Signal::Overdue
        });
    }

    /// The deployment has failed; what runs goes on running, as at the service.
    pub(super) fn give_up_waiting(&mut self) {
        let (waiting, name) = {
            let record = self.entry.record();
            (record.is_initialising(), record.spec.name.clone())
        };
        if waiting {
            let message = format!(
                "The container group '{name}' did not reach the state Running within {} minutes.",
                PROVISIONING_TIME.as_mins()
            );
            // The state is documented (container-state.md), the code is assumed.
            self.finish(
                Operation::Deploy,
                Err(GroupError::new(400, "ContainerGroupProvisioningTimeout", message)),
            );
        }
    }
}
