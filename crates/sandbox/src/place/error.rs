//! Why an instance cannot keep its state where it was told to.

use std::path::{Path, PathBuf};

use service_kit::StoreError;

use crate::hold::{Holder, Keep};
use crate::instance::InstanceError;

/// Why an instance cannot keep its state where it was told to.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Another process has the instance or the folder.
    #[error("start the sandbox `{instance}`: {}", in_use(instance, folder.as_deref(), holder.as_deref()))]
    InUse {
        /// The instance that was to start.
        instance: String,
        /// The folder, where it is the folder alone that is in use.
        folder: Option<PathBuf>,
        /// Who has it; `None` where it does not say.
        holder: Option<Box<Holder>>,
    },
    /// The folder belongs to another instance, which has something on the engine.
    #[error(
        "start the sandbox `{instance}`: `{}` is the state of the sandbox `{}`, whose containers are still there; process {} served it from {} on",
        folder.display(), holder.instance, holder.process_id, holder.since
    )]
    Foreign {
        /// The instance that was to start.
        instance: String,
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        holder: Box<Holder>,
    },
    /// The instance has its state in another place, and perhaps containers that belong to it.
    #[error("start the sandbox `{instance}`: it keeps its state {}", place(kept))]
    Elsewhere {
        /// The instance.
        instance: String,
        /// Where its state is.
        kept: Keep,
    },
    /// The folder is somebody else's.
    #[error(
        "start the sandbox `{instance}`: `{}` holds `{found}` and no state of a sandbox",
        folder.display()
    )]
    NotOurs {
        /// The instance.
        instance: String,
        /// The folder.
        folder: PathBuf,
        /// A file in it.
        found: String,
    },
    /// A folder could not be made.
    #[error(transparent)]
    Folder(#[from] InstanceError),
    /// The folder's lock could not be taken.
    #[error("lock the folder `{}`", folder.display())]
    Lock {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The documents could not be opened.
    #[error("start the sandbox: open its state")]
    Store(#[from] StoreError),
}

fn in_use(instance: &str, folder: Option<&Path>, holder: Option<&Holder>) -> String {
    let by = holder.map_or_else(
        || "another process".to_owned(),
        |holder| {
            format!(
                "process {} of the sandbox `{}` since {}",
                holder.process_id, holder.instance, holder.since
            )
        },
    );
    match (folder, holder) {
        (Some(folder), _) => format!("the state folder `{}` is in use by {by}", folder.display()),
        (None, Some(holder)) if holder.instance == instance => {
            format!("it already runs as process {} since {}", holder.process_id, holder.since)
        }
        (None, _) => format!("it already runs as {by}"),
    }
}

fn place(keep: &Keep) -> String {
    match keep {
        Keep::WithInstance => "in its own folder".to_owned(),
        Keep::In(folder) => format!("in `{}`", folder.display()),
        Keep::Nowhere => "nowhere".to_owned(),
    }
}
