//! Times as the service writes them: UTC with milliseconds, which every client's parser takes.

use jiff::Timestamp;

/// `2026-01-02T03:04:05.678Z`.
pub(crate) fn stamp(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Minutes as .NET's `TimeSpan` writes them: `[d.]hh:mm:ss`.
pub(crate) fn time_span(minutes: u32) -> String {
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let days = if days == 0 { String::new() } else { format!("{days}.") };
    format!("{days}{hours:02}:{minutes:02}:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_written_as_dotnet_does() {
        for (minutes, text) in [(5, "00:05:00"), (65, "01:05:00"), (35790, "24.20:30:00")] {
            assert_eq!(time_span(minutes), text);
        }
    }
}
