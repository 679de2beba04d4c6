//! The token is nowhere a job could look. A job is of the same user as the entrypoint and can read every process of it; so can
//! these tests. Each probe is shown to find what it looks for.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_err as fs;

use crate::image::{Image, eventually};
use crate::probe;

#[tokio::test]
async fn while_the_job_runs_no_process_holds_the_token() {
    let mut image = Image::new().await;
    image.set("INJECTED", "injected-and-not-for-jobs");
    image.queue_waiting("rem").await;
    let run = image.start();
    eventually("the job", || image.file("ready").exists().then_some(())).await;
    let first = probe::open(run.pid()).unwrap();
    let block = first.environment().unwrap();
    assert!(block.to_ascii_uppercase().contains("SYSTEMROOT="), "the block was not read: {block:?}");
    assert!(!block.contains("injected-and-not-for-jobs"), "{block:?}");
    let mut ours = 0;
    for process in probe::others() {
        let line = process.command_line().unwrap_or_default();
        let block = process.environment().unwrap_or_default();
        assert!(!line.contains(&image.token), "command line: {line}");
        assert!(!block.contains(&image.token), "environment of `{line}`");
        if line.contains(image.root().file_name().unwrap().to_str().unwrap()) {
            ours += 1;
            assert!(!process.memory_holds(&image.token), "memory of `{line}`");
        }
    }
    // The first process, the one that runs the agent, the listener, the worker.
    assert!(ours >= 4, "only {ours} processes were looked into");
    fs::write(image.file("go"), "").unwrap();
    run.finish().await.expect_code(0);
}

/// Control: a start script that unsets its variable is caught by the same probes.
#[tokio::test]
async fn the_probes_catch_a_naive_start() {
    let token = format!("naive-token-{}", std::process::id());
    let mut naive = Command::new("cmd")
        .args(["/c", "set AZDO_TOKEN=&set /p LINE="])
        .env("AZDO_TOKEN", &token)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = probe::open(naive.id()).unwrap();
    let found = process.environment().unwrap().contains(&token) || process.memory_holds(&token);
    let line = process.command_line().unwrap();
    drop(naive.stdin.take());
    naive.wait().unwrap();
    assert!(found);
    assert!(line.contains("set /p LINE="), "{line}");
}

#[tokio::test]
async fn no_command_line_ever_shows_the_token() {
    let image = Image::new().await;
    image.queue("echo hello").await;
    let done = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (done, token) = (Arc::clone(&done), image.token.clone());
        let mark = image.root().file_name().unwrap().to_str().unwrap().to_owned();
        move || {
            let (mut seen, mut shown) = (std::collections::BTreeSet::new(), Vec::new());
            while !done.load(Ordering::SeqCst) {
                for process in probe::others() {
                    let Some(line) = process.command_line() else { continue };
                    if line.contains(&token) {
                        shown.push(line);
                    } else if line.contains(&mark) {
                        seen.insert(line);
                    }
                }
            }
            (seen, shown)
        }
    });
    image.run().await.expect_code(0);
    done.store(true, Ordering::SeqCst);
    let (seen, shown) = watcher.join().unwrap();
    assert_eq!(shown, [""; 0]);
    for stage in ["--prepare", "--resume", "configure", "run --once"] {
        assert!(seen.iter().any(|line| line.contains(stage)), "`{stage}` was not seen: {seen:#?}");
    }
}

#[tokio::test]
async fn the_environment_of_the_job_is_the_allow_list() {
    let mut image = Image::new().await;
    image.set("INJECTED", "1").set("WANTED", "2").set("AZDO_PASS_ENV", "WANTED").set("NO_PROXY", "127.0.0.1");
    let file = image.file("job.env");
    image.queue(&format!("set > \"{}\"", Image::in_script("job.env"))).await;
    image.run().await.expect_code(0);
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).to_uppercase();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    for wanted in ["WANTED", "NO_PROXY", "SYSTEMROOT"] {
        assert!(names.contains(&wanted), "{wanted} in {names:?}");
    }
    let prefixes = ["AZDO_", "AZP_", "VSTS_AGENT_INPUT"];
    let ours: Vec<&&str> = names
        .iter()
        .filter(|name| **name == "INJECTED" || prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    assert!(ours.is_empty(), "{ours:?} are for no job");
}
