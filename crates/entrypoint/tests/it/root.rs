//! `AZDO_RUN_AS=root`: root in the container, and still nobody to this process. And what no job may change.

use fs_err as fs;

use crate::image::{CONFIGURE, Image, RUN, set_mode};

/// What a container gets by default, and what opens other processes.
const GENEROUS: [&str; 3] = ["setpriv", "--bounding-set", "+all"];

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').trim().replace('\t', " ")
}

/// Asks everything of the process above it.
const HUNT: &str = r#"{ cat /proc/$PPID/environ; head -c 1 /proc/$PPID/mem; cat /proc/$PPID/maps; ls -l /proc/$PPID/fd /proc/$PPID/exe; } > "$probe/hunt" 2>&1
ulimit -c > "$probe/core"; ulimit -Hc >> "$probe/core""#;

#[tokio::test]
async fn a_root_job_is_root_with_a_containers_usual_rights_and_no_others() {
    let mut image = Image::new().await;
    image.set("AZDO_RUN_AS", "root").through(&GENEROUS);
    image.agent(CONFIGURE, &format!("{RUN}\n{HUNT}"));
    image.run().await.expect_code(0);
    let status = image.probed("run.status");
    assert_eq!(field(&status, "Uid"), "0 0 0 0");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&status, set), "00000000a80425fb", "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), "1");
    let environment = image.probed_environment("run.env");
    assert_eq!((environment["USER"].as_str(), environment["HOME"].as_str()), ("root", "/root"));
    assert_eq!(environment["AGENT_ALLOW_RUNASROOT"], "1");
    let hunt = image.probed("hunt");
    assert!(!hunt.contains(&image.token), "{hunt}");
    // It may list the numbers of descriptors, and open or follow none of them.
    for file in
        ["environ: Permission denied", "mem' for reading: Permission denied", "maps: Permission denied"]
    {
        assert!(hunt.contains(file), "{file} is missing in {hunt}");
    }
    assert!(!hunt.contains(" -> "), "{hunt}");
    assert_eq!(image.probed("core"), "0\n0\n");
}

/// Control: the same questions are answered where nobody has closed the process.
#[tokio::test]
async fn control_the_hunt_finds_an_open_parent() {
    let image = Image::new().await;
    let script = format!("probe='{}'\n{HUNT}", image.root().join("probe").display());
    let parent = format!("bash -c '{}'; true", script.replace('\'', r"'\''"));
    let status =
        std::process::Command::new("bash").args(["-c", &parent]).env("CANARY", &image.token).status();
    assert!(status.unwrap().success());
    assert!(image.probed("hunt").contains(&image.token));
}

/// Root can read what is closed to all but root.
#[tokio::test]
async fn a_token_file_and_a_root_job_exclude_each_other() {
    let mut image = Image::new().await;
    let file = image.root().join("token");
    fs::write(&file, &image.token).unwrap();
    set_mode(&file, 0o400);
    image.unset("AZDO_TOKEN").set("AZDO_TOKEN_FILE", file.to_str().unwrap()).set("AZDO_RUN_AS", "root");
    image.run().await.expect_code(64).says("AZDO_RUN_AS: a job that is root can read AZDO_TOKEN_FILE");
    assert!(!image.probe("run.env").exists());
}

#[tokio::test]
async fn nobody_else_may_be_named() {
    let mut image = Image::new().await;
    image.set("AZDO_RUN_AS", "0");
    image.run().await.expect_code(64).says("AZDO_RUN_AS: must be agent or root");
}

/// The agent makes files of its own in its folder, and no job can put another agent there.
#[tokio::test]
async fn a_job_cannot_replace_the_agent() {
    let image = Image::new().await;
    let attempts = r#"try() { if "$@" 2> /dev/null; then echo "$*" >> "$probe/replaced"; fi; }
touch "$probe/replaced"
try touch own-file
try mv bin bin.old
try mv bin/Agent.Listener bin/Agent.Listener.old
try rm -f bin/Agent.Listener
try cp /bin/true bin/Agent.Listener
try touch bin/hook
try chmod 777 bin
try mv run.sh run.sh.old
try rm -f run.sh
try cp /bin/true run.sh"#;
    let script = image.root().join("azp/agent/run.sh");
    fs::write(&script, "#!/bin/bash\n").unwrap();
    set_mode(&script, 0o755);
    image.agent(CONFIGURE, &format!("{RUN}\n{attempts}"));
    image.run().await.expect_code(0);
    // The first is the control: attempts do succeed where they may.
    assert_eq!(image.probed("replaced"), "touch own-file\n");
}
