//! What a build says while it runs. The library prints nothing by itself.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Receives what is being done. All methods return at once.
pub trait Reporter: Send + Sync {
    /// A step begins or has something to say, such as `download agent 4.270.0`.
    fn step(&self, message: &str);

    /// One line of the engine's build or push log.
    fn log(&self, line: &str);

    /// How far the current download is, in bytes. Called often.
    fn progress(&self, done: u64, total: Option<u64>);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn step(&self, _: &str) {}
    fn log(&self, _: &str) {}
    fn progress(&self, _: u64, _: Option<u64>) {}
}

/// Writes to stderr: a progress bar on a terminal, one line for each tenth of a download elsewhere.
#[derive(Debug)]
pub struct Console {
    bar: Option<ProgressBar>,
    lines: Mutex<Coarse>,
}

impl Default for Console {
    fn default() -> Self {
        Self::stderr()
    }
}

impl Console {
    /// A console on stderr.
    pub fn stderr() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar
        });
        Self { bar, lines: Mutex::new(Coarse::default()) }
    }

    fn print(&self, line: &str) {
        let write = || {
            // A closed stderr must not end the build.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Reporter for Console {
    fn step(&self, message: &str) {
        self.print(message);
    }

    fn log(&self, line: &str) {
        self.print(&format!("  | {line}"));
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
            if total == Some(done) {
                bar.finish_and_clear();
            }
            return;
        }
        let line = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).line(done, total);
        if let Some(line) = line {
            self.print(&line);
        }
    }
}

/// Turns many calls into few lines.
#[derive(Debug, Default)]
struct Coarse {
    last: Option<u64>,
}

impl Coarse {
    const MIB: u64 = 1024 * 1024;

    fn line(&mut self, done: u64, total: Option<u64>) -> Option<String> {
        // Tenths of a known size, else every 32 MiB.
        let mark = match total {
            Some(total) if total > 0 => done.saturating_mul(10) / total,
            _ => done / (32 * Self::MIB),
        };
        if self.last.is_some_and(|last| last == mark) || mark == 0 {
            self.last = Some(mark);
            return None;
        }
        self.last = Some(mark);
        let done = done / Self::MIB;
        Some(match total {
            Some(total) => format!("  {}0% ({done} of {} MiB)", mark, total / Self::MIB),
            None => format!("  {done} MiB"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_download_gives_ten_lines() {
        let mut coarse = Coarse::default();
        let total = 100 * Coarse::MIB;
        let lines: Vec<_> =
            (0..=1000).filter_map(|step| coarse.line(step * total / 1000, Some(total))).collect();
        assert_eq!(lines.len(), 10, "{lines:?}");
        assert_eq!(lines[0], "  10% (10 of 100 MiB)");
        assert_eq!(lines[9], "  100% (100 of 100 MiB)");
    }

    #[test]
    fn an_unknown_size_is_counted_in_steps_of_32_mib() {
        let mut coarse = Coarse::default();
        let lines: Vec<_> = (0..100).filter_map(|mib| coarse.line(mib * Coarse::MIB, None)).collect();
        assert_eq!(lines, ["  32 MiB", "  64 MiB", "  96 MiB"]);
    }
}
