use std::ffi::OsString;

use proptest::prelude::*;

use super::*;
use crate::settings;
use crate::variables::Variables;

/// An absolute path.
const FILE: &str = if cfg!(windows) { r"C:\run\secret" } else { "/run/secret" };
const BASICS: [(&str, &str); 3] =
    [("AZDO_URL", "https://dev.azure.com/me"), ("AZDO_POOL", "Default"), ("AZDO_AGENT_NAME", "web-01")];
const PRINCIPAL: [(&str, &str); 2] = [("AZDO_CLIENT_ID", "app"), ("AZDO_TENANT_ID", "contoso.com")];
const INJECTED: [(&str, &str); 4] = [
    ("AZURE_CLIENT_ID", "their-app"),
    ("AZURE_TENANT_ID", "their-tenant"),
    ("AZURE_FEDERATED_TOKEN_FILE", FILE),
    ("AZURE_AUTHORITY_HOST", "https://login.example/"),
];

fn reading(pairs: &[&[(&str, &str)]]) -> settings::Reading {
    let pairs = BASICS.iter().chain(pairs.iter().copied().flatten());
    settings::read(&Variables::new(pairs.map(|(name, value)| (OsString::from(name), OsString::from(value)))))
}

fn problems(pairs: &[&[(&str, &str)]]) -> Vec<String> {
    let reading = reading(pairs);
    assert_eq!(reading.settings.is_some(), reading.problems.is_empty());
    reading.problems.iter().map(ToString::to_string).collect()
}

fn principal(pairs: &[&[(&str, &str)]]) -> Principal<Proof> {
    let reading = reading(pairs);
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    match reading.credential {
        Some(Source::Principal(principal)) => principal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_kind_is_enough() {
    assert!(matches!(reading(&[&[("AZDO_TOKEN", "t")]]).credential, Some(Source::Inline(_))));
    assert!(matches!(reading(&[&[("AZDO_TOKEN_FILE", FILE)]]).credential, Some(Source::File(_))));
    assert!(matches!(reading(&[&[("AZDO_TOKEN_FILE", "-")]]).credential, Some(Source::StandardInput)));
    let found = principal(&[&PRINCIPAL, &[("AZDO_CLIENT_SECRET", "s")]]);
    assert_eq!((found.client.as_str(), found.tenant.as_str()), ("app", "contoso.com"));
    assert_eq!(found.authority.as_str(), "https://login.microsoftonline.com/");
    assert!(matches!(found.proof, Proof::Secret(_)));
    let found = principal(&[&PRINCIPAL, &[("AZDO_CLIENT_SECRET_FILE", FILE)]]);
    assert!(matches!(found.proof, Proof::SecretFile(_)));
    let found = principal(&[&PRINCIPAL, &[("AZDO_FEDERATED_TOKEN_FILE", FILE)]]);
    assert!(matches!(found.proof, Proof::FederatedFile(_)));
}

#[test]
fn what_kubernetes_injects_is_enough_and_gives_way() {
    let found = principal(&[&INJECTED]);
    assert_eq!((found.client.as_str(), found.tenant.as_str()), ("their-app", "their-tenant"));
    assert_eq!(found.authority.host_str(), Some("login.example"));
    let found = principal(&[&INJECTED, &[("AZDO_CLIENT_ID", "app")]]);
    assert_eq!((found.client.as_str(), found.tenant.as_str()), ("app", "their-tenant"));
    let found = principal(&[&INJECTED, &PRINCIPAL, &[("AZDO_CLIENT_SECRET", "s")]]);
    assert!(matches!(found.proof, Proof::Secret(_)));
    assert!(matches!(reading(&[&INJECTED, &[("AZDO_TOKEN", "t")]]).credential, Some(Source::Inline(_))));
    // Not all of them: nobody's principal.
    assert!(problems(&[&INJECTED[..2]])[0].starts_with("AZDO_TOKEN: is not set"));
}

#[test]
fn two_kinds_are_one_too_many() {
    let token = ("AZDO_TOKEN", "t");
    let secret = ("AZDO_CLIENT_SECRET", "s");
    let principal = [PRINCIPAL[0], PRINCIPAL[1], secret];
    assert_eq!(
        problems(&[&[token], &principal]),
        ["AZDO_TOKEN: and AZDO_CLIENT_ID are both set; set one of them"]
    );
    assert_eq!(
        problems(&[&[token, ("AZDO_TOKEN_FILE", FILE)], &principal]),
        ["AZDO_TOKEN: AZDO_TOKEN_FILE and AZDO_CLIENT_ID are all set; set one of them"]
    );
    assert_eq!(
        problems(&[&[token, secret]]),
        ["AZDO_TOKEN: and AZDO_CLIENT_SECRET are both set; set one of them"]
    );
}

#[test]
fn a_principal_is_checked_as_a_whole() {
    assert_eq!(
        problems(&[&[("AZDO_CLIENT_ID", "a/b"), ("AZDO_AUTHORITY_HOST", "http://login.example")]]),
        [
            "AZDO_CLIENT_ID: is neither an id nor a domain",
            "AZDO_TENANT_ID: is not set; a service principal needs the Entra tenant of the service principal (else AZURE_TENANT_ID)",
            "AZDO_AUTHORITY_HOST: must begin with https://, as the server's own URL does",
            "AZDO_CLIENT_ID: a service principal needs exactly one of AZDO_CLIENT_SECRET, AZDO_CLIENT_SECRET_FILE and AZDO_FEDERATED_TOKEN_FILE",
        ]
    );
    let both = [("AZDO_CLIENT_SECRET", "s"), ("AZDO_FEDERATED_TOKEN_FILE", FILE)];
    assert_eq!(problems(&[&PRINCIPAL, &both]).len(), 1);
    assert_eq!(
        problems(&[&PRINCIPAL, &[("AZDO_CLIENT_SECRET_FILE", "here")]]),
        ["AZDO_CLIENT_SECRET_FILE: must be an absolute path without `..`"]
    );
}

#[test]
fn without_tls_at_the_server_the_authority_needs_none() {
    let plain = [("AZDO_URL", "http://10.0.0.1/org"), ("AZDO_AUTHORITY_HOST", "http://10.0.0.1:81")];
    principal(&[&plain, &PRINCIPAL, &[("AZDO_CLIENT_SECRET", "s")]]);
}

#[test]
fn an_identity_has_to_be_accepted() {
    let system = ("AZDO_IDENTITY", "system");
    let allowed = ("AZDO_ALLOW_JOB_READABLE_IDENTITY", "1");
    for refused in [&[system][..], &[system, ("AZDO_ALLOW_JOB_READABLE_IDENTITY", "0")]] {
        let found = problems(&[refused]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("every job can use just so"), "{found:?}");
    }
    assert!(matches!(reading(&[&[system, allowed]]).credential, Some(Source::Identity(None))));
    let chosen = reading(&[&[("AZDO_IDENTITY", "app"), allowed]]).credential;
    assert!(matches!(chosen, Some(Source::Identity(Some(id))) if id == "app"));
    let found = problems(&[&[system, ("AZDO_ALLOW_JOB_READABLE_IDENTITY", "yes")]]);
    assert!(found.contains(&"AZDO_ALLOW_JOB_READABLE_IDENTITY: must be 1 or 0".to_owned()), "{found:?}");
}

proptest! {
    /// Whatever is set: a credential without a problem is one of exactly one kind that is really there.
    #[test]
    fn one_kind_or_a_problem(mask in 0_u8..128) {
        let all = [
            ("AZDO_TOKEN", "t"), ("AZDO_TOKEN_FILE", FILE), ("AZDO_CLIENT_ID", "app"), ("AZDO_TENANT_ID", "tenant"),
            ("AZDO_CLIENT_SECRET", "s"), ("AZDO_FEDERATED_TOKEN_FILE", FILE), ("AZDO_IDENTITY", "system"),
        ];
        let given: Vec<(&str, &str)> =
            all.into_iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, pair)| pair).collect();
        let reading = reading(&[&given, &[("AZDO_ALLOW_JOB_READABLE_IDENTITY", "1")]]);
        let whole = [0b1, 0b10, 0b1_1100, 0b10_1100, 0b100_0000].contains(&mask);
        prop_assert_eq!(reading.problems.is_empty(), whole, "{:?}", reading.problems);
        prop_assert_eq!(reading.credential.is_some(), whole);
    }
}
