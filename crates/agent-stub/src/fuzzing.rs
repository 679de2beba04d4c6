//! Doors for the fuzz targets alone, behind the feature `fuzzing`. They panic where a law is broken.

use crate::masking::Masker;
use crate::wire::{JobMessage, Message};
use crate::worker::fuzzing as worker;

/// Any bytes are a message with a job or are refused; what a job says is secret is masked.
pub fn job_message(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Message>(bytes);
    let Ok(job) = serde_json::from_slice::<JobMessage>(bytes) else { return };
    let masker = Masker::default();
    for hint in &job.mask {
        if let Some(value) = &hint.value {
            masker.add_pattern(&value.0);
        }
    }
    for variable in job.variables.values().filter(|variable| variable.is_secret) {
        let Some(value) = &variable.value else { continue };
        masker.add_value(&value.0);
        let secret = value.0.trim();
        // Short ones may be a part of the mask itself.
        assert!(secret.len() < 4 || !masker.mask(&format!("x {secret} y")).contains(secret));
    }
    worker::steps(&job);
}

/// Any line of output is a command or is none.
pub fn line(text: &str) {
    worker::line(text);
}
