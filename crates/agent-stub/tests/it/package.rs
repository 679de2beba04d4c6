//! The package as `pack-agent` makes it.

use std::{path::Path, process::Command};

use assert_cmd::assert::OutputAssertExt as _;

fn pack(out: &Path) -> String {
    let bin_dir = Path::new(env!("CARGO_BIN_EXE_agent-listener")).parent().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pack-agent"));
    command.args(["--version", "4.271.3", "--os", "linux", "--bin-dir"]).arg(bin_dir).arg("--out").arg(out);
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("text")
}

#[test]
fn the_package_runs_where_it_is_unpacked() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let printed = pack(folder.path());
    let (archive, hash) = printed.trim().split_once('\n').expect("two lines");
    assert!(archive.ends_with("vsts-agent-linux-x64-4.271.3.tar.gz"), "{archive}");
    let sum = Command::new("sha256sum").arg(archive).assert().success().get_output().stdout.clone();
    assert!(String::from_utf8_lossy(&sum).starts_with(hash), "{hash}");

    let root = folder.path().join("agent");
    fs_err::create_dir_all(&root).expect("folder");
    Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&root).assert().success();
    Command::new(root.join("bin/installdependencies.sh")).assert().success();
    let version = Command::new(root.join("bin/Agent.Listener")).arg("--version").assert().success();
    assert_eq!(String::from_utf8_lossy(&version.get_output().stdout), "4.271.3\n");
    Command::new(root.join("run.sh")).env("AGENT_ALLOW_RUNASROOT", "1").assert().code(1);
}

#[test]
fn wrong_usage_is_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pack-agent"));
    command.args(["--version", "latest", "--os", "linux", "--bin-dir", "."]).arg("--out").arg(folder.path());
    let output = command.assert().failure().get_output().stderr.clone();
    assert!(String::from_utf8_lossy(&output).contains("latest"));
}
