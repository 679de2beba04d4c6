//! The token is nowhere a job could look, and the job is nobody. Each probe is shown to find what it looks for.

use std::process::{Command, Stdio};

use fs_err as fs;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::image::{CONFIGURE, Image, UID, WAIT, eventually_exists};
use crate::probe;

#[tokio::test]
async fn while_the_agent_runs_no_process_shows_the_token() {
    let image = Image::new().await;
    image.agent(CONFIGURE, WAIT);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    assert_eq!(probe::showing(&image.token), [].into());
    assert!(!probe::memory_holds(run.pid(), &image.token));
    // Two pipes are the agent's output. The one that carried the token is closed.
    let inherited = pipes("self");
    let own: Vec<String> =
        pipes(&run.pid().to_string()).into_iter().filter(|pipe| !inherited.contains(pipe)).collect();
    assert_eq!(own.len(), 2, "{own:?}");
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
}

/// The pipes that a process has open beside its standard streams.
fn pipes(process: &str) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    descriptors
        .filter(|entry| !matches!(entry.file_name().to_str(), Some("0" | "1" | "2")))
        .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        .filter(|target| target.starts_with("pipe:"))
        .collect()
}

/// Control: a start script that unsets its variable is caught by the same probes.
#[tokio::test]
async fn the_probes_catch_a_naive_start() {
    let token = format!("naive{}", std::process::id());
    let mut naive = Command::new("bash")
        .args(["-c", "unset AZDO_TOKEN; read -r"])
        .env("AZDO_TOKEN", &token)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(naive.id()).unwrap();
    let found = probe::showing(&token);
    let in_memory = probe::memory_holds(pid, &token);
    drop(naive.stdin.take());
    naive.wait().unwrap();
    assert_eq!(found.get(&pid), Some(&"environment"));
    assert!(in_memory);
}

/// During the registration exactly one child has the token, in its environment; also control for the memory probe.
#[tokio::test]
async fn during_the_registration_one_child_has_the_token() {
    let image = Image::new().await;
    image.agent(&format!("{WAIT}\n{CONFIGURE}"), "exit 0");
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    let found = probe::showing(&image.token);
    assert_eq!(found.values().collect::<Vec<_>>(), [&"environment"]);
    let child = probe::process(*found.keys().next().unwrap()).unwrap();
    assert_eq!(child.parent, run.pid());
    assert!(probe::memory_holds(run.pid(), &image.token), "the memory probe finds nothing even now");
    fs::write(image.probe("go"), "").unwrap();
    run.finish().await.expect_code(0);
}

/// What Docker leaves to root in a container. Neither tracing nor performance monitoring is in it, and either would open other
/// processes.
const AS_IN_A_CONTAINER: [&str; 3] = [
    "setpriv",
    "--bounding-set",
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap",
];

/// The process is closed even to root, as root is in a container.
#[tokio::test]
async fn the_process_cannot_be_inspected_by_root_of_a_container() {
    let mut image = Image::new().await;
    image.agent(CONFIGURE, WAIT);
    image.through(&AS_IN_A_CONTAINER);
    let run = image.start();
    eventually_exists(image.probe("ready")).await;
    let mut control = Command::new(AS_IN_A_CONTAINER[0])
        .args(&AS_IN_A_CONTAINER[1..])
        .args(["sleep", "60"])
        .spawn()
        .unwrap();
    let control_pid = control.id();
    crate::image::eventually("the control", || {
        probe::process(i32::try_from(control_pid).unwrap())?.arguments.starts_with("sleep").then_some(())
    })
    .await;
    let readable = |pid: String, file: &str| {
        let path = format!("/proc/{pid}/{file}");
        Command::new(AS_IN_A_CONTAINER[0])
            .args(&AS_IN_A_CONTAINER[1..])
            .args(["dd", "count=1", "status=none", &format!("if={path}"), "of=/dev/null"])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    let seen: Vec<bool> = ["environ", "maps"]
        .iter()
        .flat_map(|file| [readable(run.pid().to_string(), file), readable(control_pid.to_string(), file)])
        .collect();
    control.kill().unwrap();
    control.wait().unwrap();
    assert_eq!(seen, [false, true, false, true], "[ours, control] for environ and maps");
    run.signal(Signal::SIGTERM);
    run.finish().await.expect_code(75);
}

#[tokio::test]
async fn the_environment_of_the_agent_is_the_allow_list() {
    let mut image = Image::new().await;
    image.declare(json!({"environment": {"JAVA_HOME": "/opt/jdk", "AZP_POOL": "declared"}}));
    image
        .set("INJECTED", "1")
        .set("WANTED", "2")
        .set("AZDO_PASS_ENV", "WANTED")
        .set("NO_PROXY", "127.0.0.1")
        .set("LD_LIBRARY_PATH", "/evil")
        .set("LD_PRELOAD", "/evil.so")
        .set("BASH_ENV", "/evil.sh")
        .set("ENV", "/evil.sh")
        .set("PROMPT_COMMAND", "touch /evil")
        .set("DOTNET_STARTUP_HOOKS", "/evil.dll")
        .set("CORECLR_PROFILER_PATH", "/evil.so")
        .set("NODE_OPTIONS", "--require /evil.js")
        .set("GIT_SSH_COMMAND", "/evil")
        .unset("AZP_POOL");
    image.run().await.expect_code(0);
    let run = image.probed_environment("run.env");
    let names: Vec<&str> = run.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "HOME",
            "JAVA_HOME",
            "LANG",
            "LOGNAME",
            "NO_PROXY",
            "PATH",
            "USER",
            "VSO_AGENT_IGNORE",
            "WANTED",
            "agent.disableupdate"
        ]
    );
    assert_eq!(run["WANTED"], "2");
    assert_eq!(run["USER"], "agent");
    // The registration sees the same and its arguments, nothing else.
    let mut configure = image.probed_environment("configure.env");
    configure.retain(|name, _| !name.starts_with("VSTS_AGENT_INPUT_"));
    assert_eq!(configure, run);
}

#[tokio::test]
async fn the_job_is_an_unprivileged_user() {
    let image = Image::new().await;
    image.run().await.expect_code(0);
    let status = image.probed("run.status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().replace('\t', " ")
    };
    let id = UID.to_string();
    let ids = format!("{id} {id} {id} {id}");
    assert_eq!((field("Uid"), field("Gid"), field("Groups")), (ids.clone(), ids, id));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    // All but SIGCHLD, which the shell itself blocks while it waits for the probe.
    let blocked = u64::from_str_radix(&field("SigBlk"), 16).unwrap();
    assert_eq!(blocked & !(1 << (Signal::SIGCHLD as i32 - 1)), 0);
}

/// A setuid program of root gives a job nothing; control: it does give it to the same user without our precautions.
#[tokio::test]
async fn a_setuid_program_does_not_make_the_job_root() {
    let image = Image::new().await;
    let program = image.root().join("become-root");
    fs::copy("/usr/bin/id", &program).unwrap();
    crate::image::set_mode(&program, 0o4755);
    image.agent(CONFIGURE, &format!("{} -u > \"$probe/id\"", program.display()));
    image.run().await.expect_code(0);
    assert_eq!(image.probed("id").trim(), UID.to_string());
    let control = Command::new("setpriv")
        .args(["--reuid", &UID.to_string(), "--clear-groups"])
        .arg(&program)
        .arg("-u")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&control.stdout).trim(),
        "0",
        "is this file system mounted without setuid?"
    );
}

#[tokio::test]
async fn the_agent_holds_no_descriptor_of_ours() {
    let image = Image::new().await;
    image.agent(CONFIGURE, r#"ls -l /proc/$$/fd > "$probe/descriptors""#);
    image.run().await.expect_code(0);
    let listed = image.probed("descriptors");
    let open: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .filter_map(|(head, target)| Some((head.rsplit(' ').next()?, target)))
        // Bash keeps its script open at 255.
        .filter(|(number, _)| !matches!(*number, "0" | "1" | "2" | "255"))
        .map(|(number, _)| number)
        .collect();
    assert!(open.is_empty(), "{listed}");
}
