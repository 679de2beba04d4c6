//! The certificate authorities of the operator, which this program and its agent trust beside the public ones.
//!
//! The agent's own `--sslcacert` makes it trust nobody: it only tells the tools of a job which file to take
//! (azure-pipelines-agent: docs/design/clientcert.md, ExecutionContext.cs). What its .NET client trusts is the system's
//! store, which on Linux is OpenSSL's, and that is where `SSL_CERT_FILE` points. So the agent is given both: a file of
//! these authorities, and one of these and the public ones.

use std::path::{Path, PathBuf};

use fs_err as fs;
use reqwest::Certificate;

use crate::layout::Layout;
use crate::settings::{Given, Problem, Reader, is_plain_absolute};
use crate::variables::{self, Variable};

/// Variable of OpenSSL, and so of .NET on Linux, for the file of all trusted authorities.
pub(crate) const BUNDLE: &str = "SSL_CERT_FILE";

/// Longest file or text that is read: all public authorities together are a quarter of it.
const LIMIT: usize = 1024 * 1024;

/// The public authorities on the distributions that images are made from.
const PUBLIC: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the authorities are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Text(String),
}

/// Authorities that were read and can be used.
#[derive(Debug)]
pub(crate) struct Authorities {
    pem: String,
    certificates: Vec<Certificate>,
}

/// What the settings say. Pure.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<(Variable, Source)> {
    let file = reader.optional(&variables::CA_FILE);
    let text = reader.optional(&variables::CA_CERTIFICATE);
    match (file, text) {
        (Some(_), Some(_)) => {
            let text = format!("is set together with {}; set one of them", variables::CA_CERTIFICATE.name);
            reader.problem(variables::CA_FILE.name, text);
            None
        }
        (Some(Given { name, value }), None) => {
            let path = PathBuf::from(value);
            if is_plain_absolute(&path) {
                return Some((variables::CA_FILE, Source::File(path)));
            }
            reader.problem(name, "must be an absolute path without `..`");
            None
        }
        (None, Some(given)) => Some((variables::CA_CERTIFICATE, Source::Text(given.value))),
        (None, None) => None,
    }
}

impl Authorities {
    /// Reads them and tries them out, so that a file that no client could use is a problem of the configuration.
    pub(crate) fn load((variable, source): (Variable, Source)) -> Result<Self, Problem> {
        let problem = |text: String| Problem::new(variable.name, text);
        if cfg!(windows) {
            return Err(problem(
                "is for Linux alone: on Windows the agent trusts the machine's store; put the certificate there when \
                 the image is built (certutil -addstore Root FILE)"
                    .to_owned(),
            ));
        }
        let pem = match source {
            Source::Text(text) => text,
            Source::File(path) => fs::read_to_string(&path)
                .map_err(|error| problem(format!("cannot be read: {}", error.kind())))?,
        };
        if pem.len() > LIMIT {
            return Err(problem(format!("is longer than {} KiB", LIMIT / 1024)));
        }
        if pem.contains("PRIVATE KEY-----") {
            return Err(problem("holds a private key, which every job could read".to_owned()));
        }
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if certificates.is_empty() {
            return Err(problem("holds no certificate in PEM form".to_owned()));
        }
        let tried = reqwest::Client::builder().tls_certs_only(certificates.clone()).build();
        match tried {
            Ok(_) => Ok(Self { pem, certificates }),
            Err(_) => Err(problem("holds a certificate that cannot be read".to_owned())),
        }
    }

    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        self.certificates.clone()
    }

    /// Writes both files for the agent. `declared` is the bundle that the agent was to use up to now.
    pub(crate) fn install(&self, layout: &Layout, declared: Option<&str>) -> std::io::Result<()> {
        let public = match declared {
            Some(file) => fs::read_to_string(file)?,
            None => PUBLIC.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default(),
        };
        write_readable(&own_file(layout), &self.pem)?;
        write_readable(&bundle(layout), &format!("{}\n{public}", self.pem.trim_end()))
    }
}

/// The authorities of the operator alone.
pub(crate) fn own_file(layout: &Layout) -> PathBuf {
    folder(layout).join("azdo-ca.pem")
}

/// These and the public ones.
pub(crate) fn bundle(layout: &Layout) -> PathBuf {
    folder(layout).join("trusted-ca.pem")
}

/// Root's own, and readable: what the agent's user could change would not be the operator's word.
fn folder(layout: &Layout) -> &Path {
    layout.image_file.parent().unwrap_or(Path::new("/etc/mayfly"))
}

fn write_readable(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// Why a server's certificate was not accepted, if that is what went wrong. One whose time is over or has not come may be
/// a matter of the clock, and time may cure it.
pub(crate) fn distrust(causes: &str) -> Option<String> {
    let (_, reason) = causes.split_once("invalid peer certificate: ")?;
    let of_the_clock = ["expired", "not valid yet"].iter().any(|word| reason.contains(word));
    (!of_the_clock).then(|| format!("invalid certificate: {reason}"))
}

#[cfg(test)]
mod tests;
