use std::ffi::OsString;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;

/// An absolute path.
const FILE: &str = if cfg!(windows) { r"C:\run\token" } else { "/run/token" };

const GOOD: [(&str, &str); 4] = [
    ("AZDO_URL", "https://dev.azure.com/me/"),
    ("AZDO_TOKEN", "secret-token"),
    ("AZDO_POOL", "Default"),
    ("AZDO_AGENT_NAME", "web-01"),
];

fn reading(pairs: &[(&str, &str)]) -> Reading {
    read(&Variables::new(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)))))
}

/// The good settings with some replaced or added, and all problems that this gives.
fn check(changes: &[(&str, &str)], problems: &[&str]) {
    let mut pairs: Vec<_> =
        GOOD.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)).collect();
    pairs.extend_from_slice(changes);
    let reading = reading(&pairs);
    let found: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, problems);
    assert_eq!(reading.settings.is_some(), problems.is_empty());
}

#[test]
fn good_settings_have_their_defaults() {
    let reading = reading(&GOOD);
    let settings = reading.settings.unwrap();
    assert_eq!(settings.url.as_str(), "https://dev.azure.com/me");
    assert_eq!((settings.pool.as_str(), settings.agent.as_str()), ("Default", "web-01"));
    assert_eq!((settings.server_wait.as_secs(), settings.config_timeout.as_secs()), (300, 180));
    assert_eq!(reading.fatal_hold.as_secs(), 300);
    assert!(settings.work.is_none() && settings.pass_environment.is_empty() && settings.image.is_none());
    assert!(
        matches!(reading.credential, Some(Source::Inline(token)) if token.expose_secret() == "secret-token")
    );
}

#[test]
fn every_problem_is_found_at_once() {
    let reading = reading(&[
        ("AZDO_URL", "ftp://x"),
        ("AZDO_POOL", ""),
        ("AZDO_FATAL_HOLD", "soon"),
        ("AZDO_WORK", "here"),
    ]);
    let found: Vec<String> = reading.problems.iter().map(|problem| problem.variable.clone()).collect();
    assert_eq!(
        found,
        ["AZDO_URL", "AZDO_TOKEN", "AZDO_POOL", "AZDO_AGENT_NAME", "AZDO_WORK", "AZDO_FATAL_HOLD"]
    );
    assert_eq!(reading.fatal_hold.as_secs(), 300);
}

#[test]
fn aliases_alone_are_enough() {
    let reading = reading(&[
        ("AZP_URL", "https://dev.azure.com/me"),
        ("AZP_TOKEN_FILE", FILE),
        ("AZP_POOL", "p"),
        ("AZP_AGENT_NAME", "a"),
        ("AZP_WORK", FILE),
    ]);
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    assert!(matches!(reading.credential, Some(Source::File(path)) if path == Path::new(FILE)));
    assert_eq!(reading.settings.unwrap().work.unwrap(), Path::new(FILE));
}

#[test]
fn two_names_may_agree_but_not_disagree() {
    check(&[("AZP_POOL", "Default")], &[]);
    check(&[("AZP_POOL", "Other")], &["AZDO_POOL: disagrees with AZP_POOL; set one of them"]);
    check(&[("AZP_TOKEN", "another")], &["AZDO_TOKEN: disagrees with AZP_TOKEN; set one of them"]);
}

#[test]
fn exactly_one_token() {
    check(&[("AZDO_TOKEN_FILE", FILE)], &["AZDO_TOKEN: and AZDO_TOKEN_FILE are both set; set one of them"]);
    check(&[("AZP_TOKEN_FILE", FILE)], &["AZDO_TOKEN: and AZP_TOKEN_FILE are both set; set one of them"]);
    check(
        &[("AZDO_TOKEN", "a b")],
        &["AZDO_TOKEN: holds a blank, a line break or a character outside of ASCII, which no token has"],
    );
}

#[test]
fn urls_are_checked() {
    check(&[("AZDO_URL", "http://10.0.0.1:80/org")], &[]);
    check(&[("AZDO_URL", "dev.azure.com/me")], &["AZDO_URL: is no URL (relative URL without a base)"]);
    check(
        &[("AZDO_URL", "https://u:p@h/o")],
        &["AZDO_URL: must not hold credentials; the token belongs into AZDO_TOKEN"],
    );
    check(&[("AZDO_URL", "https://h/o?x=1")], &["AZDO_URL: must end after the organization: no `?` or `#`"]);
}

#[test]
fn names_are_checked() {
    check(&[("AZDO_AGENT_NAME", "a/b")], &["AZDO_AGENT_NAME: holds `/`, which a name may not have"]);
    check(&[("AZDO_AGENT_NAME", " a")], &["AZDO_AGENT_NAME: begins or ends with a blank"]);
    check(&[("AZDO_POOL", "Azure (Büro) #1 & co.")], &[]);
    check(&[("AZDO_POOL", "a\nb")], &["AZDO_POOL: holds a control character"]);
    let long = "x".repeat(65);
    check(&[("AZDO_POOL", &long)], &["AZDO_POOL: is longer than 64 characters"]);
}

#[test]
fn the_pass_list_cannot_name_a_setting() {
    check(&[("AZDO_PASS_ENV", "FOO, BAR")], &[]);
    check(
        &[("AZDO_PASS_ENV", "azdo_token,VSTS_AGENT_INPUT_TOKEN")],
        &[
            "AZDO_PASS_ENV: may not name azdo_token, which is never for a job",
            "AZDO_PASS_ENV: may not name VSTS_AGENT_INPUT_TOKEN, which is never for a job",
        ],
    );
}

#[test]
fn a_typing_error_is_noticed() {
    let mut pairs = GOOD.to_vec();
    pairs.push(("AZDO_TOKN", "x"));
    assert_eq!(reading(&pairs).unknown, ["AZDO_TOKN"]);
}

#[cfg(unix)]
#[test]
fn what_is_not_unicode_is_a_problem() {
    use std::os::unix::ffi::OsStringExt as _;
    let variables = Variables::new([(OsString::from("AZDO_POOL"), OsString::from_vec(vec![0xff]))]);
    let problems = read(&variables).problems;
    assert!(
        problems.iter().any(|problem| problem.to_string() == "AZDO_POOL: is not valid UTF-8"),
        "{problems:?}"
    );
}

proptest! {
    /// Settings exist exactly where there is no problem, and a problem never repeats a value.
    #[test]
    fn reading_is_total_and_silent_about_values(values in proptest::collection::vec(proptest::option::of("[ -~]{12,20}"), variables::ALL.len() * 2)) {
        let names = variables::ALL.iter().flat_map(|variable| [Some(variable.name), variable.alias]);
        let pairs: Vec<(&str, &str)> = names.zip(&values).filter_map(|(name, value)| Some((name?, value.as_deref()?))).collect();
        let reading = reading(&pairs);
        prop_assert_eq!(reading.settings.is_some(), reading.problems.is_empty());
        for (name, value) in pairs.iter().filter(|(name, _)| !name.ends_with("PASS_ENV")) {
            for problem in &reading.problems {
                prop_assert!(!problem.text.contains(value), "{} shows the value of {}", problem, name);
            }
        }
    }
}
