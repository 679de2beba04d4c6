//! As much of HTTP as a hunter needs: one request, one answer, over a plain connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const LIMIT: u64 = 512 * 1024;

/// Sends `METHOD target` with headers and body; the whole answer as it came.
pub(crate) fn ask(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(address, Duration::from_millis(800))?;
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let length = body.len();
    // In one piece: a listener that answers after the first read would cut a second one off.
    let request = format!(
        "{method} {target} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // What came before a cut is an answer too.
    let _ = stream.take(LIMIT).read_to_end(&mut answer);
    Ok(answer)
}

/// A connection with time limits.
pub(crate) fn connect(address: &str, limit: Duration) -> std::io::Result<TcpStream> {
    let resolved = address.to_socket_addrs()?.next();
    let resolved = resolved.ok_or_else(|| std::io::Error::other("the name has no address"))?;
    let stream = TcpStream::connect_timeout(&resolved, limit)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}

/// The status of an answer.
pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.get(..answer.len().min(64))?).into_owned();
    line.split_whitespace().nth(1)?.parse().ok()
}

/// `http://host:port/rest` as host with port, and path.
pub(crate) fn split(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    Some((host, format!("/{}", path.trim_end_matches('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_answers_are_read() {
        assert_eq!(split("http://10.0.0.1:80/org/"), Some(("10.0.0.1:80".into(), "/org".into())));
        assert_eq!(split("http://host"), Some(("host:80".into(), "/".into())));
        assert_eq!(split("https://host"), None);
        assert_eq!(status(b"HTTP/1.1 403 Forbidden\r\n"), Some(403));
        assert_eq!(status(b""), None);
    }
}
