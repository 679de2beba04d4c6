//! Terminals and output of running containers, over connections that the engine hands over.

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptionsBuilder, ResizeExecOptionsBuilder};
use futures_util::{Stream, StreamExt};

use super::DockerRuntime;
use super::failure::failed;
use crate::runtime::{CommandOutput, RuntimeError};
use crate::session::{ExecCommand, Session, SessionOutput};

/// Bytes of a probe's output that are kept.
const MOST_OUTPUT: usize = 1 << 10;

impl DockerRuntime {
    pub(super) async fn open_terminal(
        &self,
        id: &str,
        command: &ExecCommand,
    ) -> Result<Session, RuntimeError> {
        let action = format!("run a command in container `{id}`");
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            cmd: Some(command.command.clone()),
            ..CreateExecOptions::default()
        };
        let created = self.docker.create_exec(id, options).await.map_err(|error| failed(&action, error))?;
        let options = StartExecOptions { tty: true, ..StartExecOptions::default() };
        let started = self.docker.start_exec(&created.id, Some(options)).await;
        let StartExecResults::Attached { output, input } = started.map_err(|error| failed(&action, error))?
        else {
            let reason = "the engine started it without a terminal".to_owned();
            return Err(RuntimeError::Refused { action, reason });
        };
        let size =
            ResizeExecOptionsBuilder::new().h(i32::from(command.rows)).w(i32::from(command.columns)).build();
        // A command that has ended already has no terminal any more.
        if let Err(error) = self.docker.resize_exec(&created.id, size).await {
            tracing::debug!(container = %id, %error, "the terminal keeps its first size");
        }
        Ok(Session { output: pieces(action, output), input: Some(input) })
    }

    pub(super) async fn run_command(
        &self,
        id: &str,
        command: &[String],
    ) -> Result<CommandOutput, RuntimeError> {
        let action = format!("run a probe in container `{id}`");
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let created = self.docker.create_exec(id, options).await.map_err(|error| failed(&action, error))?;
        let started = self.docker.start_exec(&created.id, None).await;
        let mut written = Vec::new();
        if let StartExecResults::Attached { mut output, .. } =
            started.map_err(|error| failed(&action, error))?
        {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| failed(&action, error))?.into_bytes();
                let room = MOST_OUTPUT.saturating_sub(written.len());
                written.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        }
        let ended = self.docker.inspect_exec(&created.id).await.map_err(|error| failed(&action, error))?;
        let code = ended.exit_code.unwrap_or(-1);
        Ok(CommandOutput { code, output: String::from_utf8_lossy(&written).into_owned() })
    }

    pub(super) async fn follow_output(&self, id: &str) -> Result<Session, RuntimeError> {
        let action = format!("attach to container `{id}`");
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
        let attached = self.docker.attach_container(id, Some(options)).await;
        let AttachContainerResults { output, .. } = attached.map_err(|error| failed(&action, error))?;
        Ok(Session { output: pieces(action, output), input: None })
    }
}

fn pieces(
    action: String,
    output: impl Stream<Item = Result<LogOutput, Error>> + Send + 'static,
) -> SessionOutput {
    let pieces = output.map(move |piece| match piece {
        Ok(piece) => Ok(piece.into_bytes()),
        Err(error) => Err(failed(&action, error)),
    });
    Box::pin(pieces.filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty()))))
}
