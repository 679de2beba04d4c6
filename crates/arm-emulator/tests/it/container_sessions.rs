//! `exec` and `attach` over a WebSocket, with a client that knows nothing of the emulator.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::stack::{Stack, group, group_body, until};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn with_group(name: &str) -> Stack {
    let stack = Stack::start().await;
    let started = stack.put(&group(name), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    stack
}

fn path(action: &str) -> String {
    format!("{}/containers/main/{action}", group("agent"))
}

async fn promised(stack: &Stack, action: &str, body: Value) -> (String, String) {
    let answer = stack.post(&path(action), body).await.expect(200).body;
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("webSocketUri"), text("password"))
}

/// Everything until the close frame, and its code.
async fn read_to_end(socket: &mut Socket) -> (String, Option<u16>) {
    let (mut text, mut code) = (String::new(), None);
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Message::Close(frame) => code = frame.map(|frame| frame.code.into()),
            other => panic!("neither output nor goodbye: {other:?}"),
        }
    }
    (text, code)
}

async fn next_text(socket: &mut Socket) -> String {
    let message = socket.next().await.unwrap().unwrap();
    assert!(message.is_binary(), "{message:?}");
    String::from_utf8(message.into_data().to_vec()).unwrap()
}

#[tokio::test]
async fn a_command_runs_in_a_terminal_of_the_asked_size() {
    let stack = with_group("agent").await;
    let body = json!({"command": "/bin/sh -i", "terminalSize": {"rows": 12, "cols": 34}});
    let (address, password) = promised(&stack, "exec", body).await;
    assert!(address.starts_with(&stack.base.replacen("http", "ws", 1)), "{address}");
    assert!(address.contains("rows=12&cols=34&api-version="), "{address}");
    assert!(!address.contains(&password));
    let (mut socket, _) = connect_async(&address).await.unwrap();
    socket.send(Message::text(password.clone())).await.unwrap();
    let streams = stack.journal("path_contains=/exec/caas-").await;
    assert_eq!((streams.len(), &streams[0]["status"]), (1, &json!(101)), "{streams:?}");
    let bridge = address.split(['/', '?']).find(|part| part.starts_with("bridge-")).unwrap();
    let text = json!(streams).to_string();
    assert!(
        text.contains("/***?rows=12&cols=34") && !text.contains(bridge) && !text.contains(&password),
        "{text}"
    );
    assert_eq!(next_text(&mut socket).await, "/bin/sh -i in 12x34\n");
    for typed in [Message::binary(&b"ls\r"[..]), Message::text("pwd\r")] {
        let text = String::from_utf8(typed.clone().into_data().to_vec()).unwrap();
        socket.send(typed).await.unwrap();
        assert_eq!(next_text(&mut socket).await, text);
    }
    socket.close(None).await.unwrap();
    assert_eq!(read_to_end(&mut socket).await.0, "");
    stack.finish().await;
}

#[tokio::test]
async fn a_wrong_password_gets_nothing_and_a_promise_is_good_once() {
    let stack = with_group("agent").await;
    let (address, password) = promised(&stack, "exec", json!({"command": "/bin/sh"})).await;
    let (mut socket, _) = connect_async(&address).await.unwrap();
    socket.send(Message::text("hunter2")).await.unwrap();
    assert_eq!(read_to_end(&mut socket).await, (String::new(), Some(1008)));
    // The right one comes too late.
    let refused = connect_async(&address).await.expect_err("the promise is used up");
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 404), "{refused}");
    assert!(!stack.answers().contains(&format!("{address} ")) && !password.is_empty());
    let strange =
        connect_async(format!("{}/exec/caas-1/bridge-1", stack.base.replacen("http", "ws", 1))).await;
    assert!(matches!(strange, Err(Error::Http(answer)) if answer.status() == 404));
    stack.finish().await;
}

#[tokio::test]
async fn attach_streams_what_is_written_until_the_container_ends() {
    let stack = with_group("agent").await;
    let id = stack.runtime.running()[0].id.clone();
    stack.runtime.write_log(&id, "before\n");
    let connect = async |address: &str, password: Option<&str>| {
        let mut request = address.into_client_request().unwrap();
        if let Some(password) = password {
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(password).unwrap());
        }
        connect_async(request).await
    };
    for wrong in [None, Some("hunter2")] {
        let (address, _) = promised(&stack, "attach", Value::Null).await;
        let refused = connect(&address, wrong).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 401));
    }
    let (address, password) = promised(&stack, "attach", Value::Null).await;
    let (mut socket, _) = connect(&address, Some(&password)).await.unwrap();
    // Nobody says when the stream began; what was written before it may be left out, what comes after may not.
    let mut seen = String::new();
    for turn in 0.. {
        stack.runtime.write_log(&id, &format!("turn {turn}\n"));
        let wait = std::time::Duration::from_millis(200);
        if let Ok(message) = tokio::time::timeout(wait, socket.next()).await {
            seen.push_str(&String::from_utf8_lossy(&message.unwrap().unwrap().into_data()));
            break;
        }
    }
    assert!(seen.contains("turn ") && !seen.contains("before"), "{seen}");
    stack.runtime.write_log(&id, "last words\n");
    stack.runtime.exit(&id, 0);
    let (rest, code) = read_to_end(&mut socket).await;
    assert!(rest.ends_with("last words\n"), "{rest}");
    assert_eq!(code, Some(1000));
    stack.finish().await;
}

#[tokio::test]
async fn a_stopped_or_ended_group_and_a_strange_container_are_refused() {
    let stack = with_group("agent").await;
    let command = json!({"command": "/bin/sh", "terminalSize": {"rows": 24, "cols": 80}});
    stack
        .post(&path("exec").replace("/main/", "/other/"), command.clone())
        .await
        .refused(404, "ContainerNotFound");
    stack
        .post(&path("exec").replace("/agent/", "/absent/"), command.clone())
        .await
        .refused(404, "ResourceNotFound");
    let early = promised(&stack, "exec", command.clone()).await;
    stack.send(reqwest::Method::POST, &format!("{}/stop", group("agent")), None).await.expect(204);
    for action in ["exec", "attach"] {
        let refused = stack.post(&path(action), command.clone()).await.refused(409, "ContainerGroupStopped");
        assert!(
            refused.text.contains("Container Group 'agent' in resource group 'Fleet' is stopped"),
            "{}",
            refused.text
        );
    }
    // What was promised before the stop ends with the engine's word.
    let (mut socket, _) = connect_async(&early.0).await.unwrap();
    socket.send(Message::text(early.1)).await.unwrap();
    let (text, code) = read_to_end(&mut socket).await;
    assert!(text.contains("no such container"), "{text}");
    assert_eq!(code, Some(1000));
    let mut body = group_body("web:1");
    body["properties"]["restartPolicy"] = json!("Never");
    let started = stack.put(&group("once"), body).await.expect(201);
    stack.ended(&started).await;
    let once = stack.runtime.running()[0].id.clone();
    stack.runtime.exit(&once, 0);
    until("the exec is refused", || async {
        let answer = stack.post(&path("exec").replace("/agent/", "/once/"), command.clone()).await;
        if answer.code() == "ContainerGroupStopped" { Ok(()) } else { Err(answer.text) }
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn what_is_no_command_or_size_is_refused_by_path() {
    let stack = with_group("agent").await;
    for (body, path_named) in [
        (json!({}), "command"),
        (json!({"command": ""}), "command"),
        (json!({"command": ["/bin/sh"]}), "command"),
        (json!({"command": "sh", "terminalSize": {"rows": -1}}), "terminalSize.rows"),
        (json!({"command": "sh", "terminalSize": {"cols": 70000}}), "terminalSize.cols"),
        (json!({"command": "sh", "tty": true}), "tty"),
    ] {
        let refused = stack.post(&path("exec"), body).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(path_named), "{}", refused.text);
    }
    stack.finish().await;
}

#[tokio::test]
async fn an_open_terminal_does_not_hold_up_the_shutdown() {
    let stack = with_group("agent").await;
    let (address, password) = promised(&stack, "exec", json!({"command": "/bin/sh"})).await;
    let (mut socket, _) = connect_async(&address).await.unwrap();
    socket.send(Message::text(password)).await.unwrap();
    next_text(&mut socket).await;
    let silent = promised(&stack, "exec", json!({"command": "/bin/sh"})).await;
    let (mut waiting, _) = connect_async(&silent.0).await.unwrap();
    stack.finish().await;
    assert_eq!(read_to_end(&mut socket).await.1, Some(1001));
    assert!(waiting.next().await.is_none_or(|message| message.is_err() || message.unwrap().is_close()));
}
