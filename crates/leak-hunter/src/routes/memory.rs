//! Memory of other processes, by every call that reads it.

use std::io::{IoSliceMut, Read as _, Seek as _, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::Scene;
use crate::look::Look;
use crate::process::{self, Process};

/// Of one region no more is read; the largest of an agent are reserved and empty.
const REGION_LIMIT: u64 = 64 * 1024 * 1024;
const CHUNK: usize = 1024 * 1024;

pub(super) fn first(_scene: &Scene, look: &mut Look<'_>) {
    let first = Process { id: 1, parent: 0, name: "PID 1".to_owned() };
    match through_file(&first, look) {
        Ok(bytes) if bytes > 0 => {
            look.note(&format!("{bytes} bytes were readable"));
            look.held();
        }
        Ok(_) => look.closed("no region of it is readable"),
        Err(error) => look.closed(format!("/proc/1/mem: {error}")),
    }
    look.looked = 1;
}

pub(super) fn all(scene: &Scene, look: &mut Look<'_>) {
    each(scene, look, through_file);
}

pub(super) fn vm_read(scene: &Scene, look: &mut Look<'_>) {
    each(scene, look, |process, look| {
        let id = Pid::from_raw(process.id as i32);
        regions(process, |start, length| {
            let mut buffer = vec![0; length];
            let remote = [RemoteIoVec { base: start as usize, len: length }];
            let read = process_vm_readv(id, &mut [IoSliceMut::new(&mut buffer)], &remote)?;
            buffer.truncate(read);
            search(process, &buffer, look);
            Ok(read)
        })
    });
}

/// As a debugger: stops the process, reads it, lets it go on.
pub(super) fn ptrace(scene: &Scene, look: &mut Look<'_>) {
    each(scene, look, |process, look| {
        let id = Pid::from_raw(process.id as i32);
        nix::sys::ptrace::attach(id)?;
        let stopped = nix::sys::wait::waitpid(id, Some(nix::sys::wait::WaitPidFlag::__WALL));
        let read = stopped.map_err(std::io::Error::from).and_then(|_| through_file(process, look));
        nix::sys::ptrace::detach(id, None)?;
        read
    });
}

fn each(
    scene: &Scene,
    look: &mut Look<'_>,
    mut read: impl FnMut(&Process, &mut Look<'_>) -> std::io::Result<u64>,
) {
    let (mut readable, mut refused, mut sitter) = (0, Vec::new(), None);
    for process in process::all().into_iter().filter(|one| !scene.own.contains(&one.id)) {
        match read(&process, look) {
            Ok(bytes) if bytes > 0 => readable += 1,
            Ok(_) => refused.push(process.id.to_string()),
            Err(error) => {
                if process.id == scene.sitter {
                    sitter = Some(error.to_string());
                }
                refused.push(process.id.to_string());
            }
        }
        look.looked += 1;
    }
    look.note(&format!("{readable} readable, refused: {}", refused.join(", ")));
    if let Some(why) = sitter {
        look.closed(format!("even the hunter's own child: {why}"));
    }
}

fn through_file(process: &Process, look: &mut Look<'_>) -> std::io::Result<u64> {
    let mut memory = fs_err::File::open(process.file("mem"))?;
    regions(process, |start, length| {
        memory.seek(SeekFrom::Start(start))?;
        let mut buffer = Vec::new();
        // A page that cannot be had ends this chunk; what came before it is searched.
        let _ = (&mut memory).take(length as u64).read_to_end(&mut buffer);
        search(process, &buffer, look);
        Ok(buffer.len())
    })
}

/// Calls `read` for chunks of every readable region. Chunks overlap, so that no needle is cut.
fn regions(
    process: &Process,
    mut read: impl FnMut(u64, usize) -> std::io::Result<usize>,
) -> std::io::Result<u64> {
    const OVERLAP: u64 = 512;
    let maps = fs_err::read_to_string(process.file("maps"))?;
    let mut total = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else {
            continue;
        };
        if !rights.starts_with('r') || line.ends_with("[vsyscall]") || line.ends_with("[vvar]") {
            continue;
        }
        let end = end.min(start.saturating_add(REGION_LIMIT));
        let mut at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            match read(at, length) {
                Ok(bytes) => total += bytes as u64,
                Err(error) if total == 0 && is_refusal(&error) => return Err(error),
                Err(_) => {}
            }
            at += length as u64;
            if at < end {
                at -= OVERLAP;
            }
        }
    }
    Ok(total)
}

fn is_refusal(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EPERM | nix::libc::EACCES | nix::libc::ENOSYS))
}

fn search(process: &Process, bytes: &[u8], look: &mut Look<'_>) {
    let counted = look.looked;
    let place = format!("memory of {}", process.shown());
    look.at(&place, bytes);
    look.looked = counted;
    for token in web_tokens(bytes) {
        if !super::agent::is_own_job_token(token) {
            look.hit("access token", "own-agent-key", &place);
        }
    }
}

/// Signed JSON Web Tokens in a heap of bytes (RFC 7519): three parts, the first of which is a JSON object with `alg`.
fn web_tokens(bytes: &[u8]) -> Vec<&[u8]> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let mut found = Vec::new();
    let mut at = 0;
    while at + 3 < bytes.len() {
        if &bytes[at..at + 3] != b"eyJ" {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|byte| part(byte)).count();
        let token = &bytes[at..at + length];
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        if let [head, body, signature] = parts[..]
            && body.len() > 20
            && signature.len() > 40
            && URL_SAFE_NO_PAD
                .decode(head)
                .is_ok_and(|head| String::from_utf8_lossy(&head).contains("\"alg\""))
        {
            found.push(token);
        }
        at += length.max(1);
    }
    found
}

/// A crash that writes memory into a file, of the hunter's own child and wherever others may have left one.
pub(super) fn core_dumps(scene: &Scene, look: &mut Look<'_>) {
    let pattern =
        fs_err::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default().trim().to_owned();
    let folder = scene.places.temporary.join(format!("leak-hunter-core-{}", std::process::id()));
    let crashed = fs_err::create_dir_all(&folder).and_then(|()| {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["sit", &scene.own_mark]).stdin(std::process::Stdio::piped()).current_dir(&folder);
        crate::system::abort_with_core(&mut command)
    });
    let mut places = vec![folder.clone()];
    places.extend(["/var/crash", "/var/lib/systemd/coredump", "/var/lib/apport", "/cores"].map(Into::into));
    for place in &places {
        look.looked += 1;
        super::files::walk(place, &mut |path| look.find(path));
    }
    for place in
        ["/", "/tmp", "/azp", "/azp/agent"].map(std::path::Path::new).into_iter().chain([&*scene.places.work])
    {
        look.looked += 1;
        for entry in fs_err::read_dir(place).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("core") && entry.path().is_file() {
                look.file(&entry.path());
            }
        }
    }
    let killed = nix::sys::signal::kill(Pid::from_raw(1), None);
    look.note(&format!(
        "pattern `{pattern}`; PID 1 {} be told to abort",
        if killed.is_ok() { "can" } else { "cannot" }
    ));
    match crashed {
        Ok(()) => look.closed("a crash leaves no core file here"),
        Err(error) => look.closed(error.to_string()),
    }
    let _ = fs_err::remove_dir_all(&folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_other_text() {
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let body = URL_SAFE_NO_PAD.encode(r#"{"sub":"agent","exp":1}"#);
        let token = format!("{head}.{body}.{}", "s".repeat(86));
        let memory = format!("\0\0{token}\0eyJ.eyJ.eyJ {head}.{body}");
        assert_eq!(web_tokens(memory.as_bytes()), [token.as_bytes()]);
    }
}
