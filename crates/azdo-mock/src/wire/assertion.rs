//! The signed client assertion with which an agent asks for an access token.
//!
//! Source: actions/runner: VssOAuthJwtBearerAssertion.cs (five minutes, RS256), JsonWebTokenConstants.cs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::crypto::PublicKey;

/// How far an agent's clock may be off.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The longest life an assertion may claim.
const LONGEST: i64 = 3600;

/// The body of a token request.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenRequest {
    #[serde(default)]
    pub(crate) grant_type: String,
    #[serde(default)]
    pub(crate) client_assertion_type: String,
    #[serde(default)]
    pub(crate) client_assertion: String,
}

/// What the assertion claims, before its signature was checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assertion {
    pub(crate) iss: String,
    pub(crate) sub: Uuid,
    pub(crate) aud: String,
    pub(crate) jti: String,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
}

/// Why no token is issued (RFC 6749, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRefusal {
    pub(crate) error: &'static str,
    pub(crate) description: String,
}

impl TokenRefusal {
    pub(crate) fn client(description: impl Into<String>) -> Self {
        Self { error: "invalid_client", description: description.into() }
    }

    fn request(description: impl Into<String>) -> Self {
        Self { error: "invalid_request", description: description.into() }
    }
}

/// A well-formed assertion with the parts its signature is checked over.
#[derive(Debug)]
pub(crate) struct SignedAssertion {
    pub(crate) claims: Assertion,
    signed: String,
    signature: Vec<u8>,
}

impl TokenRequest {
    /// Takes the request apart without believing any of it.
    pub(crate) fn assertion(&self) -> Result<SignedAssertion, TokenRefusal> {
        if self.grant_type != "client_credentials" {
            return Err(TokenRefusal {
                error: "unsupported_grant_type",
                description: format!("The grant type '{}' is not client_credentials.", self.grant_type),
            });
        }
        if self.client_assertion_type != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err(TokenRefusal::request("client_assertion_type is not jwt-bearer."));
        }
        SignedAssertion::parse(&self.client_assertion)
    }
}

impl SignedAssertion {
    fn parse(text: &str) -> Result<Self, TokenRefusal> {
        let malformed = || TokenRefusal::request("client_assertion is not a JSON Web Token.");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed());
        let header: Value = serde_json::from_slice(&part(header)?).map_err(|_| malformed())?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(TokenRefusal::client("The assertion must be signed with RS256."));
        }
        let claims: Assertion = serde_json::from_slice(&part(payload)?).map_err(|error| {
            TokenRefusal::client(format!("The assertion's claims are not usable: {error}."))
        })?;
        Ok(Self { claims, signed: signed.to_owned(), signature: part(signature)? })
    }

    /// Checks signature, issuer, audience and life. Replay is the caller's to check: it needs memory.
    pub(crate) fn verify(&self, key: &PublicKey, audience: &str, now: Timestamp) -> Result<(), TokenRefusal> {
        let claims = &self.claims;
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(TokenRefusal::client(
                "The assertion's signature was not made with the client's key.",
            ));
        }
        if !claims.iss.eq_ignore_ascii_case(&claims.sub.to_string()) {
            return Err(TokenRefusal::client("The assertion's issuer is not its subject."));
        }
        if claims.aud != audience {
            return Err(TokenRefusal::client(format!("The assertion's audience is not {audience}.")));
        }
        if claims.jti.is_empty() || claims.jti.len() > 128 {
            return Err(TokenRefusal::client("The assertion has no usable jti."));
        }
        let moment = |seconds| {
            Timestamp::from_second(seconds)
                .map_err(|_| TokenRefusal::client("The assertion's times are out of range."))
        };
        let (from, to) = (moment(claims.nbf)?, moment(claims.exp)?);
        if claims.exp.saturating_sub(claims.nbf) > LONGEST || to <= from {
            return Err(TokenRefusal::client("The assertion's life is not between a second and an hour."));
        }
        // The agent recognises a wrong clock by the words "Current server time is".
        if now > to.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX) {
            return Err(TokenRefusal::client(format!(
                "The bearer token expired on {}. Current server time is {}.",
                american(to),
                american(now)
            )));
        }
        if now < from.saturating_sub(TOLERANCE).unwrap_or(Timestamp::MIN) {
            return Err(TokenRefusal::client(format!(
                "The bearer token is not valid until {}. Current server time is {}.",
                american(from),
                american(now)
            )));
        }
        Ok(())
    }

    /// Until when a second use of the same assertion has to be noticed.
    pub(crate) fn forgettable(&self) -> Timestamp {
        Timestamp::from_second(self.claims.exp)
            .ok()
            .and_then(|end| end.checked_add(TOLERANCE).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

/// `1/31/2026 12:00:00 AM`, as the service prints times in this text.
fn american(time: Timestamp) -> String {
    time.strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_text_has_the_form_that_agents_look_for() {
        let print = |text: &str| american(text.parse().unwrap());
        assert_eq!(print("2026-01-01T00:00:00Z"), "1/1/2026 12:00:00 AM");
        assert_eq!(print("2026-11-24T13:05:09Z"), "11/24/2026 1:05:09 PM");
    }

    #[test]
    fn what_is_no_signed_token_is_a_bad_request() {
        for text in ["", "a", "a.b", "a.b.c", "e30.e30.e30"] {
            let refusal = SignedAssertion::parse(text).unwrap_err();
            assert!(["invalid_request", "invalid_client"].contains(&refusal.error), "{text}: {refusal:?}");
        }
    }
}
