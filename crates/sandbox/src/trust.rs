//! The files by which clients trust a sandbox.

use std::path::PathBuf;

use crate::up::{Base, UpError, at};

/// Writes the authority's certificate, alone and joined with what the system trusts.
pub(crate) fn files(base: &Base<'_>) -> Result<(PathBuf, PathBuf), UpError> {
    let (alone, joined) =
        (base.instance.folder().join("ca.pem"), base.instance.folder().join("ca-bundle.pem"));
    let own = base.identity.authority.cert_pem();
    fs_err::write(&alone, own).map_err(at("write its certificate"))?;
    let system =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
            .into_iter()
            .find_map(|file| fs_err::read_to_string(file).ok())
            .unwrap_or_default();
    fs_err::write(&joined, format!("{own}\n{system}")).map_err(at("write its certificate bundle"))?;
    Ok((alone, joined))
}
