//! Reading what a container wrote, without holding more than asked for.

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::DockerRuntime;
use super::failure::failed;
use crate::runtime::{LogRequest, RuntimeError};

impl DockerRuntime {
    pub(super) async fn read_log(&self, id: &str, request: LogRequest) -> Result<Vec<u8>, RuntimeError> {
        let LogRequest { max_bytes, max_lines, timestamps } = request;
        let lines = max_lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(timestamps).tail(&lines).build();
        let mut stream = self.docker.logs(id, Some(options));
        let mut log = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failed(&format!("read the log of container `{id}`"), error))?;
            let chunk = chunk.into_bytes();
            // The engine cuts long lines and gives each piece a time; only the first is one of a line.
            let continued = timestamps && log.last().is_some_and(|last| *last != b'\n');
            let piece = if continued { after_time(&chunk) } else { chunk.as_ref() };
            log.extend_from_slice(piece);
            // Twice the limit at most is held; one move per limit read.
            if log.len() > 2 * max_bytes {
                log.drain(..log.len() - max_bytes);
            }
        }
        log.drain(..log.len().saturating_sub(max_bytes));
        Ok(log)
    }
}

fn after_time(piece: &[u8]) -> &[u8] {
    let blank = piece.iter().position(|byte| *byte == b' ');
    blank.and_then(|blank| piece.get(blank + 1..)).unwrap_or(piece)
}
