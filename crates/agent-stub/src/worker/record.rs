//! One record of the timeline: its state, its issues, its log (azure-pipelines-agent: ExecutionContext.cs, Logging.cs).

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{JobResult, queue::Queue};
use crate::{clock, masking::Masker};

/// At most so many issues are kept on a record.
const ISSUES: usize = 10;

/// A record that lines can be written to. A step's lines also go to the job's log.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    queue: Arc<Queue>,
    masker: Masker,
    log: Mutex<Option<LogFile>>,
    job: Option<Arc<Record>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: fs_err::File,
}

#[derive(Debug, Default)]
struct State {
    lines: u64,
    issues: Vec<Value>,
    errors: u32,
    warnings: u32,
}

/// The kind of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssueKind {
    Error,
    Warning,
}

impl Record {
    /// A record with a log in the folder of pages; `fields` are sent as its first state.
    pub(crate) fn new(
        id: &str,
        queue: &Arc<Queue>,
        masker: &Masker,
        pages: &Path,
        job: Option<&Arc<Self>>,
        fields: Value,
    ) -> Arc<Self> {
        let path = pages.join(format!("{id}_1.log"));
        let log = fs_err::create_dir_all(pages)
            .and_then(|()| fs_err::File::create(&path))
            .map(|file| LogFile { path, file })
            .ok();
        let record = Self {
            id: id.to_owned(),
            queue: queue.clone(),
            masker: masker.clone(),
            log: Mutex::new(log),
            job: job.cloned(),
            state: Mutex::default(),
        };
        record.update(fields);
        Arc::new(record)
    }

    /// Sends some fields of the record.
    pub(crate) fn update(&self, mut fields: Value) {
        fields["id"] = json!(self.id);
        self.queue.record(fields);
    }

    pub(crate) fn start(&self) {
        self.update(json!({ "state": "inProgress", "startTime": clock::round_trip_time() }));
    }

    /// Writes a line to the console feed and the logs.
    pub(crate) fn line(&self, text: &str) {
        let masked = self.masker.mask(text);
        for line in masked.split('\n') {
            let line = line.trim_end_matches('\r');
            let number = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.lines += 1;
                state.lines
            };
            self.queue.line(&self.id, number, line);
            let stamped = format!("{} {line}\n", clock::round_trip_time());
            self.append(&stamped);
            if let Some(job) = &self.job {
                job.append(&stamped);
            }
        }
    }

    fn append(&self, text: &str) {
        if let Some(log) = self.log.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // A full disk must not end the job.
            drop(log.file.write_all(text.as_bytes()));
        }
    }

    /// Adds an issue and writes it to the log.
    pub(crate) fn issue(&self, kind: IssueKind, message: &str) {
        let (word, tag) = match kind {
            IssueKind::Error => ("error", "##[error]"),
            IssueKind::Warning => ("warning", "##[warning]"),
        };
        self.line(&format!("{tag}{message}"));
        let fields = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match kind {
                IssueKind::Error => state.errors += 1,
                IssueKind::Warning => state.warnings += 1,
            }
            if state.issues.len() < ISSUES {
                state.issues.push(
                    json!({ "type": word, "category": "General", "message": self.masker.mask(message) }),
                );
            }
            json!({ "issues": state.issues, "errorCount": state.errors, "warningCount": state.warnings })
        };
        self.update(fields);
    }

    /// Ends the record and hands over its log.
    pub(crate) fn finish(&self, result: JobResult) {
        self.update(json!({
            "state": "completed",
            "result": result.wire(),
            "finishTime": clock::round_trip_time(),
            "percentComplete": 100,
        }));
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(log) = log {
            let LogFile { path, file } = log;
            drop(file);
            self.queue.log(&self.id, path);
        }
    }
}
