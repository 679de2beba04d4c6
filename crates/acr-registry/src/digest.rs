//! Digests: what content is named after. Computed as the bytes pass, never over content held in memory.
//!
//! Grammar and the two registered algorithms: opencontainers/image-spec, `descriptor.md`, "Digests".

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use serde::{Deserialize, Serialize};

/// What computes a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// The names of all that are known, for messages.
    pub(crate) const SUPPORTED: &str = "sha256, sha512";

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a digest has.
    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// `<algorithm>:<lower-case hexadecimal digits>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Digest(String);

impl Digest {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (algorithm, digits) = text.split_once(':')?;
        let algorithm = Algorithm::parse(algorithm)?;
        let fits = digits.len() == algorithm.digits()
            && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The digest that content has when nobody asks for another algorithm.
    #[cfg(test)]
    pub(crate) fn of(content: &[u8]) -> Self {
        Self::by(Algorithm::Sha256, content)
    }

    /// The digest of content that is in memory anyway.
    pub(crate) fn by(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    /// The part behind the colon, good for a file name: its length tells the algorithms apart.
    pub(crate) fn hex(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, digits)| digits)
    }

    /// The digest whose file has this name.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        [Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find_map(|algorithm| Self::parse(&format!("{}:{name}", algorithm.name())))
    }
}

/// A digest on its way. A clone goes on from where it is.
#[derive(Clone)]
pub(crate) struct Hasher {
    algorithm: Algorithm,
    context: Context,
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let context = match algorithm {
            Algorithm::Sha256 => Context::new(&SHA256),
            Algorithm::Sha512 => Context::new(&SHA512),
        };
        Self { algorithm, context }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(format!("{}:{}", self.algorithm.name(), hex::encode(self.context.finish().as_ref())))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is no digest of one of these kinds: {}", Algorithm::SUPPORTED))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-4's example "abc".
        let sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(Digest::of(b"abc").to_string(), sha256);
        assert_eq!(Digest::by(Algorithm::Sha512, b"abc").to_string(), sha512);
        for text in [sha256, sha512] {
            let digest = Digest::parse(text).unwrap();
            assert_eq!(Digest::from_file_name(digest.hex()), Some(digest.clone()));
            assert_eq!(Digest::by(digest.algorithm(), b"abc"), digest);
        }
    }

    #[test]
    fn what_is_no_digest_is_not_read() {
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [
            String::new(),
            digits.to_owned(),
            format!("sha384:{digits}"),
            format!("sha512:{digits}"),
            format!("sha256:{}", digits.to_uppercase()),
            format!("sha256:{digits}0"),
            format!("sha256:{}", &digits[1..]),
            format!("SHA256:{digits}"),
            "sha256:../../etc/passwd".into(),
        ] {
            assert_eq!(Digest::parse(&text), None, "{text}");
        }
        assert_eq!(Digest::from_file_name(".."), None);
    }
}
