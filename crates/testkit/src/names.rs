//! Names that parallel tests and parallel runs do not share.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

/// A name for a sandbox instance: `t-<test>-<process>-<random>`, short enough for an engine's object names.
pub fn unique_instance(test: &str) -> String {
    let plain: String = test.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    unique_name(&format!("t-{}", plain.to_ascii_lowercase()))
}

/// `<prefix>-<process>-<random>`, lower case, letters, digits and `-`.
pub fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(count);
    format!("{prefix}-{}-{:08x}", std::process::id(), random as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let names: BTreeSet<String> = (0..1000).map(|_| unique_instance("a_test")).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.starts_with("t-atest-")));
    }
}
