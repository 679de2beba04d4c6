//! What was built before the run. A test that finds nothing there fails and says how to get it.

use std::path::PathBuf;

/// Paths and names that `cargo xtask` hands over.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// The product binary.
    pub mayfly: PathBuf,
    /// The static entrypoint.
    pub entrypoint: PathBuf,
    /// What an attacker's job runs, where the command that started this brings it.
    pub leak_hunter: Option<PathBuf>,
    /// Folder with the stub agent's package.
    pub packages: PathBuf,
    /// Folder for downloads.
    pub cache: PathBuf,
    /// The Python environment of the clients that are not ours, where the command that started this brings it.
    pub clients: Option<PathBuf>,
    /// The base image of agent images.
    pub base_image: String,
}

impl Artifacts {
    /// Reads the hand-over.
    ///
    /// # Panics
    /// Where a value is missing: the suite was not started by `cargo xtask e2e` or `cargo xtask test`.
    pub fn handed_over() -> Self {
        let read = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!(
                    "{name} is not set: run the suite with `cargo xtask e2e`, which builds everything first"
                )
            })
        };
        Self {
            mayfly: read("MAYFLY_BIN").into(),
            entrypoint: read("MAYFLY_ENTRYPOINT").into(),
            leak_hunter: std::env::var_os("MAYFLY_LEAK_HUNTER").map(PathBuf::from),
            packages: read("MAYFLY_AGENT_PACKAGES").into(),
            cache: read("MAYFLY_CACHE_DIR").into(),
            clients: std::env::var_os("MAYFLY_TEST_CLIENTS").map(PathBuf::from),
            base_image: read("MAYFLY_TEST_BASE_IMAGE"),
        }
    }
}
