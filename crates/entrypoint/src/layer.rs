//! The net under the assumption that a restart is a new container: a used writable layer is recognised and refused.

use std::io::{ErrorKind, Write as _};

use fs_err as fs;
use jiff::Timestamp;

use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::platform;

const MARK: &str = "started";

/// Marks this file system as used. Succeeds exactly once per writable layer.
///
/// Creating the file is the test, so that two starts at the same time cannot both find the layer fresh.
pub(crate) fn claim(layout: &Layout, started: Timestamp) -> Result<(), Failure> {
    let unable = |error: std::io::Error| {
        Failure::agent(format!("mark the writable layer as used: {error}"))
            .hint("the container needs a writable file system of its own")
    };
    platform::create_private_directory(&layout.state_directory).map_err(unable)?;
    let mark = layout.state_directory.join(MARK);
    let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(&mark) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let earlier = fs::read_to_string(&mark).unwrap_or_default();
            return Err(used(format!("this writable layer was already used (at {})", earlier.trim())));
        }
        Err(error) => return Err(unable(error)),
    };
    writeln!(file, "{started}").and_then(|()| file.sync_all()).map_err(unable)
}

/// Refuses an agent folder in which an agent was configured before, wherever that happened.
pub(crate) fn check_agent_folder(layout: &Layout) -> Result<(), Failure> {
    for file in [layout.agent_settings(), layout.agent_credentials()] {
        if file.symlink_metadata().is_ok() {
            return Err(used(format!("`{}` exists: an agent was configured here before", file.display())));
        }
    }
    Ok(())
}

fn used(message: String) -> Failure {
    Failure::new(Exit::UsedLayer, message)
        .hint("an earlier job may have left files here; remove the container and create a new one from the image")
        .hint("Docker's restart policy keeps the layer: do not use it with this image")
}
