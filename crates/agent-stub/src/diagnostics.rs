//! `_diag/Agent_*.log` and `_diag/Worker_*.log`. What is written there passes the masker.

use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{clock, masking::Masker};

/// A diagnostic log file. Without one (a folder that cannot be written) the lines are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostics {
    file: Option<Arc<Mutex<fs_err::File>>>,
    masker: Masker,
}

impl Diagnostics {
    /// Opens a new file named after the kind of process and the time.
    pub(crate) fn open(folder: &Path, kind: &str, masker: Masker) -> Self {
        let name = format!("{kind}_{}-utc.log", clock::now().strftime("%Y%m%d-%H%M%S"));
        let file = fs_err::create_dir_all(folder)
            .and_then(|()| fs_err::OpenOptions::new().create(true).append(true).open(folder.join(name)))
            .ok()
            .map(|file| Arc::new(Mutex::new(file)));
        Self { file, masker }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { file: None, masker: Masker::default() }
    }

    pub(crate) fn info(&self, text: &str) {
        self.write("INFO", text);
    }
    pub(crate) fn error(&self, text: &str) {
        self.write("ERR ", text);
    }

    fn write(&self, level: &str, text: &str) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A full disk must not stop the agent.
            drop(writeln!(file, "[{} {level}] {}", clock::console_time(), self.masker.mask(text)));
        }
    }
}
