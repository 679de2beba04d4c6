//! Reading what a container wrote, without holding more than asked for.

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::{DockerRuntime, failed};
use crate::logs::{ENDED_BYTES, ENDED_LINES};
use crate::runtime::RuntimeError;

impl DockerRuntime {
    pub(super) async fn read_log(&self, id: &str, max_bytes: usize) -> Result<Vec<u8>, RuntimeError> {
        let lines = if max_bytes <= ENDED_BYTES { ENDED_LINES.to_string() } else { "all".to_owned() };
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines).build();
        let mut stream = self.docker.logs(id, Some(options));
        let mut log = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failed(&format!("read the log of container `{id}`"), error))?;
            log.extend_from_slice(&chunk.into_bytes());
            // Twice the limit at most is held; one move per limit read.
            if log.len() > 2 * max_bytes {
                log.drain(..log.len() - max_bytes);
            }
        }
        log.drain(..log.len().saturating_sub(max_bytes));
        Ok(log)
    }
}
