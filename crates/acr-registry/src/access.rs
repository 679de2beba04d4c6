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

/// The actions of a scope map beside those of the distribution API.
const MAP_ACTIONS: [(&str, &str); 5] = [
    ("content/read", "pull"),
    ("content/write", "push"),
    ("content/delete", "delete"),
    ("metadata/read", "metadata_read"),
    ("metadata/write", "metadata_write"),
];

/// What somebody who is let in may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Everything.
    All,
    /// Pull, and nothing else.
    Pull,
    /// What a scope map says: `repositories/<name>/content/read`, where the name may be `*` or end in `/*`.
    Map(Vec<String>),
}

impl Rights {
    /// Whether this may be done. A catalog shows all repositories, so only who may read about all of them has it.
    fn permit(&self, kind: &str, name: &str, action: &str) -> bool {
        match (self, kind) {
            (Self::All, _) => true,
            (Self::Pull, "repository") => PULL_ACTIONS.contains(&action),
            (Self::Pull, _) => false,
            (Self::Map(actions), "repository") => {
                actions.iter().any(|granted| map_action_permits(granted, name, action))
            }
            (Self::Map(actions), _) => {
                actions.iter().any(|granted| granted == "repositories/*/metadata/read")
            }
        }
    }

    /// As they stand in a refresh token.
    fn actions(&self) -> Vec<String> {
        let fixed: &[&str] = match self {
            Self::All => &["read", "write", "delete", "metadata/read", "metadata/write"],
            Self::Pull => &["read", "metadata/read"],
            Self::Map(actions) => return actions.clone(),
        };
        fixed.iter().map(|&action| action.to_owned()).collect()
    }

    fn from_actions(actions: Vec<String>) -> Self {
        let says = |wanted: &str| actions.iter().any(|action| action == wanted);
        if says("write") {
            Self::All
        } else if says("read") {
            Self::Pull
        } else {
            Self::Map(actions)
        }
    }
}

/// Whether one action of a scope map lets this be done with this repository.
fn map_action_permits(granted: &str, name: &str, action: &str) -> bool {
    let Some(rest) = granted.strip_prefix("repositories/") else { return false };
    let mapped = |&(map_action, own): &(&str, &str)| {
        let pattern = rest.strip_suffix(map_action)?.strip_suffix('/')?;
        (own == action).then_some(pattern)
    };
    MAP_ACTIONS.iter().find_map(mapped).is_some_and(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    })
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
    pub(crate) fn granted(mut self, rights: &Rights) -> Option<Self> {
        let wildcard = self.actions.contains("*");
        match (self.kind.as_str(), self.name.as_str()) {
            ("repository", _) if wildcard => {
                self.actions = REPOSITORY_ACTIONS.iter().map(|&action| action.to_owned()).collect();
            }
            ("repository", _) => self.actions.retain(|action| REPOSITORY_ACTIONS.contains(&action.as_str())),
            ("registry", "catalog") => self.actions.retain(|action| action == "*"),
            _ => return None,
        }
        let (kind, name) = (&self.kind, &self.name);
        self.actions.retain(|action| rights.permit(kind, name, action));
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
        let permissions = Permissions { actions: holder.rights.actions(), not_actions: Vec::new() };
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
        let actions = claims.permissions.map(|held| held.actions).unwrap_or_default();
        Ok(Holder { subject: claims.sub, rights: Rights::from_actions(actions) })
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
            scope.granted(&Rights::All).unwrap().to_string(),
            "repository:localhost:5000/a/b:pull,push"
        );
        assert_eq!(
            Scope::parse("registry:catalog:*").unwrap().granted(&Rights::All).unwrap().to_string(),
            "registry:catalog:*"
        );
        for text in ["registry:other:*", "repository:a:", "repository:a:fly", "planet:a:pull"] {
            assert_eq!(Scope::parse(text).and_then(|scope| scope.granted(&Rights::All)), None, "{text}");
        }
        for (wanted, granted) in [
            ("repository:a:pull,push,delete", Some("repository:a:pull")),
            ("repository:a:*", Some("repository:a:metadata_read,pull")),
            ("repository:a:push", None),
            ("registry:catalog:*", None),
        ] {
            let cut = Scope::parse(wanted).unwrap().granted(&Rights::Pull).map(|scope| scope.to_string());
            assert_eq!(cut.as_deref(), granted, "{wanted}");
        }
        for text in ["", "repository", "repository:a", ":a:pull"] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_scope_map_grants_what_it_names() {
        let rights = Rights::Map(
            ["one/content/read", "one/content/write", "deep/*/metadata/read", "*/content/delete"]
                .map(|action| format!("repositories/{action}"))
                .to_vec(),
        );
        for (wanted, granted) in [
            ("repository:one:*", Some("repository:one:delete,pull,push")),
            ("repository:one:pull,push", Some("repository:one:pull,push")),
            ("repository:one/more:pull", None),
            ("repository:on:pull", None),
            ("repository:deep/er/still:*", Some("repository:deep/er/still:delete,metadata_read")),
            ("repository:deep:*", Some("repository:deep:delete")),
            ("repository:deeper/x:metadata_read", None),
            ("registry:catalog:*", None),
        ] {
            let cut = Scope::parse(wanted).unwrap().granted(&rights).map(|scope| scope.to_string());
            assert_eq!(cut.as_deref(), granted, "{wanted}");
        }
        let everywhere = Rights::Map(vec!["repositories/*/metadata/read".into()]);
        assert!(Scope::catalog().granted(&everywhere).is_some());
        for odd in
            ["", "repositories/", "repositories/content/read", "gateway/one/content/read", "repositories/one"]
        {
            assert!(!map_action_permits(odd, "one", "pull"), "{odd}");
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
        let map = Rights::Map(vec!["repositories/a/content/read".into()]);
        for rights in [Rights::All, Rights::Pull, map, Rights::Map(Vec::new())] {
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
