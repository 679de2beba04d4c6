use std::ffi::OsString;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn layout(declared: &[(&str, &str)]) -> Layout {
    let mut layout = Layout::discover(Path::new("/usr/local/bin/mayfly-entrypoint"));
    layout.environment =
        declared.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    layout
}

const LIFE: Life =
    Life { as_root: false, stop_limit: std::time::Duration::ZERO, health: None, follow_updates: false };

fn variables(pairs: &[(&str, &str)]) -> Variables {
    Variables::new(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

#[cfg(unix)]
#[test]
fn only_what_is_listed_passes() {
    let injected = variables(&[
        ("AZDO_TOKEN", "t"),
        ("PATH", "/evil"),
        ("HOME", "/root"),
        ("INJECTED", "1"),
        ("FOO", "foo"),
        ("https_proxy", "http://proxy"),
        ("MAYFLY_IMAGE", "x"),
    ]);
    let environment = of_agent(
        &layout(&[("JAVA_HOME", "/jdk"), ("LANG", "de_DE.UTF-8")]),
        &injected,
        &["FOO".to_owned(), "UNSET".to_owned()],
        LIFE,
    );
    let names: Vec<&str> = environment.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "FOO",
            "HOME",
            "JAVA_HOME",
            "LANG",
            "LOGNAME",
            "PATH",
            "USER",
            "VSO_AGENT_IGNORE",
            "agent.disableupdate",
            "https_proxy"
        ]
    );
    assert_eq!(environment["HOME"], "/home/agent");
    assert_eq!(environment["LANG"], "de_DE.UTF-8");
    assert_eq!(environment["PATH"], UNIX_PATH);
}

#[test]
fn the_ignore_list_names_both_families_and_itself() {
    let environment = of_agent(&layout(&[("VSO_AGENT_IGNORE", "MINE, OTHER")]), &variables(&[]), &[], LIFE);
    let names: Vec<&str> = environment["VSO_AGENT_IGNORE"].split(',').collect();
    for name in [
        "AZDO_TOKEN",
        "AZP_TOKEN",
        "AZDO_TOKEN_FILE",
        "AZP_POOL",
        "VSTS_AGENT_INPUT_TOKEN",
        "VSO_AGENT_IGNORE",
        "MINE",
        "OTHER",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

#[test]
fn a_value_that_holds_the_token_is_found() {
    let environment =
        BTreeMap::from([("A".to_owned(), "x".to_owned()), ("B".to_owned(), "url?t=long-enough".to_owned())]);
    assert_eq!(holding(&environment, "long-enough"), Some("B"));
    assert_eq!(holding(&environment, "absent-token"), None);
}

proptest! {
    /// Whatever the image declares and the operator injects or lists, none of our names gets through.
    #[test]
    fn our_own_names_never_pass(declare in any::<bool>(), listed in any::<bool>()) {
        let ours: Vec<&str> = variables::ALL.iter().flat_map(|variable| [Some(variable.name), variable.alias]).flatten().collect();
        let pairs: Vec<(&str, &str)> = ours.iter().map(|name| (*name, "secret")).collect();
        let list: Vec<String> = if listed { ours.iter().map(|name| (*name).to_owned()).collect() } else { Vec::new() };
        let environment = of_agent(&layout(if declare { &pairs } else { &[] }), &variables(&pairs), &list, LIFE);
        prop_assert!(environment.values().all(|value| value != "secret"));
    }
}

#[test]
fn what_was_chosen_for_the_agent_is_told_to_it() {
    let declared = layout(&[("agent.disableupdate", "declared")]);
    let refusing = of_agent(&declared, &variables(&[]), &[], LIFE);
    assert_eq!(refusing["agent.disableupdate"], "true");
    assert!(!refusing.contains_key("AGENT_ALLOW_RUNASROOT"));
    let life = Life { follow_updates: true, as_root: true, ..LIFE };
    let following = of_agent(&declared, &variables(&[]), &[], life);
    // Any value would switch updates off.
    assert!(!following.contains_key("agent.disableupdate"));
    assert_eq!(following["AGENT_ALLOW_RUNASROOT"], "1");
}
