//! Every address that is given out is made here, from the settings alone.
//!
//! Three forms are known: `https://host/{organization}` (the service), `https://{organization}.host` (its older form)
//! and `http://host/tfs/{collection}` (a server of one's own; its tokens come from `http://host/tfs`).

use url::Url;

use crate::error::StartError;

/// Which of the products answers: clients tell them apart by the answer to their first question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deployment {
    Hosted,
    OnPremises,
}

/// The organization's address and those below it.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    base: Url,
    /// The path of the base without a trailing slash: `/acme`, `/tfs/Main` or nothing.
    prefix: String,
    pub(crate) organization: String,
}

impl Addresses {
    pub(crate) fn new(base: &Url, organization: &str) -> Result<Self, StartError> {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if organization.is_empty() || !organization.chars().all(usable) {
            return Err(StartError::Organization(organization.to_owned()));
        }
        let prefix = base.path().trim_end_matches('/').to_owned();
        let in_path = prefix.rsplit_once('/').is_some_and(|(_, last)| last == organization);
        let in_host = prefix.is_empty()
            && base
                .domain()
                .and_then(|host| host.split_once('.'))
                .is_some_and(|(first, _)| first == organization);
        let plain =
            prefix.split('/').skip(1).all(|segment| !segment.is_empty() && segment.chars().all(usable));
        if !(in_path || in_host) || !plain {
            return Err(StartError::Base { base: base.to_string(), organization: organization.to_owned() });
        }
        let mut base = base.clone();
        base.set_path(&format!("{prefix}/"));
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base, prefix, organization: organization.to_owned() })
    }

    /// The organization's address with a trailing slash.
    pub(crate) fn organization_url(&self) -> &Url {
        &self.base
    }

    /// What every path below the organization begins with, without a trailing slash.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the form of the address says of the product.
    pub(crate) fn deployment(&self) -> Deployment {
        if self.server_prefix().is_empty() { Deployment::Hosted } else { Deployment::OnPremises }
    }

    /// An address below the organization's.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What comes before the collection in the path: `/tfs`; nothing for the service.
    fn server_prefix(&self) -> &str {
        self.prefix.rsplit_once('/').map_or("", |(server, _)| server)
    }

    /// The path of the token endpoint. A server of one's own has one for all its collections
    /// (microsoft/azure-pipelines-tasks#12151).
    pub(crate) fn token_path(&self) -> String {
        match self.deployment() {
            Deployment::Hosted => format!("{}/_apis/oauth2/token", self.prefix),
            Deployment::OnPremises => format!("{}/_apis/oauth2/token", self.server_prefix()),
        }
    }

    /// Where clients look for what the organization does not have: `_apis` of the server, where the organization is below it.
    pub(crate) fn above(&self) -> Option<String> {
        (!self.prefix.is_empty()).then(|| format!("{}/_apis", self.server_prefix()))
    }

    /// Where tokens are issued; also the audience of assertions.
    pub(crate) fn token_endpoint(&self) -> String {
        let mut endpoint = self.base.clone();
        endpoint.set_path(&self.token_path());
        endpoint.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_an_organization_is_not_its_own() {
        for (base, organization, above) in [
            ("http://h:1/acme", "acme", Some("/_apis")),
            ("https://acme.visualstudio.example/", "acme", None),
            ("http://h/tfs/Main", "Main", Some("/tfs/_apis")),
        ] {
            let addresses = Addresses::new(&base.parse().unwrap(), organization).unwrap();
            assert_eq!(addresses.above().as_deref(), above, "{base}");
        }
    }

    #[test]
    fn the_three_forms_are_taken_and_nothing_else() {
        for (base, organization, prefix, token) in [
            ("http://h:1/acme", "acme", "/acme", "http://h:1/acme/_apis/oauth2/token"),
            ("http://h:1/acme/?x#y", "acme", "/acme", "http://h:1/acme/_apis/oauth2/token"),
            (
                "https://acme.visualstudio.example/",
                "acme",
                "",
                "https://acme.visualstudio.example/_apis/oauth2/token",
            ),
            ("http://h/tfs/Main", "Main", "/tfs/Main", "http://h/tfs/_apis/oauth2/token"),
            ("http://h/a/b/Main/", "Main", "/a/b/Main", "http://h/a/b/_apis/oauth2/token"),
        ] {
            let addresses = Addresses::new(&base.parse().unwrap(), organization).unwrap();
            assert_eq!((addresses.prefix(), addresses.token_endpoint().as_str()), (prefix, token), "{base}");
        }
        for (base, organization) in [
            ("http://h/acme", "other"),
            ("http://h/", "acme"),
            ("http://acme/", "acme"),
            ("http://1.2.3.4/", "1"),
            ("http://h/acme/x", "acme"),
            ("http://h/a%20b/acme", "acme"),
            ("http://h/a//acme", "acme"),
            ("http://h/acme", ""),
            ("http://h/a{b}", "a{b}"),
        ] {
            assert!(Addresses::new(&base.parse().unwrap(), organization).is_err(), "{base} {organization}");
        }
    }
}
