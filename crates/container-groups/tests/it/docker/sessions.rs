//! Terminals and output on the real engine.

use container_groups::{ExecCommand, GroupSpec, RestartPolicy, Session, SessionOutput};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::{Bench, shell};
use crate::support::{DEADLINE, at_once, id};

async fn read_until(output: &mut SessionOutput, text: &str) -> String {
    let mut seen = String::new();
    let read = tokio::time::timeout(DEADLINE, async {
        while !seen.contains(text) {
            let Some(piece) = output.next().await else { panic!("it ended before `{text}`: {seen}") };
            seen.push_str(&String::from_utf8_lossy(&piece.unwrap()));
        }
    });
    read.await.unwrap_or_else(|_| panic!("no `{text}`: {seen}"));
    seen
}

async fn terminal(bench: &Bench, name: &str, command: &[&str]) -> Session {
    let running = bench.groups.running_container(&id(name), "agent").unwrap();
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    bench.groups.exec(&running, &ExecCommand { command, rows: 33, columns: 77 }).await.unwrap()
}

#[tokio::test]
async fn a_shell_has_the_size_it_was_given_and_ends_by_itself() {
    let bench = Bench::new("terminal", at_once()).await;
    bench.up(shell("one", "export MINE=inherited; while :; do sleep 0.1; done")).await;
    let Session { mut output, input } = terminal(&bench, "one", &["/bin/sh"]).await;
    let mut keyboard = input.unwrap();
    // The prompt has no end of line.
    read_until(&mut output, "# ").await;
    keyboard.write_all(b"stty size; tty -s && echo a ter''minal\n").await.unwrap();
    let seen = read_until(&mut output, "a terminal").await;
    assert!(seen.contains("33 77"), "{seen}");
    // Control-C ends what runs, not the shell.
    // It says so itself: what is typed is repeated before it is run, and until it runs the terminal is the shell's.
    keyboard.write_all(b"sh -c \"echo sta''rted; exec sleep 1000\"\n").await.unwrap();
    read_until(&mut output, "started").await;
    keyboard.write_all(b"\x03").await.unwrap();
    read_until(&mut output, "# ").await;
    keyboard.write_all(b"exit\n").await.unwrap();
    let ended = tokio::time::timeout(DEADLINE, async { while output.next().await.is_some() {} }).await;
    assert!(ended.is_ok(), "the stream does not end with the shell");
    bench.finish().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_in_the_terminal() {
    let bench = Bench::new("noprogram", at_once()).await;
    bench.up(shell("one", "while :; do sleep 0.1; done")).await;
    let running = bench.groups.running_container(&id("one"), "agent").unwrap();
    let command = ExecCommand { command: vec!["/no/such/program".into()], rows: 24, columns: 80 };
    let told = match bench.groups.exec(&running, &command).await {
        Ok(mut session) => read_until(&mut session.output, "no such file").await,
        Err(error) => error.message,
    };
    assert!(told.contains("/no/such/program") && told.contains("no such file"), "{told}");
    bench.finish().await;
}

#[tokio::test]
async fn attach_shows_both_streams_and_ends_with_the_container() {
    let bench = Bench::new("attach", at_once()).await;
    let script = "while [ ! -e /go ]; do sleep 0.1; done; echo out; echo err >&2; sleep 0.5; echo last";
    bench.up(GroupSpec { restart_policy: RestartPolicy::Never, ..shell("one", script) }).await;
    let running = bench.groups.running_container(&id("one"), "agent").unwrap();
    let mut attached = bench.groups.attach(&running).await.unwrap();
    assert!(attached.input.is_none());
    let mut go = terminal(&bench, "one", &["/bin/touch", "/go"]).await;
    while go.output.next().await.is_some() {}
    let mut seen = String::new();
    let read = tokio::time::timeout(DEADLINE, async {
        while let Some(piece) = attached.output.next().await {
            seen.push_str(&String::from_utf8_lossy(&piece.unwrap()));
        }
    });
    read.await.expect("the stream ends with the container");
    for part in ["out\n", "err\n", "last\n"] {
        assert!(seen.contains(part), "{seen}");
    }
    bench.groups.settled(&id("one")).await.unwrap();
    testkit::wait_until(DEADLINE, "the refusal", async || {
        match bench.groups.running_container(&id("one"), "agent") {
            Err(error) if error.code == "ContainerGroupStopped" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    bench.finish().await;
}
