//! The agent's public key, the session key wrapped with it, and encrypted message bodies.
//!
//! Source: azure-pipelines-agent: MessageListener.cs, RSAFileKeyManager.cs (OAEP with SHA-1; AES-CBC, PKCS#7).

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use service_kit::Entropy;
use zeroize::ZeroizeOnDrop;

/// SHA-256 of some text as lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// An agent's RSA public key as .NET's `RSAParameters` has it: big-endian bytes, here without leading zeros.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireKey", into = "WireKey")]
pub(crate) struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The JSON form: standard base64.
#[derive(Clone, Serialize, Deserialize)]
struct WireKey {
    exponent: String,
    modulus: String,
}

/// Why a public key is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum KeyError {
    #[error("authorization.publicKey.{0} is not base64")]
    NotBase64(&'static str),
    #[error("authorization.publicKey.modulus has {0} bits; 2048 to 8192 are supported")]
    Size(usize),
    #[error("authorization.publicKey.exponent must be an odd number above 1")]
    Exponent,
    #[error("authorization.publicKey is not an RSA key")]
    NotRsa,
}

impl TryFrom<WireKey> for PublicKey {
    type Error = KeyError;

    fn try_from(wire: WireKey) -> Result<Self, KeyError> {
        let part = |text: &str, name| {
            let bytes = decoded(text).ok_or(KeyError::NotBase64(name))?;
            Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
        };
        let key =
            Self { modulus: part(&wire.modulus, "modulus")?, exponent: part(&wire.exponent, "exponent")? };
        let bits = key.modulus.len() * 8;
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        if key.exponent.last().is_none_or(|last| last % 2 == 0) || key.exponent == [1] {
            return Err(KeyError::Exponent);
        }
        key.encrypting()?;
        Ok(key)
    }
}

/// Base64 of either alphabet, with or without padding: .NET writes the standard one, JSON Web Keys the other.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD.decode(plain).ok()
}

impl From<PublicKey> for WireKey {
    fn from(key: PublicKey) -> Self {
        Self { exponent: STANDARD.encode(key.exponent), modulus: STANDARD.encode(key.modulus) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl PublicKey {
    fn components(&self) -> RsaPublicKeyComponents<&[u8]> {
        RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent }
    }

    fn encrypting(&self) -> Result<OaepPublicEncryptingKey, KeyError> {
        let key: PublicEncryptingKey = self.components().try_into().map_err(|_| KeyError::NotRsa)?;
        OaepPublicEncryptingKey::new(key).map_err(|_| KeyError::NotRsa)
    }

    /// The first 16 hex digits of the modulus' SHA-256: enough to see that a key changed.
    pub(crate) fn fingerprint(&self) -> String {
        sha256_hex(&self.modulus)[..16].to_owned()
    }

    /// Whether `signature` over `message` was made with this key (RSASSA-PKCS1-v1_5, SHA-256).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.components().verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }

    /// The session key as only the agent can read it, base64.
    pub(crate) fn wrap(&self, key: &SessionKey) -> Result<String, KeyError> {
        let encrypting = self.encrypting()?;
        let mut out = vec![0; encrypting.ciphertext_size()];
        let wrapped = encrypting
            .encrypt(&OAEP_SHA1_MGF1SHA1, &key.0[..], &mut out, None)
            .map_err(|_| KeyError::NotRsa)?;
        Ok(STANDARD.encode(wrapped))
    }
}

/// The AES-256 key of one session. Serialized only into the encrypted store.
#[derive(Clone, Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(crate) struct SessionKey([u8; 32]);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

impl SessionKey {
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self(key)
    }

    /// Encrypts a message body under a fresh IV.
    pub(crate) fn encrypt(&self, body: &str, entropy: &dyn Entropy) -> EncryptedBody {
        let mut iv = [0; 16];
        entropy.fill(&mut iv);
        let mut text = body.as_bytes().to_vec();
        UnboundCipherKey::new(&AES_256, &self.0[..])
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
            .and_then(|key| {
                key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(&iv)))
            })
            .expect("a 32 byte key and a 16 byte IV are what AES-256-CBC takes");
        EncryptedBody { iv: STANDARD.encode(iv), body: STANDARD.encode(text) }
    }
}

/// An encrypted message body, both parts base64.
#[derive(Debug)]
pub(crate) struct EncryptedBody {
    pub(crate) iv: String,
    pub(crate) body: String,
}

#[cfg(test)]
mod tests;
