//! Times as the service writes them: UTC with milliseconds, which every client's parser takes.

use jiff::Timestamp;

/// `2026-01-02T03:04:05.678Z`.
pub(crate) fn stamp(time: Timestamp) -> String {
    format!("{time:.3}")
}
