//! The process's environment, read once.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names and values. Built once in `main`; below it nothing asks the system again.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What this process was started with. Values that are not Unicode are left out: none of ours can be.
    pub(crate) fn of_this_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// A value that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a name is set at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// This environment with others laid over it.
    pub(crate) fn with(&self, over: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let mut all = self.0.clone();
        all.extend(over.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Self(all)
    }

    /// Where instances keep their state: `MAYFLY_HOME`, else the platform's place for state.
    pub(crate) fn home(&self) -> PathBuf {
        let below = |name: &str, rest: &str| self.get(name).map(|folder| PathBuf::from(folder).join(rest));
        below("MAYFLY_HOME", "")
            .or_else(|| below("XDG_STATE_HOME", "mayfly"))
            .or_else(|| below("LOCALAPPDATA", "mayfly"))
            .or_else(|| below("HOME", ".local/state/mayfly"))
            .unwrap_or_else(|| PathBuf::from(".mayfly"))
    }

    /// The instance of whoever names none. Docker knows instances of all users and checkouts by their names alone, so
    /// it follows from the folder that keeps its state.
    pub(crate) fn default_instance(&self) -> String {
        let home = self.home();
        let absolute = std::path::absolute(&home).unwrap_or(home);
        // FNV-1a, because the name must be the same with every build of this program.
        let digest = absolute.to_string_lossy().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("home-{:08x}", digest >> 32)
    }

    /// Where downloads and made base images are kept: `MAYFLY_CACHE_DIR`, else the platform's place for caches.
    pub(crate) fn cache(&self) -> PathBuf {
        let below = |name: &str, rest: &str| self.get(name).map(|folder| PathBuf::from(folder).join(rest));
        below("MAYFLY_CACHE_DIR", "")
            .or_else(|| below("XDG_CACHE_HOME", "mayfly"))
            .or_else(|| below("LOCALAPPDATA", "mayfly/cache"))
            .or_else(|| below("HOME", ".cache/mayfly"))
            .unwrap_or_else(|| PathBuf::from(".mayfly-cache"))
    }

    /// The entrypoint that goes into the image: `MAYFLY_ENTRYPOINT`, else the file beside this program.
    pub(crate) fn entrypoint(&self) -> Option<PathBuf> {
        if let Some(named) = self.get("MAYFLY_ENTRYPOINT") {
            return Some(named.into());
        }
        let beside = std::env::current_exe().ok()?.parent()?.join("mayfly-entrypoint");
        beside.is_file().then_some(beside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_homes_have_two_instances_and_one_home_has_one() {
        let of =
            |home: &str| Environment::default().with([("MAYFLY_HOME", home.to_owned())]).default_instance();
        assert_eq!(of("/a/target/mayfly"), of("/a/target/mayfly"));
        assert_ne!(of("/a/target/mayfly"), of("/b/target/mayfly"));
        assert!(sandbox::Instance::new(&of("/a"), std::path::Path::new("/a")).is_ok());
    }
}
