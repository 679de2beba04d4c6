//! What another process takes of the machine, as the kernel counts it.

use std::io;

/// A process that is looked at. Linux only; elsewhere every look is an error.
#[derive(Debug, Clone, Copy)]
pub struct Watched(pub u32);

impl Watched {
    /// Resident memory in KiB.
    pub fn resident(self) -> io::Result<f64> {
        self.status("VmRSS:")
    }

    /// The most resident memory since [`Watched::forget_peak`], in KiB.
    pub fn peak(self) -> io::Result<f64> {
        self.status("VmHWM:")
    }

    /// Begins to look for a new peak.
    pub fn forget_peak(self) -> io::Result<()> {
        fs_err::write(self.file("clear_refs"), "5")
    }

    /// Processor time so far, in milliseconds; the kernel counts in steps of ten.
    pub fn worked(self) -> io::Result<f64> {
        let stat = fs_err::read_to_string(self.file("stat"))?;
        worked(&stat).ok_or_else(|| io::Error::other("no processor time"))
    }

    fn file(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0)
    }

    fn status(self, name: &str) -> io::Result<f64> {
        let text = fs_err::read_to_string(self.file("status"))?;
        entry(&text, name).ok_or_else(|| io::Error::other(format!("no {name}")))
    }
}

fn entry(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// User and system time. The name may hold blanks and brackets, so fields are counted from behind it.
fn worked(stat: &str) -> Option<f64> {
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_lines_are_read() {
        assert_eq!(entry("VmPeak:\t  9 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234.0));
        assert_eq!(entry("VmPeak:\t  9 kB\n", "VmRSS:"), None);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20";
        assert_eq!(worked(stat), Some(1230.0));
        assert_eq!(worked("7 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_was_taken_is_seen_and_forgotten() {
        let own = Watched(std::process::id());
        let before = own.resident().unwrap();
        let taken = vec![7_u8; 64 << 20];
        assert!(own.resident().unwrap() > before + 60.0 * 1024.0, "{}", taken.len());
        drop(taken);
        own.forget_peak().unwrap();
        assert!(own.peak().unwrap() < before + 60.0 * 1024.0);
        assert!(own.worked().unwrap() >= 0.0);
    }
}
