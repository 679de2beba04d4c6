use super::*;

fn open(state: State) -> (Health, SocketAddr) {
    let health = Health::open(Some(SocketAddr::from(([127, 0, 0, 1], 0))), "web-01", state).unwrap();
    let address = health.listener.as_ref().unwrap().local_addr().unwrap();
    (health, address)
}

/// Sends and reads, with as many turns of the loop as that takes.
fn ask(health: &mut Health, mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut answer = Vec::new();
    loop {
        health.turn();
        match stream.read_to_end(&mut answer) {
            Ok(_) => return String::from_utf8(answer).unwrap(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "no answer");
        std::thread::yield_now();
    }
}

fn get(health: &mut Health, address: SocketAddr, request: &str) -> String {
    ask(health, TcpStream::connect(address).unwrap(), request)
}

#[test]
fn a_port_or_an_address_with_one() {
    assert_eq!(parse("8080"), Some(SocketAddr::from(([0, 0, 0, 0], 8080))));
    assert_eq!(parse("127.0.0.1:81"), Some(SocketAddr::from(([127, 0, 0, 1], 81))));
    assert_eq!(parse("[::1]:81").unwrap().port(), 81);
    for text in ["", "0", "70000", "host:80", "127.0.0.1", "127.0.0.1:0", ":80", "8080/x"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn only_an_agent_that_listens_or_works_is_healthy() {
    for (state, status, name) in [
        (State::Registering, 503, "registering"),
        (State::Starting, 503, "starting"),
        (State::Listening, 200, "listening"),
        (State::Running, 200, "running"),
        (State::Updating, 503, "updating"),
        (State::Draining, 503, "draining"),
    ] {
        let (mut health, address) = open(state);
        let answer = get(&mut health, address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!((body["state"].as_str(), body["agent"].as_str()), (Some(name), Some("web-01")));
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    }
}

#[test]
fn other_requests_get_an_error_and_no_state() {
    let (mut health, address) = open(State::Listening);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 404),
        ("GET /healthz/../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        ("POST /healthz HTTP/1.1\r\n\r\n", 405),
        ("nonsense\r\n\r\n", 400),
        ("\u{0}\u{1}\r\n\r\n", 400),
    ] {
        let answer = get(&mut health, address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(!answer.contains("web-01"));
    }
    let long = format!("GET /{} HTTP/1.1", "x".repeat(3 * LONGEST_REQUEST));
    // It is cut off, with an answer or without one.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(long.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    health.turn();
    while !health.clients.is_empty() {
        assert!(Instant::now() < deadline);
        health.turn();
    }
}

/// Silent clients neither hold up the loop nor keep out one that asks.
#[test]
fn silent_clients_do_not_matter() {
    let (mut health, address) = open(State::Running);
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    let begin = Instant::now();
    let answer = get(&mut health, address, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    assert!(health.clients.len() <= MOST_CLIENTS);
    assert!(health.deadline().is_some());
    drop(silent);
}

#[test]
fn nothing_is_open_without_an_address() {
    let mut health = Health::open(None, "web-01", State::Listening).unwrap();
    health.turn();
    assert!(health.deadline().is_none());
}
