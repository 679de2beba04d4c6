//! Credentials: personal access tokens, access tokens of agents and of jobs, used assertions.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_kit::Entropy;
use uuid::Uuid;
use zeroize::ZeroizeOnDrop;

use super::members::PoolRights;
use super::{Document, EventKind, Moment, State};
use crate::settings::OldToken;
use crate::wire::assertion::{SignedAssertion, TokenRefusal};
use crate::wire::crypto::sha256_hex;
use crate::wire::ids::{AgentId, PlanId, RequestId};
use crate::wire::scopes::Scopes;

/// How long an agent's access token lives.
pub(crate) const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// How long a finished job may still repeat its completion event, whose answer may have been lost.
const COMPLETION_GRACE: SignedDuration = SignedDuration::from_mins(5);

/// A personal access token, known by its hash.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Pat {
    pub(crate) revoked: bool,
    /// What it was made for; all where it was kept before there were scopes and had all rights.
    #[serde(default)]
    scopes: Option<Scopes>,
    /// How tokens were kept before there were scopes.
    #[serde(default = "PoolRights::manage", rename = "pools", skip_serializing)]
    kept_pools: PoolRights,
    /// From when on it is refused; `None`: never.
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
}

impl Pat {
    fn new(scopes: Scopes, expires: Option<Timestamp>) -> Self {
        Self { revoked: false, scopes: Some(scopes), kept_pools: PoolRights::None, expires }
    }

    fn lives(self, now: Timestamp) -> bool {
        !self.revoked && self.expires.is_none_or(|end| now < end)
    }

    fn scopes(self) -> Scopes {
        let kept = || match self.kept_pools {
            PoolRights::None => Scopes::NONE,
            PoolRights::Read => Scopes::POOLS,
            PoolRights::Manage => Scopes::FULL,
        };
        self.scopes.unwrap_or_else(kept)
    }
}

/// Signs access tokens. Serialized only into the encrypted store.
#[derive(Clone, Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(crate) struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "camelCase")]
pub(crate) enum TokenClaims {
    Agent { id: AgentId, generation: u32, expires: i64, nonce: String },
    Job { request: RequestId },
}

impl TokenKey {
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self(key)
    }

    fn sign(&self, claims: &TokenClaims) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are plain data");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), &payload);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(tag))
    }

    fn open(&self, token: &str) -> Option<TokenClaims> {
        let (payload, tag) = token.split_once('.')?;
        let (payload, tag) = (URL_SAFE_NO_PAD.decode(payload).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), &payload, &tag).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody with a personal access token, or a principal of the directory.
    User { pools: PoolRights, scopes: Scopes, member: Option<Uuid> },
    /// A registered agent, with the key generation its token was issued to.
    Agent { id: AgentId, generation: u32 },
    /// A running job.
    Job { request: RequestId, plan: PlanId, finished: bool },
}

impl State {
    /// Makes a personal access token valid.
    pub(crate) fn add_pat(&mut self, token: &str, scopes: Scopes, now: Timestamp) {
        self.add_pat_until(token, scopes, None, now);
    }

    /// The same for one that ends at a time.
    pub(crate) fn add_pat_until(
        &mut self,
        token: &str,
        scopes: Scopes,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) {
        let hash = sha256_hex(token.as_bytes());
        self.pats.insert(hash.clone(), Pat::new(scopes, expires));
        self.dirty.insert(Document::Pat(hash));
        self.note(now, EventKind::TokenAdded);
    }

    /// Makes a personal access token valid unless it is known: a revoked one stays revoked over a restart.
    pub(crate) fn seed_pat(&mut self, token: &str, now: Timestamp) {
        if !self.pats.contains_key(&sha256_hex(token.as_bytes())) {
            self.add_pat(token, Scopes::FULL, now);
        }
    }

    /// Ends a personal access token's validity; `false` when it was never valid.
    pub(crate) fn revoke_pat(&mut self, token: &str, now: Timestamp) -> bool {
        let hash = sha256_hex(token.as_bytes());
        let Some(pat) = self.pats.get_mut(&hash) else { return false };
        pat.revoked = true;
        self.dirty.insert(Document::Pat(hash));
        self.note(now, EventKind::TokenRevoked);
        true
    }

    /// Whether a text is a credential of a user whose time is over. Of a revoked one nothing is said.
    pub(crate) fn is_expired_pat(&self, text: &str, now: Timestamp) -> bool {
        let known = self.pats.get(&sha256_hex(text.as_bytes()));
        known.is_some_and(|pat| !pat.revoked && !pat.lives(now))
    }

    /// Whether a text is or was a credential of a user, so that it must not be shown.
    pub(crate) fn is_pat(&self, text: &str) -> bool {
        self.pats.contains_key(&sha256_hex(text.as_bytes()))
    }

    /// Whether a text must not be shown: a credential of a user, a token of ours, or what has the form of a directory's.
    pub(crate) fn is_secret(&self, text: &str) -> bool {
        let jwt = text.starts_with("eyJ") && text.split('.').count() == 3;
        jwt || (text.len() > 5 && (self.is_pat(text) || self.meta.token_key.open(text).is_some()))
    }

    /// Who a credential stands for. Basic passwords and bearer tokens are both tried as either, since clients send
    /// Entra tokens as Basic passwords.
    pub(crate) fn caller(&self, credential: &str, now: Timestamp) -> Option<Caller> {
        // Found by hash: the comparison tells nothing about the token's text.
        if let Some(pat) = self.pats.get(&sha256_hex(credential.as_bytes())) {
            let scopes = pat.scopes();
            let user = Caller::User { pools: PoolRights::of(scopes), scopes, member: None };
            return pat.lives(now).then_some(user);
        }
        match self.meta.token_key.open(credential)? {
            TokenClaims::Agent { id, generation, expires, .. } => {
                let current = self.agents.get(&id).is_none_or(|agent| agent.key_generation == generation);
                let lives = now.as_second() < expires
                    && (current || self.switches.old_token_after_replace == OldToken::Valid);
                lives.then_some(Caller::Agent { id, generation })
            }
            TokenClaims::Job { request } => {
                let known = self.requests.get(&request)?;
                let plan = known.plan_id;
                match known.finish_time {
                    None => Some(Caller::Job { request, plan, finished: false }),
                    Some(end) => {
                        let grace = end.saturating_add(COMPLETION_GRACE).unwrap_or(Timestamp::MAX);
                        (now < grace).then_some(Caller::Job { request, plan, finished: true })
                    }
                }
            }
        }
    }

    /// The agent and its key generation that an access token was issued to, until it expires: also one that is not
    /// taken any more.
    pub(crate) fn issued_to(&self, token: &str, now: Timestamp) -> Option<(AgentId, u32)> {
        match self.meta.token_key.open(token)? {
            TokenClaims::Agent { id, generation, expires, .. } if now.as_second() < expires => {
                Some((id, generation))
            }
            TokenClaims::Agent { .. } | TokenClaims::Job { .. } => None,
        }
    }

    /// The token a job works with; the same for each delivery of its message.
    pub(crate) fn job_token(&self, request: RequestId) -> String {
        self.meta.token_key.sign(&TokenClaims::Job { request })
    }

    /// Exchanges a signed assertion for an access token.
    pub(crate) fn issue_token(
        &mut self,
        assertion: &SignedAssertion,
        audience: &str,
        moment: Moment<'_>,
    ) -> Result<String, TokenRefusal> {
        let client = assertion.claims.sub;
        let agent = self
            .agent_of_client(client)
            .ok_or_else(|| TokenRefusal::client(format!("The client {client} is not registered.")))?;
        let key = agent
            .public_key
            .as_ref()
            .ok_or_else(|| TokenRefusal::client(format!("The client {client} has no public key.")))?;
        assertion.verify(key, audience, moment.now)?;
        let used = format!("{client}/{}", sha256_hex(assertion.claims.jti.as_bytes()));
        if self.assertions.contains_key(&used) {
            return Err(TokenRefusal::client("The assertion was used before."));
        }
        let claims = TokenClaims::Agent {
            id: agent.id,
            generation: agent.key_generation,
            expires: moment.now.saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX).as_second(),
            nonce: moment.entropy.token(16),
        };
        self.remember_assertion(used, assertion.forgettable());
        Ok(self.meta.token_key.sign(&claims))
    }

    pub(super) fn remember_assertion(&mut self, jti: String, until: Timestamp) {
        self.forgettable.insert((until, jti.clone()));
        self.assertions.insert(jti.clone(), until);
        self.dirty.insert(Document::Assertion(jti));
    }

    /// Takes over the assertions that were used before a restart.
    pub(crate) fn restore_assertions(&mut self, used: BTreeMap<String, Timestamp>) {
        self.forgettable = used.iter().map(|(jti, until)| (*until, jti.clone())).collect();
        self.assertions = used;
    }

    pub(super) fn forget_assertions(&mut self, now: Timestamp) {
        while self.forgettable.first().is_some_and(|(end, _)| *end < now) {
            let Some((_, jti)) = self.forgettable.pop_first() else { return };
            self.assertions.remove(&jti);
            self.dirty.insert(Document::Assertion(jti));
        }
    }
}
