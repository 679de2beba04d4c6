//! What every server of the sandbox shares, and nothing of what any of them emulates.
//!
//! - [`serve_http`] and [`serve_https`] bind first and return the bound address; nobody waits for a port to open.
//! - [`Shutdown`] owns every task that outlives a request.
//! - [`Authority`] issues the certificates of one instance.
//! - [`Store`] keeps JSON documents, encrypted at rest, through `kill -9`; [`SnapshotWriter`] puts them, with files, into one
//!   sealed file that [`SnapshotReader`] reads.
//! - [`Clock`] and [`Entropy`] make time and randomness inputs.
//! - [`Journal`] and [`Faults`] are what a test author sees of requests, and what goes wrong with them on demand.
//!
//! It knows no protocol of Azure: error envelopes, routes and tokens live in the crates that speak them.

mod causes;
mod clock;
mod connection;
mod control;
mod entropy;
mod faults;
mod journal;
mod parking;
mod ports;
mod ring;
mod serve;
mod shutdown;
mod snapshot;
mod store;
mod tls;
mod unread;

pub use causes::with_causes;
pub use clock::{Clock, ManualClock, SharedClock, SystemClock, VirtualClock};
pub use connection::Connection;
pub use control::{ControlError, ResetBody, Seeds, apart};
pub use entropy::{Entropy, SeededEntropy, SharedEntropy, SystemEntropy};
pub use faults::{Aim, Cut, Faults, Hit, NewFault, Place, fault_routes};
pub use journal::{Entry, JOURNAL_BOUND, Journal, JournalFilter, Recording, redacted};
pub use parking::Parking;
pub use ports::{lasting_port, port_is_free};
pub use ring::Ring;
pub use serve::{serve_http, serve_https};
pub use shutdown::Shutdown;
pub use snapshot::{
    SNAPSHOT_KEY, SnapshotFile, SnapshotFileError, SnapshotReader, SnapshotWriter, WHOLE, snapshot_key,
    snapshot_received,
};
pub use store::{Batch, SealedError, Store, StoreDocument, StoreError, StoreKey};
pub use tls::{Authority, ServerTls, TlsError};
