//! Workload identity federation: an application logs in with a token that another issuer signed (RFC 7523, as in
//! Microsoft's "Access token request with a federated credential").

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::applications::Application;

/// The one audience that Entra takes.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
/// What `client_assertion_type` has to be.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Clocks may be off by this much, in seconds.
const SKEW: i64 = 300;

/// Whose tokens stand for an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FederatedCredential {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) keys: Vec<PublicKey>,
}

/// An RSA key of the issuer, from its JSON Web Key Set. Entra fetches the set; here it is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicKey {
    pub(crate) kty: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    pub(crate) n: String,
    pub(crate) e: String,
}

impl PublicKey {
    pub(crate) fn decoding(&self) -> Option<DecodingKey> {
        if self.kty != "RSA" {
            return None;
        }
        DecodingKey::from_rsa_components(&self.n, &self.e).ok()
    }
}

/// Why an assertion does not let in, in Entra's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AssertionFault {
    pub(crate) error: &'static str,
    pub(crate) code: u32,
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Value>,
    exp: Option<i64>,
    nbf: Option<i64>,
}

/// Checks an assertion against the application's federated credentials at `now` (seconds since 1970).
pub(crate) fn check(application: &Application, assertion: &str, now: i64) -> Result<(), AssertionFault> {
    let malformed = || AssertionFault {
        error: "invalid_request",
        code: 50027,
        text: "JWT token is invalid or malformed.".to_owned(),
    };
    let claims = read(assertion).ok_or_else(malformed)?;
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| malformed())?;
    let (issuer, subject) = (claims.iss.unwrap_or_default(), claims.sub.unwrap_or_default());
    let audiences = match claims.aud {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    };
    let matching = application.federated.iter().find(|credential| {
        // Compared with case, as Entra does.
        credential.issuer == issuer
            && credential.subject == subject
            && audiences.contains(&credential.audience)
    });
    let Some(credential) = matching else {
        return Err(AssertionFault {
            error: "invalid_request",
            code: 70021,
            text: format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. \
                 Assertion Subject: '{subject}'. Assertion Audience: '{}'. \
                 https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation",
                audiences.join(", ")
            ),
        });
    };
    if !signed(credential, assertion, header.alg, header.kid.as_deref()) {
        let shown = URL_SAFE_NO_PAD.encode(digest(&SHA256, assertion.as_bytes()));
        tracing::debug!(assertion_sha256 = %shown, %issuer, "the signature of a client assertion is not good");
        return Err(AssertionFault {
            error: "invalid_client",
            code: 50013,
            text: "Assertion failed signature validation. [Reason - The key was not found.]".to_owned(),
        });
    }
    let expired = claims.exp.is_none_or(|exp| exp + SKEW <= now);
    let early = claims.nbf.is_some_and(|nbf| nbf > now + SKEW);
    if expired || early {
        return Err(AssertionFault {
            error: "invalid_client",
            code: 700_024,
            text: format!(
                "Client assertion is not within its valid time range. Current time: {now}, assertion valid from: {}, \
                 expiry time of assertion: {}.",
                claims.nbf.unwrap_or_default(),
                claims.exp.unwrap_or_default()
            ),
        });
    }
    Ok(())
}

fn read(assertion: &str) -> Option<Claims> {
    let mut parts = assertion.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Whether a key of the credential signed it. Only RS256: Entra takes no other from a federated issuer.
fn signed(
    credential: &FederatedCredential,
    assertion: &str,
    algorithm: Algorithm,
    kid: Option<&str>,
) -> bool {
    if algorithm != Algorithm::RS256 {
        return false;
    }
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let fits = |key: &&PublicKey| kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid;
    credential
        .keys
        .iter()
        .filter(fits)
        .filter_map(PublicKey::decoding)
        .any(|key| jsonwebtoken::decode::<Value>(assertion, &key, &validation).is_ok())
}
