use super::*;

fn image() -> Layout {
    Layout::unix(Path::new("/usr/local/bin/mayfly-entrypoint"))
}

#[test]
fn an_installed_binary_finds_its_root() {
    assert_eq!(image().agent_directory, Path::new("/azp/agent"));
    assert_eq!(image().state_directory, Path::new("/var/lib/mayfly"));
    let elsewhere = Layout::unix(Path::new("/tmp/x/usr/local/bin/mayfly-entrypoint"));
    assert_eq!(elsewhere.image_file, Path::new("/tmp/x/etc/mayfly/image.json"));
    assert_eq!(Layout::unix(Path::new("/clone/target/debug/mayfly-entrypoint")), image());
}

#[test]
fn the_image_file_overrides_the_defaults() {
    let agent = if cfg!(windows) { "C:/opt/agent" } else { "/opt/agent" };
    let text = format!(
        r#"{{"agentVersion":"4.270.0","tags":["x"],"agentDirectory":"{agent}","uid":7,"environment":{{"A":"b"}}}}"#
    );
    let layout = image().with_image_file(Some(&text)).unwrap();
    assert!(layout.listener().starts_with(agent));
    assert_eq!((layout.uid, layout.gid, layout.environment["A"].as_str()), (7, 10001, "b"));
    assert_eq!(image().with_image_file(None).unwrap(), image());
}

#[test]
fn a_bad_image_file_is_a_problem_that_names_it() {
    for (text, problem) in [
        ("{", "is not readable: EOF while parsing an object at line 1 column 1"),
        (r#"{"uid":0}"#, "`uid` and `gid` of the agent must not be 0: a job does not run as root"),
        (r#"{"workDirectory":"w"}"#, "`workDirectory` must be an absolute path"),
    ] {
        let found = image().with_image_file(Some(text)).unwrap_err();
        assert_eq!(found.to_string(), format!("/etc/mayfly/image.json: {problem}"));
    }
}
