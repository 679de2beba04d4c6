//! A process that goes on after its job: it listens, writes files on a schedule, and has the mark in its arguments,
//! environment and memory.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

/// Starts it apart from this process.
pub(crate) fn start_survivor(mark: &str) -> std::io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["survive", mark]).env(crate::SELF_VARIABLE, mark);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

/// Is it, until somebody ends it.
pub(crate) fn survive(mark: &str) -> Result<()> {
    #[cfg(unix)]
    {
        // A session of its own, so that the end of the job's process group is not its end.
        let _ = nix::unistd::setsid();
        let word = mark.to_owned();
        std::thread::spawn(move || abstract_socket(&word));
        let word = mark.to_owned();
        std::thread::spawn(move || named_pipe(&word));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let schedule = std::env::temp_dir().join(format!("{mark}.schedule"));
    let word = mark.to_owned();
    std::thread::spawn(move || {
        loop {
            let _ = fs_err::write(&schedule, &word);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    answer_all(&listener, mark);
    Ok(())
}

/// Listens on all addresses of the container, as a neighbour.
pub(crate) fn serve(port: u16, word: &str) -> Result<()> {
    answer_all(&TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?, word);
    Ok(())
}

/// Holds a word in arguments, environment, memory and a deleted file until standard input ends.
pub(crate) fn sit(word: &str) -> Result<()> {
    let path = std::env::temp_dir().join(format!("leak-hunter-{}", std::process::id()));
    let mut file = fs_err::File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
    file.write_all(word.as_bytes())?;
    file.flush()?;
    // Elsewhere an open file cannot be deleted, and the route that looks for one does not exist.
    let _ = fs_err::remove_file(&path);
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    Ok(())
}

fn answer_all(listener: &TcpListener, word: &str) {
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        // Whoever speaks first is heard out, since an unread request would turn the answer into a reset.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{word}\n").as_bytes());
    }
}

#[cfg(target_os = "linux")]
fn abstract_socket(word: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let Ok(address) = SocketAddr::from_abstract_name(word) else { return };
    let Ok(listener) = UnixListener::bind_addr(&address) else { return };
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        let _ = stream.write_all(word.as_bytes());
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn abstract_socket(_word: &str) {}

#[cfg(unix)]
fn named_pipe(word: &str) {
    let path = std::env::temp_dir().join(format!("{word}.pipe"));
    if nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666)).is_err() {
        return;
    }
    // Opening waits for a reader; each reader gets the word.
    while let Ok(mut pipe) = fs_err::OpenOptions::new().write(true).open(&path) {
        let _ = pipe.write_all(word.as_bytes());
        drop(pipe);
        std::thread::sleep(Duration::from_millis(50));
    }
}
