//! A certificate authority per instance, and what it issues.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::clock::SharedClock;

/// What can go wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority could not be made or read.
    #[error("make or read the certificate authority")]
    Authority(#[source] rcgen::Error),
    /// A server certificate could not be made.
    #[error("issue a certificate for `{names}`")]
    Issue {
        /// The names it was to carry.
        names: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The TLS library refused the certificate.
    #[error("set up TLS for `{names}`")]
    Config {
        /// The names of the certificate.
        names: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A certificate authority that only one instance's clients trust.
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
    clock: SharedClock,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A server's certificate and key, ready to serve.
#[derive(Clone)]
pub struct ServerTls(pub(crate) Arc<rustls::ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl Authority {
    /// Makes a new authority, valid for ten years from the clock's now.
    pub fn create(clock: &SharedClock) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Authority)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Mayfly sandbox CA");
        // Python 3.13's strict mode refuses an authority without key usage.
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, clock.now(), 3650);
        let certificate = params.self_signed(&key).map_err(TlsError::Authority)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem(), clock: clock.clone() })
    }

    /// Takes up an authority that was kept.
    pub fn from_pem(certificate_pem: String, key_pem: String, clock: &SharedClock) -> Result<Self, TlsError> {
        let authority = Self { certificate_pem, key_pem, clock: clock.clone() };
        authority.issuer().map_err(TlsError::Authority)?;
        Ok(authority)
    }

    /// The certificate that clients trust, as PEM.
    pub fn cert_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, as PEM. Belongs in the instance's own state and nowhere else.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Issues a server certificate for host names and IP addresses, valid for two years.
    pub fn issue(&self, names: &[String]) -> Result<ServerTls, TlsError> {
        let listed = names.join(", ");
        let failed = |source| TlsError::Issue { names: listed.clone(), source };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, self.clock.now(), 730);
        let leaf = params.signed_by(&key, &self.issuer().map_err(failed)?).map_err(failed)?;
        self.server_config(leaf.der().clone(), &key)
            .map_err(|source| TlsError::Config { names: listed, source })
    }

    fn issuer(&self) -> Result<Issuer<'_, KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_pem(&self.certificate_pem, KeyPair::from_pem(&self.key_pem)?)
    }

    fn server_config(
        &self,
        leaf: CertificateDer<'static>,
        key: &KeyPair,
    ) -> Result<ServerTls, Box<dyn std::error::Error + Send + Sync>> {
        let authority = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf, authority], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServerTls(Arc::new(config)))
    }
}

fn validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    // A day of slack: clients in containers and virtual machines run behind.
    let date = |at: Timestamp| {
        let civil = at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(
            i32::from(civil.year()),
            u8::try_from(civil.month()).expect("a month is 1 to 12"),
            u8::try_from(civil.day()).expect("a day is 1 to 31"),
        )
    };
    let shift = |hours| now.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(now);
    params.not_before = date(shift(-24));
    params.not_after = date(shift(days * 24));
}
