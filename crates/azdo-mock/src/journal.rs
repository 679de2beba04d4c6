//! What was asked of the service and what happened, without secrets, the newest of each. Events are in the store too
//! and outlive the process; requests do not.

use axum::extract::{MatchedPath, Request};
use service_kit::{Entry, Recording, Ring, redacted};

use crate::app::AzureDevOps;
use crate::state::event::Event;

/// How many entries are kept.
pub(crate) const BOUND: usize = service_kit::JOURNAL_BOUND;

/// Query values that may be shown; every other one is replaced.
const SHOWN: &[&str] = &[
    "$top",
    "actionfilter",
    "agentid",
    "agentids",
    "agentname",
    "api-version",
    "checkfeatureexists",
    "completedrequestcount",
    "connectoptions",
    "continuationtoken",
    "currentstate",
    "demands",
    "includeassignedrequest",
    "includecapabilities",
    "includelastcompletedrequest",
    "includerecords",
    "jobid",
    "lastchangeid",
    "lastchangeid64",
    "lastmessageid",
    "locktoken",
    "planid",
    "platform",
    "poolid",
    "poolids",
    "poolname",
    "pooltype",
    "sessionid",
    "top",
];

/// Begins to record a request.
pub(crate) fn begin(service: &AzureDevOps, request: &Request) -> Recording {
    let path = {
        let state = service.state();
        redacted(request.uri().path(), request.uri().query(), SHOWN, |text| state.is_secret(text))
    };
    let mut entry = Entry::new(service.now(), request.method().as_str(), path);
    entry.route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let requests = service.journal().requests.clone();
    requests.begin(service.clock(), entry)
}

/// Requests and events, the newest of each.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) requests: service_kit::Journal,
    events: Ring<Event>,
}

impl Journal {
    /// A journal that goes on where the last process ended.
    pub(crate) fn with_events(events: impl IntoIterator<Item = Event>) -> Self {
        let mut journal = Self { requests: service_kit::Journal::default(), events: Ring::new(BOUND) };
        journal.extend(events);
        journal
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.events.clear();
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.events.push(event));
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.requests.entries()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.iter().cloned().collect()
    }
}
