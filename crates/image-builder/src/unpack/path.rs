//! Names inside an archive. Pure.

/// A relative path without `.` and `..`, with `/` between its components. Empty for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryPath(String);

const LONGEST: usize = 1024;

impl EntryPath {
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(raw).map_err(|_| "has a name that is not UTF-8")?;
        if text.len() > LONGEST {
            return Err("has a name of more than 1024 bytes");
        }
        if text.starts_with('/') {
            return Err("has an absolute path");
        }
        if text.contains('\\') {
            return Err("has a backslash in its name, which Windows takes for a separator");
        }
        if text.chars().any(char::is_control) {
            return Err("has a control character in its name");
        }
        let mut components = Vec::new();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => return Err("leads out of the archive with `..`"),
                // A drive letter, or a second stream of a file on NTFS.
                other if other.contains(':') => return Err("has a colon in its name"),
                other => components.push(other),
            }
        }
        Ok(Self(components.join("/")))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// All folders above, outermost first.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// Files that a configured agent has in its root (azure-pipelines-agent: ConfigurationStore.cs).
    pub(crate) fn is_agent_state(&self) -> bool {
        const STATE: [&str; 4] = [".agent", ".credentials", ".credentials_rsaparams", ".credential_store"];
        STATE.iter().any(|name| self.0.eq_ignore_ascii_case(name))
    }
}

/// Whether a symbolic link at `path` leads to somewhere inside of the archive or folder that it is in.
pub(crate) fn link_stays_inside(path: &str, target: &str) -> Result<(), &'static str> {
    const OUTSIDE: &str = "is a link to something outside";
    if target.is_empty() || target.len() > LONGEST || target.chars().any(char::is_control) {
        return Err("is a link without a usable target");
    }
    if target.starts_with('/') || target.contains(['\\', ':']) {
        return Err(OUTSIDE);
    }
    let mut depth = path.matches('/').count();
    let mut descended = false;
    for component in target.split('/') {
        match component {
            "" | "." => {}
            // Behind a name, which may itself be a link, `..` could lead anywhere. The link's own folders are none.
            ".." if descended => return Err("is a link that goes down and up again"),
            ".." => depth = depth.checked_sub(1).ok_or(OUTSIDE)?,
            _ => descended = true,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_lead_outside_are_refused() {
        for name in ["../x", "a/../../x", "/etc/passwd", "a/..", "..", "C:/x", "a:b", "..\\x", "a\0b", "a\nb"]
        {
            assert!(EntryPath::parse(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(EntryPath::parse(b"\xff").is_err());
        assert_eq!(EntryPath::parse(b"./bin//x/").unwrap().text(), "bin/x");
        assert_eq!(EntryPath::parse(b"./").unwrap().text(), "");
        let deep = EntryPath::parse(b"a/b/c").unwrap();
        assert_eq!(deep.parents().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn links_are_followed_in_mind() {
        let link = |path: &str, target: &str| link_stays_inside(path, target);
        assert!(link("lib/libx.so", "libx.so.1").is_ok());
        assert!(link("a/b/c", "../../d").is_ok());
        for (path, target) in [
            ("a", ".."),
            ("a/b", "../.."),
            ("a", "/etc/passwd"),
            ("a", "b/../../c"),
            ("l", "a/up/.."),
            ("a", "C:/x"),
            ("a", "..\\x"),
            ("a", ""),
        ] {
            assert!(link(path, target).is_err(), "{path} -> {target}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_never_leads_outside(name in "[a-c./\\\\:]{0,20}") {
            if let Ok(path) = EntryPath::parse(name.as_bytes()) {
                prop_assert!(!path.text().starts_with('/'));
                prop_assert!(path.text().split('/').all(|component| component != ".."));
            }
        }
    }
}
