//! Whether the agent can take a job, told over HTTP by this process itself.
//!
//! A probe that runs a program in the container would start it with the container's first environment, token and all. So
//! this process answers, in the loop that supervises the agent and without ever waiting for a client. The job can reach the
//! port as well: it learns its own agent's name and state there, and the worst it can do is to keep others from an answer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::report;

/// The one path.
pub(crate) const PATH: &str = "/healthz";
/// The oldest client goes when one more comes.
const MOST_CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_REQUEST: usize = 2048;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Registering,
    Starting,
    Listening,
    Running,
    Updating,
    Draining,
}

impl State {
    /// Whether the agent is of use to its pool.
    fn status(self) -> &'static str {
        match self {
            Self::Listening | Self::Running => "200 OK",
            Self::Registering | Self::Starting | Self::Updating | Self::Draining => "503 Service Unavailable",
        }
    }
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    until: Instant,
}

/// Answers where an address was given, and does nothing otherwise.
#[derive(Debug)]
pub(crate) struct Health {
    listener: Option<TcpListener>,
    clients: Vec<Client>,
    agent: String,
    state: State,
    since: Timestamp,
}

/// Reads `PORT` or `ADDRESS:PORT`. A port alone is open on all addresses: a probe comes from outside of the container.
pub(crate) fn parse(text: &str) -> Option<SocketAddr> {
    let address = match text.parse::<u16>() {
        Ok(port) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        Err(_) => text.parse().ok()?,
    };
    (address.port() != 0).then_some(address)
}

/// Whether the address is there and free.
pub(crate) fn check(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

impl Health {
    pub(crate) fn open(address: Option<SocketAddr>, agent: &str, state: State) -> io::Result<Self> {
        let listener = address.map(TcpListener::bind).transpose()?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(Self { listener, clients: Vec::new(), agent: agent.to_owned(), state, since: report::now() })
    }

    pub(crate) fn set(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.since = report::now();
        }
    }

    /// When `turn` is to be called even if no socket has anything.
    #[cfg_attr(
        all(windows, not(test)),
        expect(dead_code, reason = "on Windows the child is asked at intervals anyway")
    )]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.clients.iter().map(|client| client.until).min()
    }

    /// Takes whoever is there and answers whoever has asked. Never waits.
    pub(crate) fn turn(&mut self) {
        if self.listener.is_none() {
            return;
        }
        for _ in 0..2 * MOST_CLIENTS {
            let Some(Ok((stream, _))) = self.listener.as_ref().map(TcpListener::accept) else { break };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() == MOST_CLIENTS {
                self.clients.remove(0);
            }
            let until = Instant::now() + PATIENCE;
            self.clients.push(Client { stream, request: Vec::new(), until });
            // At once, so that a flood of silent clients cannot drop one that has asked.
            if self.is_done(self.clients.len() - 1) {
                self.clients.pop();
            }
        }
        let mut index = 0;
        while index < self.clients.len() {
            if self.is_done(index) || self.clients[index].until <= Instant::now() {
                self.clients.remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn is_done(&mut self, index: usize) -> bool {
        let mut bytes = [0; LONGEST_REQUEST];
        let client = &mut self.clients[index];
        match client.stream.read(&mut bytes) {
            Ok(length @ 1..) => client.request.extend_from_slice(&bytes[..length]),
            Ok(0) => return true,
            Err(error) => {
                return error.kind() != ErrorKind::WouldBlock && error.kind() != ErrorKind::Interrupted;
            }
        }
        let is_whole = client.request.windows(4).any(|window| window == b"\r\n\r\n");
        if !is_whole && client.request.len() <= LONGEST_REQUEST {
            return false;
        }
        let answer = self.answer(&self.clients[index].request);
        // It fits into the empty buffer of a new connection, so this does not wait either.
        let _ = self.clients[index].stream.write_all(&answer);
        true
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            state: State,
            agent: &'a str,
            since: Timestamp,
        }
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        let (status, body) = match (method, path) {
            ("GET" | "HEAD", PATH) => {
                let body = Body { state: self.state, agent: &self.agent, since: self.since };
                (self.state.status(), serde_json::to_vec(&body).unwrap_or_default())
            }
            ("GET" | "HEAD", path) if path.starts_with('/') => ("404 Not Found", Vec::new()),
            (_, path) if path.starts_with('/') => ("405 Method Not Allowed", Vec::new()),
            _ => ("400 Bad Request", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut answer = head.into_bytes();
        if method != "HEAD" {
            answer.extend_from_slice(&body);
        }
        answer
    }

    /// What to wait for beside the agent.
    #[cfg(unix)]
    pub(crate) fn sockets(&self) -> impl Iterator<Item = std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd as _;
        let listener = self.listener.iter().map(|listener| listener.as_fd());
        listener.chain(self.clients.iter().map(|client| client.stream.as_fd()))
    }
}

#[cfg(test)]
mod tests;
