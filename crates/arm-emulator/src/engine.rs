//! What goes on beyond a request: deployments, deletions, and how they are picked up after a crash.

pub(crate) mod exchange;
pub(crate) mod execute;
pub(crate) mod export;
pub(crate) mod links;
pub(crate) mod live;
pub(crate) mod operation;
pub(crate) mod plan;
pub(crate) mod reset;
pub(crate) mod restore;
pub(crate) mod seeding;
pub(crate) mod snapshot;
pub(crate) mod what_if;
