//! The agent's RSA key: made at `config`, kept in `.credentials_rsaparams`, used to sign token requests and
//! to open the session's key (azure-pipelines-agent: RSAFileKeyManager.cs).
//!
//! On Linux the file is what the vendor's agent writes. On Windows the vendor protects it with machine-scope
//! DPAPI, which any process of the machine can undo; the stub writes the plain form there too.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey},
    signature::RSA_PKCS1_SHA256,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{der, hidden};

/// The agent's private key.
pub(crate) struct AgentKey {
    pair: KeyPair,
    numbers: Numbers,
}

impl std::fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentKey")
    }
}

/// The file's shape; names and cases as .NET's serialiser writes them.
#[derive(Serialize, Deserialize)]
struct Numbers {
    #[serde(rename = "ContainerName", default)]
    container_name: String,
    #[serde(rename = "UseCng", default)]
    use_cng: bool,
    d: String,
    dp: String,
    dq: String,
    exponent: String,
    #[serde(rename = "inverseQ")]
    inverse_q: String,
    modulus: String,
    p: String,
    q: String,
}

impl AgentKey {
    /// The stored key, or a new one of 2048 bits that is stored at once.
    pub(crate) fn load_or_create(file: &Path) -> anyhow::Result<Self> {
        if file.exists() {
            return Self::load(file);
        }
        let pair =
            KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("an RSA key could not be made"))?;
        let document: Pkcs8V1Der<'_> =
            pair.as_der().map_err(|_| anyhow!("an RSA key could not be written"))?;
        let numbers =
            der::numbers_of_pkcs8(document.as_ref()).context("an RSA key could not be read back")?;
        let [modulus, exponent, d, p, q, dp, dq, inverse_q] =
            <[Vec<u8>; 8]>::try_from(numbers).map_err(|_| anyhow!("an RSA key has eight numbers"))?;
        let text = |bytes: Vec<u8>| STANDARD.encode(bytes);
        let numbers = Numbers {
            container_name: String::new(),
            use_cng: false,
            d: text(d),
            dp: text(dp),
            dq: text(dq),
            exponent: text(exponent),
            inverse_q: text(inverse_q),
            modulus: text(modulus),
            p: text(p),
            q: text(q),
        };
        write_private(file, &serde_json::to_string_pretty(&numbers)?)?;
        Ok(Self { pair, numbers })
    }

    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        let numbers: Numbers = serde_json::from_str(&fs_err::read_to_string(file)?)
            .with_context(|| format!("read the key file `{}`", file.display()))?;
        let document = numbers.pkcs8()?;
        let pair = KeyPair::from_pkcs8(&document)
            .map_err(|error| anyhow!("the key file `{}` holds no usable key: {error}", file.display()))?;
        Ok(Self { pair, numbers })
    }

    /// `publicKey` of the registration: big-endian numbers without a sign byte.
    pub(crate) fn public_json(&self) -> Value {
        json!({ "exponent": self.numbers.exponent, "modulus": self.numbers.modulus })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| anyhow!("the token request could not be signed"))?;
        Ok(signature)
    }

    /// Opens what was encrypted for this agent with RSA-OAEP, SHA-1 for both hashes.
    pub(crate) fn open(&self, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let failed = || anyhow!("the session key could not be decrypted with this agent's key");
        let key = PrivateDecryptingKey::from_pkcs8(&self.numbers.pkcs8()?).map_err(|_| failed())?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| failed())?;
        let mut room = vec![0; key.min_output_size()];
        let plain = key.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut room, None).map_err(|_| failed())?;
        Ok(plain.to_vec())
    }
}

impl Numbers {
    fn pkcs8(&self) -> anyhow::Result<Vec<u8>> {
        let texts =
            [&self.modulus, &self.exponent, &self.d, &self.p, &self.q, &self.dp, &self.dq, &self.inverse_q];
        let numbers: Vec<Vec<u8>> = texts
            .iter()
            .map(|text| STANDARD.decode(text.as_bytes()))
            .collect::<Result<_, _>>()
            .context("the key file holds a number that is not base64")?;
        Ok(der::pkcs8_of_numbers(&numbers.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }
}

/// Writes a file that its owner alone may read, from its first byte on.
fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut opened = options.open(file).with_context(|| format!("create `{}`", file.display()))?;
    opened.write_all(text.as_bytes()).with_context(|| format!("write `{}`", file.display()))?;
    hidden::hide(file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey},
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::AgentKey;

    #[test]
    fn a_key_survives_its_file_and_opens_what_was_sealed_for_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("key");
        let made = AgentKey::load_or_create(&file).expect("made");
        let key = AgentKey::load_or_create(&file).expect("loaded");
        assert_eq!(made.public_json(), key.public_json());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs_err::metadata(&file).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }

        let public = key.public_json();
        let number = |name: &str| STANDARD.decode(public[name].as_str().expect("text")).expect("base64");
        let (n, e) = (number("modulus"), number("exponent"));
        assert_eq!(n.len(), 256, "no sign byte");
        let signature = key.sign(b"message").expect("signed");
        RsaPublicKeyComponents { n: &n, e: &e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, b"message", &signature)
            .expect("the published numbers verify the signature");

        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let document: PublicKeyX509Der<'_> = key.pair.public_key().as_der().expect("document");
        let sealer =
            OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(document.as_ref()).expect("key"))
                .expect("sealer");
        let mut sealed = vec![0; sealer.ciphertext_size()];
        sealer.encrypt(&OAEP_SHA1_MGF1SHA1, &[7; 32], &mut sealed, None).expect("sealed");
        assert_eq!(key.open(&sealed).expect("opened"), [7; 32]);
        key.open(&sealed[1..]).expect_err("a damaged key is refused");
    }
}
