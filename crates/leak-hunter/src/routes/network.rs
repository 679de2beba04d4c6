//! What answers: identity endpoints, listeners on the loopback, ports of the host, neighbours, sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Scene;
use crate::http;
use crate::look::{Look, SelfCheck};

/// The application id of Azure DevOps in Entra ID.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// Asks every identity endpoint that a container may have, and tries what it gets.
pub(super) fn identity(scene: &Scene, look: &mut Look<'_>) {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut endpoints: Vec<(String, &str, String)> = Vec::new();
    // On a sandbox's machine these addresses are the machine's own, and none of an attacker's business here.
    if scene.brief.ask_link_local {
        let token = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
        endpoints.extend([
            (format!("{token}&resource={AZURE_DEVOPS}"), "Metadata", "true".to_owned()),
            ("http://168.63.129.16/?comp=versions".to_owned(), "x-ms-version", "2012-11-30".to_owned()),
        ]);
    }
    for (endpoint, name, secret) in [
        ("IDENTITY_ENDPOINT", "X-IDENTITY-HEADER", "IDENTITY_HEADER"),
        ("MSI_ENDPOINT", "Secret", "MSI_SECRET"),
    ] {
        let url = variable(endpoint);
        look.looked += 1;
        if !url.is_empty() {
            let joint = if url.contains('?') { '&' } else { '?' };
            endpoints.push((
                format!("{url}{joint}api-version=2019-08-01&resource={AZURE_DEVOPS}"),
                name,
                variable(secret),
            ));
        }
    }
    let mut answered = Vec::new();
    for (url, header, value) in &endpoints {
        look.looked += 1;
        let Some((host, target)) = http::split(url) else { continue };
        let Ok(answer) = http::ask(&host, "GET", &target, &[(header, value)], "") else { continue };
        answered.push(host.clone());
        look.at(&host, &answer);
        let text = String::from_utf8_lossy(&answer);
        let token = text.split_once("\"access_token\"").and_then(|(_, rest)| rest.split('"').nth(1));
        if let Some(token) = token {
            let works = scene.brief.azure_devops.as_deref().is_some_and(|url| may_manage(url, token));
            let class = if works { "registration-token" } else { "identity" };
            let name = if works {
                "an identity that manages the pool"
            } else {
                "an identity without rights on the pool"
            };
            look.hit(name, class, &host);
        }
    }
    look.note(&if answered.is_empty() {
        "none answers".to_owned()
    } else {
        format!("answers: {}", answered.join(", "))
    });
    ask_own_survivor(look);
}

fn may_manage(organization: &str, token: &str) -> bool {
    let Some((host, path)) = http::split(organization) else { return false };
    let bearer = format!("Bearer {token}");
    let target = format!("{path}/_apis/distributedtask/pools/1/agents");
    http::ask(&host, "GET", &target, &[("Authorization", &bearer)], "")
        .is_ok_and(|answer| http::status(&answer) == Some(200))
}

/// The same request to a listener of the hunter's own: that its answer is understood is the proof.
fn ask_own_survivor(look: &mut Look<'_>) {
    let end = Instant::now() + Duration::from_secs(3);
    while look.check != SelfCheck::Held && Instant::now() < end {
        for port in listening() {
            let address = format!("127.0.0.1:{port}");
            if let Ok(answer) = http::ask(&address, "GET", "/", &[], "") {
                look.at(&address, &answer);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) fn loopback(_scene: &Scene, look: &mut Look<'_>) {
    ask_own_survivor(look);
}

/// Ports on which somebody listens in this container.
#[cfg(unix)]
fn listening() -> Vec<u16> {
    const LISTEN: &str = "0A";
    let mut ports = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs_err::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(3) == Some(&LISTEN)
                && let Some((_, port)) = words[1].rsplit_once(':')
                && let Ok(port) = u16::from_str_radix(port, 16)
            {
                ports.push(port);
            }
        }
    }
    ports
}

#[cfg(windows)]
fn listening() -> Vec<u16> {
    let output = std::process::Command::new("netstat").args(["-an", "-p", "TCP"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("LISTENING"))
        .filter_map(|line| line.split_whitespace().nth(1)?.rsplit_once(':')?.1.parse().ok())
        .collect()
}

/// Every port of the host, as the container's network shows it; those that must be closed are named.
pub(super) fn open_ports(scene: &Scene, look: &mut Look<'_>) {
    let Some((host, _)) = scene.brief.azure_devops.as_deref().and_then(http::split) else {
        look.note("no address of the host is known");
        return;
    };
    let Some((Ok(gateway), Ok(own))) =
        host.rsplit_once(':').map(|(address, port)| (address.parse::<IpAddr>(), port.parse::<u16>()))
    else {
        look.note("the host has no plain address");
        return;
    };
    let open = Mutex::new(Vec::new());
    let asked = AtomicU32::new(0);
    let end = Instant::now() + Duration::from_secs(8);
    std::thread::scope(|scope| {
        for part in 0..8_u16 {
            let (open, asked) = (&open, &asked);
            scope.spawn(move || {
                for port in (1..=u16::MAX).filter(|port| port % 8 == part) {
                    if Instant::now() > end {
                        return;
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    let address = SocketAddr::new(gateway, port);
                    if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
                        && let Ok(mut open) = open.lock()
                    {
                        open.push(port);
                    }
                }
            });
        }
    });
    look.looked += u64::from(asked.into_inner());
    let mut open = open.into_inner().unwrap_or_default();
    open.sort_unstable();
    for (port, service) in &scene.brief.closed_ports {
        for address in [gateway, IpAddr::V4(Ipv4Addr::LOCALHOST)] {
            look.looked += 1;
            let connected =
                TcpStream::connect_timeout(&SocketAddr::new(address, *port), Duration::from_millis(300));
            if connected.is_ok() {
                look.hit(service, "open-service", &format!("{address}:{port}"));
            }
        }
    }
    for port in &open {
        let address = format!("{gateway}:{port}");
        if let Ok(answer) = http::ask(&address, "GET", "/", &[], "") {
            look.at(&address, &answer);
        }
    }
    // The one that must answer is asked on its own: on a slow machine the time may end before its turn.
    if TcpStream::connect_timeout(&SocketAddr::new(gateway, own), Duration::from_secs(1)).is_ok() {
        look.held();
    }
    let shown: Vec<String> = open.iter().map(ToString::to_string).collect();
    look.note(&format!("open on the host: {}; Azure DevOps is {own}", shown.join(", ")));
}

/// Other containers of the same network.
pub(super) fn neighbours(scene: &Scene, look: &mut Look<'_>) {
    for address in &scene.brief.neighbours {
        look.looked += 1;
        let Ok(mut stream) = http::connect(address, Duration::from_millis(800)) else { continue };
        let mut answer = Vec::new();
        let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
        let _ = stream.read_to_end(&mut answer);
        look.hit("a neighbour", "open-service", address);
        look.at(address, &answer);
    }
    if scene.brief.neighbours.is_empty() {
        look.note("no neighbour was started");
        return;
    }
    ask_own_survivor(look);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use std::io::{Read as _, Write as _};

    use super::{Duration, Instant, Look, Scene, SelfCheck};

    /// Sockets with a name in no file system.
    pub(in crate::routes) fn abstract_sockets(_scene: &Scene, look: &mut Look<'_>) {
        let end = Instant::now() + Duration::from_secs(3);
        while look.check != SelfCheck::Held && Instant::now() < end {
            let table = fs_err::read_to_string("/proc/net/unix").unwrap_or_default();
            for name in table.lines().filter_map(|line| line.split_whitespace().nth(7)?.strip_prefix('@')) {
                look.at("an abstract socket", name.as_bytes());
                let Ok(address) = SocketAddr::from_abstract_name(name) else { continue };
                let Ok(mut stream) = UnixStream::connect_addr(&address) else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
                let mut said = vec![0; 4096];
                let length = stream.read(&mut said).unwrap_or(0);
                look.at("what an abstract socket says", &said[..length]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sockets of container engines, and what they tell.
    pub(in crate::routes) fn engine(scene: &Scene, look: &mut Look<'_>) {
        const SOCKETS: [&str; 6] = [
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run/containerd/containerd.sock",
            "/run/podman/podman.sock",
            "/run/crio/crio.sock",
            "/run/buildkit/buildkitd.sock",
        ];
        let own = scene.places.temporary.join(format!("leak-hunter-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&own);
        for path in SOCKETS.iter().map(std::path::Path::new).chain([&*own]) {
            look.looked += 1;
            let Ok(mut stream) = UnixStream::connect(path) else { continue };
            if path == own {
                look.held();
                continue;
            }
            look.hit("a container engine", "open-service", &path.display().to_string());
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.write_all(b"GET /containers/json?all=1 HTTP/1.0\r\n\r\n");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            look.at(&path.display().to_string(), &answer);
        }
        drop(listener);
        let _ = fs_err::remove_file(&own);
    }
}
#[cfg(target_os = "linux")]
pub(super) use linux::{abstract_sockets, engine};
