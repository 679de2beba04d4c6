use std::ffi::OsString;

use super::*;
use crate::settings::Problem;
use crate::variables::Variables;

fn life(pairs: &[(&str, &str)]) -> (Life, Vec<String>) {
    let pairs = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let variables = Variables::new(pairs);
    let mut reader = Reader { variables: &variables, problems: Vec::new() };
    let life = read(&mut reader);
    (life, reader.problems.iter().map(Problem::to_string).collect())
}

#[test]
fn the_defaults_are_the_careful_ones() {
    let (life, problems) = life(&[]);
    assert_eq!(problems, [""; 0]);
    let stop_limit = Duration::from_secs(15);
    assert_eq!(life, Life { as_root: false, stop_limit, health: None, follow_updates: false });
}

#[test]
fn each_is_read() {
    let given = [
        ("AZDO_STOP_LIMIT", "0"),
        ("AZDO_HEALTH", "8080"),
        ("AZDO_AGENT_UPDATE", "follow"),
        ("AZDO_RUN_AS", if cfg!(windows) { "agent" } else { "root" }),
    ];
    let (life, problems) = life(&given);
    assert_eq!(problems, [""; 0]);
    assert_eq!((life.as_root, life.stop_limit, life.follow_updates), (cfg!(unix), Duration::ZERO, true));
    assert_eq!(life.health.unwrap().port(), 8080);
}

#[test]
fn what_is_meant_must_be_clear() {
    let (_, problems) = life(&[
        ("AZDO_RUN_AS", "ROOT"),
        ("AZDO_STOP_LIMIT", "forever"),
        ("AZDO_HEALTH", "http://x"),
        ("AZDO_AGENT_UPDATE", "yes"),
    ]);
    assert_eq!(
        problems,
        [
            "AZDO_RUN_AS: must be agent or root",
            "AZDO_STOP_LIMIT: must be a whole number of seconds from 0 to 86400",
            "AZDO_HEALTH: must be a port, or an address and a port such as 127.0.0.1:8080",
            "AZDO_AGENT_UPDATE: must be refuse or follow",
        ]
    );
}

#[cfg(windows)]
#[test]
fn root_is_for_linux() {
    let (_, problems) = life(&[("AZDO_RUN_AS", "root")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}
