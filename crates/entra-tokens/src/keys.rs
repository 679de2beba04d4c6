//! RSA keys that sign JSON Web Tokens.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can go wrong with a key or a token made with it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The library could not make a key.
    #[error("generate an RSA key of 2048 bits")]
    Generate,
    /// The stored text is no key.
    #[error("read a stored RSA key: {0}")]
    Read(String),
    /// The token was not signed by this key or has run out.
    #[error("verify a token")]
    Verify(#[source] jsonwebtoken::errors::Error),
    /// The claims could not be encoded.
    #[error("sign a token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// An RSA key of 2048 bits. Clones share it.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    id: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new random key.
    pub fn generate() -> Result<Self, KeyError> {
        Self::with(KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?)
    }

    /// Takes up a key from [`SigningKey::to_pkcs8`].
    pub fn from_pkcs8(text: &str) -> Result<Self, KeyError> {
        let der = STANDARD.decode(text).map_err(|error| KeyError::Read(error.to_string()))?;
        Self::with(KeyPair::from_pkcs8(&der).map_err(|error| KeyError::Read(error.to_string()))?)
    }

    /// The private key as base64 of PKCS#8, for the instance's own encrypted store.
    pub fn to_pkcs8(&self) -> Result<String, KeyError> {
        let der: Pkcs8V1Der<'_> =
            self.pair.as_der().map_err(|_| KeyError::Read("the key cannot be encoded".into()))?;
        Ok(STANDARD.encode(der.as_ref()))
    }

    fn with(pair: KeyPair) -> Result<Self, KeyError> {
        let unreadable = |what: &str| KeyError::Read(format!("the key has no {what}"));
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| unreadable("private part"))?;
        let pem = pem_of(pkcs8.as_ref());
        let components: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
        let modulus = URL_SAFE_NO_PAD.encode(&components.n);
        let exponent = URL_SAFE_NO_PAD.encode(&components.e);
        let read = |error: jsonwebtoken::errors::Error| KeyError::Read(error.to_string());
        Ok(Self {
            encoding: EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(read)?,
            decoding: DecodingKey::from_rsa_components(&modulus, &exponent).map_err(read)?,
            id: URL_SAFE_NO_PAD.encode(&digest(&SHA256, &components.n).as_ref()[..15]),
            pair: Arc::new(pair),
        })
    }

    /// The key's id (`kid`): derived from the public key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key as a JSON Web Key (RFC 7517).
    pub fn jwk(&self) -> serde_json::Value {
        let components: PublicKeyComponents<Vec<u8>> = self.pair.public_key().into();
        serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(&components.n), "e": URL_SAFE_NO_PAD.encode(&components.e),
        })
    }

    /// A signed token (RS256) with these claims.
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<String, KeyError> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(KeyError::Sign)
    }

    /// Checks the signature alone and returns the claims. Times and audience are the caller's to check: this crate
    /// takes time from a clock that the library does not know.
    pub fn verify_signature<T: DeserializeOwned>(&self, token: &str) -> Result<T, KeyError> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded =
            jsonwebtoken::decode::<T>(token, &self.decoding, &validation).map_err(KeyError::Verify)?;
        Ok(decoded.claims)
    }
}

fn pem_of(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
