//! `exec` and `attach` of a container: first a POST that promises a stream, then the WebSocket that is the stream.
//!
//! Of `exec` the first text message is the password (`azure-cli: command_modules/container/custom.py`, `_start_exec_pipe`);
//! after it bytes go both ways, and nothing else: there is no message for a new size. Of `attach` the password is the
//! `Authorization` header of the WebSocket's request (`azure-rest-api-specs: ContainerAttachResponse`).

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use container_groups::{ExecCommand, Session, SessionInput, SessionOutput};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::aci;
use crate::providers::aci::sessions::{Promise, Purpose};
use crate::request::ApiVersion;
use crate::routes::container_groups::existing;

/// How long a connection may stay without its password.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one message at most: what is typed or pasted.
const LARGEST_MESSAGE: usize = 1 << 20;
/// The size of a terminal that was not asked for.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

type ContainerPath = Path<(String, String, String, String)>;

pub(crate) fn routes(one: &str) -> Router<Arm> {
    Router::new()
        .route(&format!("{one}/containers/{{container}}/exec"), post(exec))
        .route(&format!("{one}/containers/{{container}}/attach"), post(attach))
}

/// The addresses of the streams. Who connects has no token: the id and the password are all they show.
pub(crate) fn streams() -> Router<Arm> {
    Router::new()
        .route("/exec/{caas}/{bridge}", get(exec_stream))
        .route("/attach/{caas}/{bridge}", get(attach_stream))
}

async fn exec(
    State(arm): State<Arm>,
    Path((_, group, name, container)): ContainerPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let body = body.json()?;
    let command = read_command(&body)?;
    let (_, group_id) = existing(&arm, &group, &name)?;
    let running = arm.settings().groups.running_container(&group_id, &container).map_err(aci::error)?;
    let (rows, columns) = (command.rows, command.columns);
    let (id, password) = promise(&arm, running, Purpose::Exec(command));
    let path = format!("/exec/{id}?rows={rows}&cols={columns}&api-version={}", version.0);
    Ok(Json(json!({ "webSocketUri": web_socket(&arm, &path), "password": password })))
}

async fn attach(
    State(arm): State<Arm>,
    Path((_, group, name, container)): ContainerPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Json<Value>, ArmError> {
    let (_, group_id) = existing(&arm, &group, &name)?;
    let running = arm.settings().groups.running_container(&group_id, &container).map_err(aci::error)?;
    let (id, password) = promise(&arm, running, Purpose::Attach);
    let path = format!("/attach/{id}?api-version={}", version.0);
    Ok(Json(json!({ "webSocketUri": web_socket(&arm, &path), "password": password })))
}

fn read_command(body: &Value) -> Result<ExecCommand, ArmError> {
    let mut fields = Fields::of(body, "")?;
    let text = fields.required_string("command")?;
    // No quotes are understood: one process, its arguments apart by blanks.
    let command: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err(ArmError::invalid_content("command", "The command must not be empty."));
    }
    let (mut rows, mut columns) = (ROWS, COLUMNS);
    if let Some(mut size) = fields.object("terminalSize")? {
        rows = side(&mut size, "rows", ROWS)?;
        columns = side(&mut size, "cols", COLUMNS)?;
        size.finish()?;
    }
    fields.finish()?;
    Ok(ExecCommand { command, rows, columns })
}

/// A terminal that does not know its size says 0, and `az` passes that on.
fn side(size: &mut Fields<'_>, name: &'static str, default: u16) -> Result<u16, ArmError> {
    let Some(number) = size.integer(name)?.filter(|number| *number != 0) else { return Ok(default) };
    u16::try_from(number).map_err(|_| {
        ArmError::invalid_content(&size.path(name), "The size of a terminal must be between 0 and 65535.")
    })
}

/// Keeps a promise; gives the end of its address and its password.
fn promise(arm: &Arm, container: container_groups::RunningContainer, purpose: Purpose) -> (String, String) {
    let password = arm.settings().entropy.token(32);
    let id = format!("caas-{}/bridge-{}", arm.new_id().simple(), arm.settings().entropy.token(16));
    let promise = Promise::new(container, purpose, SecretString::from(password.clone()), arm.now());
    arm.promises().keep(id.clone(), promise);
    (id, password)
}

/// The address of a stream, on the port of everything else.
fn web_socket(arm: &Arm, path: &str) -> String {
    // `http` becomes `ws`, `https` becomes `wss`.
    arm.url(path).replacen("http", "ws", 1)
}

async fn exec_stream(
    State(arm): State<Arm>,
    Path((caas, bridge)): Path<(String, String)>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(promise) = arm.promises().take(&format!("{caas}/{bridge}"), arm.now()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let owner = arm.settings().shutdown.clone();
    upgrade.max_message_size(LARGEST_MESSAGE).on_upgrade(async move |mut socket| {
        owner.spawn_graceful(async move {
            let token = arm.settings().shutdown.token().clone();
            let given = tokio::select! {
                given = tokio::time::timeout(PATIENCE, first_message(&mut socket)) => given.ok().flatten(),
                () = token.cancelled() => return close(&mut socket, close_code::AWAY, "").await,
            };
            if given.is_some_and(|given| promise.opens_with(&given)) {
                serve(&arm, &promise, socket).await;
            } else {
                close(&mut socket, close_code::POLICY, "the password is wrong or did not come").await;
            }
        });
    })
}

async fn attach_stream(
    State(arm): State<Arm>,
    Path((caas, bridge)): Path<(String, String)>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(promise) = arm.promises().take(&format!("{caas}/{bridge}"), arm.now()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let given = headers.get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    // The specification names the header's value and no scheme; a client may add the usual one.
    let bare = given.strip_prefix(b"Bearer ").unwrap_or(given);
    if !promise.opens_with(bare) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let owner = arm.settings().shutdown.clone();
    upgrade.max_message_size(LARGEST_MESSAGE).on_upgrade(async move |socket| {
        owner.spawn_graceful(async move { serve(&arm, &promise, socket).await });
    })
}

async fn first_message(socket: &mut WebSocket) -> Option<Vec<u8>> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return Some(text.as_bytes().to_vec()),
            Message::Binary(bytes) => return Some(bytes.to_vec()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return None,
        }
    }
}

/// Opens the stream behind a promise and carries it until one side ends it.
async fn serve(arm: &Arm, promise: &Promise, mut socket: WebSocket) {
    let groups = &arm.settings().groups;
    let opened = match &promise.purpose {
        Purpose::Exec(command) => groups.exec(&promise.container, command).await,
        Purpose::Attach => groups.attach(&promise.container).await,
    };
    match opened {
        Ok(session) => carry(arm, session, socket).await,
        Err(error) => {
            // There is no other way to tell the person at the terminal.
            let text = format!("{}\r\n", error.message);
            if socket.send(Message::Binary(text.into())).await.is_ok() {
                close(&mut socket, close_code::NORMAL, "").await;
            }
        }
    }
}

async fn carry(arm: &Arm, session: Session, socket: WebSocket) {
    let (mut to_client, from_client) = socket.split();
    let (code, reason) = tokio::select! {
        ended = show(session.output, &mut to_client) => ended,
        // The client went away or said goodbye; what it ran loses its keyboard.
        () = listen(from_client, session.input) => (close_code::NORMAL, ""),
        () = arm.settings().shutdown.token().cancelled() => (close_code::AWAY, "the sandbox is shutting down"),
    };
    let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // A client that is gone already needs none.
    let _ = to_client.send(goodbye).await;
}

/// What the container writes, as binary messages that are never empty: az ends at an empty one.
async fn show(
    mut output: SessionOutput,
    to_client: &mut SplitSink<WebSocket, Message>,
) -> (u16, &'static str) {
    while let Some(piece) = output.next().await {
        match piece {
            Ok(piece) if piece.is_empty() => {}
            Ok(piece) => {
                if to_client.send(Message::Binary(piece)).await.is_err() {
                    return (close_code::NORMAL, "");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a stream of a container broke");
                return (close_code::ERROR, "the container engine ended the stream");
            }
        }
    }
    (close_code::NORMAL, "")
}

/// What is typed. Returns once the client has ended the connection.
async fn listen(mut from_client: SplitStream<WebSocket>, mut input: Option<SessionInput>) {
    while let Some(Ok(message)) = from_client.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => break,
        };
        let Some(keyboard) = &mut input else { continue };
        let typed = async {
            keyboard.write_all(&bytes).await?;
            keyboard.flush().await
        };
        // Nobody reads any more; the output says when the command has ended.
        if typed.await.is_err() {
            input = None;
        }
    }
    if let Some(mut keyboard) = input {
        // It may be closed already.
        let _ = keyboard.shutdown().await;
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    // A client that is gone already needs no goodbye.
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}
