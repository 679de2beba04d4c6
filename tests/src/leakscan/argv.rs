//! Arguments of processes, watched on the host while an agent starts: a token in them lives for the time of `config`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use super::needles::Needles;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How many different command lines.
    pub(crate) looked: u64,
    /// Whether one of them was the agent's configuration: the watch proves itself.
    pub(crate) saw_configuration: bool,
    /// What, in which class, in the arguments of which program.
    pub(crate) found: BTreeSet<(String, &'static str, String)>,
}

/// A watch that goes on until it is asked.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    /// Begins.
    pub(crate) fn start(needles: &Needles) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, needles) = (Arc::clone(&stop), needles.clone());
        Self { stop, thread: std::thread::spawn(move || watch(&stopped, &needles)) }
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the watch over arguments ended early")
    }
}

fn watch(stop: &AtomicBool, needles: &Needles) -> Seen {
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        for entry in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
            let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
            if !is_process {
                continue;
            }
            let Ok(line) = fs_err::read(entry.path().join("cmdline")) else { continue };
            let text = String::from_utf8_lossy(&line).replace('\0', " ");
            if !known.insert(text.clone()) {
                continue;
            }
            seen.looked += 1;
            seen.saw_configuration |=
                text.contains("Agent.Listener configure") || text.contains("config.sh --unattended");
            let program = text.split_whitespace().next().unwrap_or_default().to_owned();
            seen.found.extend(
                needles.within(&line).into_iter().map(|(name, class)| (name, class, program.clone())),
            );
        }
        // A configuration takes some hundred milliseconds; between two rounds the machine has work to do.
        std::thread::sleep(std::time::Duration::from_millis(4));
    }
    seen
}
