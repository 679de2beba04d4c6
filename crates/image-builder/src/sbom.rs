//! What the image is made of, as CycloneDX 1.5 (cyclonedx.org/docs/1.5/json). Pure.
//!
//! No serial number and no time of its own: the same image has the same list.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

/// A package of the base image, from dpkg's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DebianPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
}

/// Installed packages out of `/var/lib/dpkg/status` (deb-control(5)), by name.
pub(crate) fn installed(status: &str) -> Vec<DebianPackage> {
    let mut found = Vec::new();
    for stanza in status.split("\n\n") {
        // Lines that begin with a space go on with the field above, which is none of these.
        let fields: BTreeMap<&str, &str> = stanza
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
            .collect();
        let field = |name| fields.get(name).map(|value| (*value).to_owned());
        let is_installed = fields.get("Status").is_some_and(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (is_installed, field("Package"), field("Version")) {
            let architecture = field("Architecture").unwrap_or_else(|| "all".to_owned());
            found.push(DebianPackage { name, version, architecture });
        }
    }
    found.sort_by(|one, other| (&one.name, &one.architecture).cmp(&(&other.name, &other.architecture)));
    found
}

/// A program or archive that goes into the image as it is.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: Option<String>,
    pub(crate) sha256: &'a str,
    /// What it was put together from, as name and version.
    pub(crate) crates: Vec<(String, String)>,
}

/// What the list is about.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) created: Timestamp,
    pub(crate) version: String,
    /// `ID` and `VERSION_CODENAME` of the base image's os-release.
    pub(crate) distribution: (String, Option<String>),
    pub(crate) packages: Vec<DebianPackage>,
    pub(crate) parts: Vec<Part<'a>>,
}

/// Writes the list.
pub(crate) fn cyclonedx(contents: &Contents<'_>) -> Vec<u8> {
    let (id, codename) = &contents.distribution;
    let distro = codename.as_ref().map(|name| format!("&distro={name}")).unwrap_or_default();
    let packages = contents.packages.iter().map(|package| {
        let (name, version) = (escaped(&package.name), escaped(&package.version));
        let purl = format!("pkg:deb/{id}/{name}@{version}?arch={}{distro}", package.architecture);
        json!({"type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl})
    });
    let parts = contents.parts.iter().map(|part| {
        let mut component = json!({"type": "application", "bom-ref": part.name, "name": part.name,
            "hashes": [{"alg": "SHA-256", "content": part.sha256}]});
        if let Some(version) = &part.version {
            component["version"] = Value::from(version.as_str());
        }
        if !part.crates.is_empty() {
            component["components"] =
                part.crates.iter().map(|(name, version)| crate_of(name, version)).collect();
        }
        component
    });
    let list = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "timestamp": contents.created.to_string(),
            "tools": {"components": [{"type": "application", "name": "mayfly", "version": env!("CARGO_PKG_VERSION")}]},
            "component": {"type": "container", "name": "mayfly-agent", "version": contents.version},
        },
        "components": parts.chain(packages).collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_vec_pretty(&list).unwrap_or_default();
    text.push(b'\n');
    text
}

fn crate_of(name: &str, version: &str) -> Value {
    let purl = format!("pkg:cargo/{name}@{}", escaped(version));
    json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
}

/// Percent-encodes what a package URL keeps for itself (package-url/purl-spec).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Crates out of a list with a line `name vVERSION` for each, as `cargo tree --prefix none` prints it.
pub(crate) fn crates(list: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((name.to_owned(), version.to_owned()))
    };
    let mut found: Vec<_> = list.lines().filter_map(line).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13.dfsg-1\n\
        Description: compression\n Package: not-a-field\n\nPackage: gone\nStatus: deinstall ok config-files\n\
        Version: 1\n\nPackage: adduser\nStatus: install ok installed\nArchitecture: all\nVersion: 3.134+b1\n";

    #[test]
    fn only_what_is_installed_is_listed() {
        let found = installed(STATUS);
        let names: Vec<_> = found.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["adduser", "zlib1g"]);
        assert_eq!(found[1].version, "1:1.2.13.dfsg-1");
    }

    #[test]
    fn the_list_names_packages_parts_and_crates() {
        let part = Part {
            name: "mayfly-entrypoint",
            version: None,
            sha256: "ab",
            crates: crates("rustix v1.0.0\nentrypoint v0.1.0 (/somewhere)\nrustix v1.0.0 (*)\n\n"),
        };
        let contents = Contents {
            created: "2023-06-10T00:00:00Z".parse().unwrap(),
            version: "4.270.0".into(),
            distribution: ("debian".into(), Some("bookworm".into())),
            packages: installed(STATUS),
            parts: vec![part],
        };
        let text = cyclonedx(&contents);
        assert_eq!(text, cyclonedx(&contents));
        let list: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(list["bomFormat"], "CycloneDX");
        let components = list["components"].as_array().unwrap();
        assert_eq!(components.len(), 3);
        assert_eq!(components[1]["purl"], "pkg:deb/debian/adduser@3.134%2Bb1?arch=all&distro=bookworm");
        let crates = components[0]["components"].as_array().unwrap();
        assert_eq!((crates.len(), &crates[1]["purl"]), (2, &Value::from("pkg:cargo/rustix@1.0.0")));
        assert!(!String::from_utf8_lossy(&text).contains("/somewhere"));
    }
}
