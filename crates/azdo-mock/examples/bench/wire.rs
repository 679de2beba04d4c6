//! One connection and no more than HTTP/1.1 needs: the load must not cost what it measures.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1024, stream), host: host.to_owned() })
    }

    /// One call; status and body.
    pub(crate) async fn call(
        &mut self,
        (method, path): (&str, &str),
        authorization: &str,
        (kind, body): (&str, &[u8]),
    ) -> io::Result<(u16, Vec<u8>)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\naccept: application/json; api-version=7.1\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        let (mut line, mut length, mut status) = (String::new(), 0, 0);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok((status, answer))
    }

    /// A call whose answer must be a success.
    pub(crate) async fn json(
        &mut self,
        call: (&str, &str),
        authorization: &str,
        body: &Value,
    ) -> io::Result<Value> {
        let (status, answer) =
            self.call(call, authorization, ("application/json", body.to_string().as_bytes())).await?;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(&answer).into_owned();
            return Err(io::Error::other(format!("{} {}: {status}: {text}", call.0, call.1)));
        }
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }
}
