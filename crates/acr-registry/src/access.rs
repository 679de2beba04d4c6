//! Who may do what: scopes, and the tokens that carry them.
//!
//! Scopes: distribution/distribution, `docs/content/spec/auth/scope.md`. Token contents: Azure/acr, `docs/AAD-OAuth.md`.

use std::collections::BTreeSet;
use std::fmt;

use entra_tokens::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{SharedClock, SharedEntropy};

/// How long an access token holds, in seconds.
const ACCESS_LIFETIME: i64 = 75 * 60;
/// How long a refresh token holds, in seconds.
const REFRESH_LIFETIME: i64 = 3 * 60 * 60;

/// The user name that goes with a refresh token.
pub(crate) const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// What ACR knows to do with a repository.
const REPOSITORY_ACTIONS: [&str; 5] = ["pull", "push", "delete", "metadata_read", "metadata_write"];

/// What a role that only pulls may do with a repository.
const PULL_ACTIONS: [&str; 2] = ["pull", "metadata_read"];

/// What somebody who is let in may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Everything.
    All,
    /// Pull, and nothing else.
    Pull,
}

/// Somebody who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) subject: String,
    pub(crate) rights: Rights,
}

/// Something and what may be done with it: `repository:team/agent:pull,push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) actions: BTreeSet<String>,
}

impl Scope {
    pub(crate) fn repository(name: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|&action| action.to_owned()).collect();
        Self { kind: "repository".into(), name: name.to_owned(), actions }
    }

    pub(crate) fn catalog() -> Self {
        Self { kind: "registry".into(), name: "catalog".into(), actions: BTreeSet::from(["*".into()]) }
    }

    /// Reads `type:name:action,action`. A name may hold colons (`host:port/name`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        if kind.is_empty() || name.is_empty() {
            return None;
        }
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }

    /// What of it this registry grants: nothing that does not exist, and nothing that is not held.
    pub(crate) fn granted(mut self, rights: Rights) -> Option<Self> {
        let wildcard = self.actions.contains("*");
        match (self.kind.as_str(), self.name.as_str()) {
            ("repository", _) if wildcard => {
                self.actions = REPOSITORY_ACTIONS.iter().map(|&action| action.to_owned()).collect();
            }
            ("repository", _) => self.actions.retain(|action| REPOSITORY_ACTIONS.contains(&action.as_str())),
            ("registry", "catalog") => self.actions.retain(|action| action == "*"),
            _ => return None,
        }
        if rights == Rights::Pull {
            self.actions.retain(|action| PULL_ACTIONS.contains(&action.as_str()));
        }
        (!self.actions.is_empty()).then_some(self)
    }

    fn covers(&self, wanted: &Self) -> bool {
        self.kind == wanted.kind && self.name == wanted.name && wanted.actions.is_subset(&self.actions)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pull before push, as everybody writes it; sorted as it happens to be.
        let actions: Vec<_> = self.actions.iter().map(String::as_str).collect();
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

/// The contents of both kinds of tokens.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    jti: String,
    sub: String,
    nbf: i64,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
    version: String,
    grant_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<Vec<Scope>>,
    roles: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permissions {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

/// Why a token does not open a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// Not ours, expired, for another registry, or of the other kind.
    Invalid,
    /// Ours and good, but for something else.
    Insufficient,
}

/// Issues and checks the tokens of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) key: SigningKey,
    /// The registry's login server: the audience.
    pub(crate) service: String,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}

impl Tokens {
    /// A token that opens exactly these scopes for `subject`.
    pub(crate) fn access(
        &self,
        subject: &str,
        access: Vec<Scope>,
    ) -> Result<SecretString, entra_tokens::KeyError> {
        let claims = Claims { access: Some(access), ..self.claims(subject, "access_token", ACCESS_LIFETIME) };
        self.key.sign(&claims).map(SecretString::from)
    }

    /// A token that access tokens are issued for.
    pub(crate) fn refresh(
        &self,
        holder: &Holder,
        tenant: &str,
    ) -> Result<SecretString, entra_tokens::KeyError> {
        let actions: &[&str] = match holder.rights {
            Rights::All => &["read", "write", "delete", "metadata/read", "metadata/write"],
            Rights::Pull => &["read", "metadata/read"],
        };
        let permissions = Permissions {
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            not_actions: Vec::new(),
        };
        let claims = Claims {
            tenant: Some(tenant.to_owned()),
            permissions: Some(permissions),
            ..self.claims(&holder.subject, "refresh_token", REFRESH_LIFETIME)
        };
        self.key.sign(&claims).map(SecretString::from)
    }

    /// Who the refresh token is for, and what it carries.
    pub(crate) fn check_refresh(&self, token: &SecretString) -> Result<Holder, TokenRefusal> {
        let claims = self.check(token, "refresh_token")?;
        let writes =
            claims.permissions.is_some_and(|held| held.actions.iter().any(|action| action == "write"));
        Ok(Holder { subject: claims.sub, rights: if writes { Rights::All } else { Rights::Pull } })
    }

    /// Whether the access token opens all that is wanted.
    pub(crate) fn check_access(&self, token: &SecretString, wanted: &[Scope]) -> Result<(), TokenRefusal> {
        let granted = self.check(token, "access_token")?.access.unwrap_or_default();
        let covered = |scope: &Scope| granted.iter().any(|one| one.covers(scope));
        if wanted.iter().all(covered) { Ok(()) } else { Err(TokenRefusal::Insufficient) }
    }

    fn claims(&self, subject: &str, grant_type: &str, lifetime: i64) -> Claims {
        let now = self.clock.now().as_second();
        Claims {
            jti: self.entropy.uuid().to_string(),
            sub: subject.to_owned(),
            nbf: now - 15 * 60,
            exp: now + lifetime,
            iat: now,
            iss: "Azure Container Registry".into(),
            aud: self.service.clone(),
            version: "1.0".into(),
            grant_type: grant_type.to_owned(),
            tenant: None,
            permissions: None,
            access: None,
            roles: Vec::new(),
        }
    }

    fn check(&self, token: &SecretString, grant_type: &str) -> Result<Claims, TokenRefusal> {
        let claims: Claims =
            self.key.verify_signature(token.expose_secret()).map_err(|_| TokenRefusal::Invalid)?;
        let now = self.clock.now().as_second();
        let good = claims.exp > now && claims.aud == self.service && claims.grant_type == grant_type;
        if good { Ok(claims) } else { Err(TokenRefusal::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use service_kit::{ManualClock, SeededEntropy};

    use super::*;

    #[test]
    fn scopes_are_read_and_cut_to_what_exists() {
        let scope = Scope::parse("repository:localhost:5000/a/b:pull,push,fly").unwrap();
        assert_eq!(scope.name, "localhost:5000/a/b");
        assert_eq!(
            scope.granted(Rights::All).unwrap().to_string(),
            "repository:localhost:5000/a/b:pull,push"
        );
        assert_eq!(
            Scope::parse("registry:catalog:*").unwrap().granted(Rights::All).unwrap().to_string(),
            "registry:catalog:*"
        );
        for text in ["registry:other:*", "repository:a:", "repository:a:fly", "planet:a:pull"] {
            assert_eq!(Scope::parse(text).and_then(|scope| scope.granted(Rights::All)), None, "{text}");
        }
        for (wanted, granted) in [
            ("repository:a:pull,push,delete", Some("repository:a:pull")),
            ("repository:a:*", Some("repository:a:metadata_read,pull")),
            ("repository:a:push", None),
            ("registry:catalog:*", None),
        ] {
            let cut = Scope::parse(wanted).unwrap().granted(Rights::Pull).map(|scope| scope.to_string());
            assert_eq!(cut.as_deref(), granted, "{wanted}");
        }
        for text in ["", "repository", "repository:a", ":a:pull"] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_opens_what_it_names_until_it_expires_and_nothing_else() {
        let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
        let tokens = Tokens {
            key: SigningKey::generate().unwrap(),
            service: "localhost:5000".into(),
            clock: clock.shared(),
            entropy: SeededEntropy::shared(1),
        };
        let both = Scope::repository("a", &["pull", "push"]);
        let pull = || Scope::repository("a", &["pull"]);
        let token = tokens.access("me", vec![both]).unwrap();
        assert_eq!(tokens.check_access(&token, &[pull()]), Ok(()));
        for wanted in
            [Scope::repository("b", &["pull"]), Scope::repository("a", &["delete"]), Scope::catalog()]
        {
            assert_eq!(tokens.check_access(&token, &[pull(), wanted]), Err(TokenRefusal::Insufficient));
        }
        assert_eq!(
            tokens.check_refresh(&token),
            Err(TokenRefusal::Invalid),
            "an access token is no refresh token"
        );
        for rights in [Rights::All, Rights::Pull] {
            let holder = Holder { subject: "me".into(), rights };
            let refresh = tokens.refresh(&holder, "tenant").unwrap();
            assert_eq!(tokens.check_refresh(&refresh), Ok(holder));
        }
        let me = Holder { subject: "me".into(), rights: Rights::All };
        let refresh = tokens.refresh(&me, "tenant").unwrap();
        assert_eq!(tokens.check_access(&refresh, &[]), Err(TokenRefusal::Invalid));

        let other = Tokens { service: "localhost:5001".into(), ..tokens.clone() };
        assert_eq!(other.check_access(&token, &[pull()]), Err(TokenRefusal::Invalid), "another registry");
        let foreign = Tokens { key: SigningKey::generate().unwrap(), ..tokens.clone() };
        assert_eq!(foreign.check_access(&token, &[pull()]), Err(TokenRefusal::Invalid), "another key");
        clock.advance(SignedDuration::from_mins(75));
        assert_eq!(tokens.check_access(&token, &[pull()]), Err(TokenRefusal::Invalid), "expired");
    }
}
