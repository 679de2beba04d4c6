//! The text of logs as it is sent: whole, some lines of it, as JSON, zipped. However long a log is, little of it is in
//! memory at once.

use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::files;

/// How much is sent at once.
const CHUNK: usize = 64 * 1024;

/// A log's file, as far as it counts.
#[derive(Debug)]
pub(crate) struct Part {
    /// In an archive.
    pub(crate) name: String,
    /// Among the logs of its build.
    pub(crate) number: i64,
    pub(crate) file: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
}

impl Part {
    fn open(&self) -> std::io::Result<Box<dyn BufRead + Send>> {
        // A log that nothing was written to has no file.
        if self.bytes == 0 {
            return Ok(Box::new(std::io::empty()));
        }
        Ok(Box::new(BufReader::new(fs_err::File::open(&self.file)?.take(self.bytes))))
    }
}

/// The lines as text.
pub(crate) async fn text(part: Part, lines: Range<u64>) -> std::io::Result<Body> {
    if lines == (0..part.lines) {
        return if part.bytes == 0 {
            Ok(Body::empty())
        } else {
            files::stream(&part.file, 0, part.bytes).await
        };
    }
    Ok(written(move |out| each_line(&part, &lines, |_, line| out.write_all(line))))
}

/// The lines as `{"count": N, "value": [...]}`, without their ends.
pub(crate) fn json(part: Part, lines: Range<u64>) -> Body {
    written(move |out| {
        write!(out, "{{\"count\":{},\"value\":[", lines.end.saturating_sub(lines.start))?;
        each_line(&part, &lines, |number, line| {
            if number > lines.start {
                out.write_all(b",")?;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::other)
        })?;
        out.write_all(b"]}")
    })
}

fn each_line(
    part: &Part,
    lines: &Range<u64>,
    mut each: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = part.open()?;
    let mut line = Vec::new();
    for number in 0..lines.end {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if number >= lines.start {
            each(number, &line)?;
        }
    }
    Ok(())
}

/// What a function writes, as a body. The function waits while nobody reads, and ends when whoever read is gone.
fn written(write: impl FnOnce(&mut BufWriter<Sender>) -> std::io::Result<()> + Send + 'static) -> Body {
    let (sender, receiver) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        let mut out = BufWriter::with_capacity(CHUNK, Sender(sender));
        if let Err(error) = write(&mut out).and_then(|()| out.flush()) {
            // Cuts the answer off, so that nobody takes it for whole.
            let _ = failed.blocking_send(Err(error));
        }
    });
    let next = |mut receiver: mpsc::Receiver<std::io::Result<Bytes>>| async {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    };
    Body::from_stream(stream::unfold(receiver, next))
}

struct Sender(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An archive of logs. It is made in a file that nobody else sees and that is gone when it was sent.
pub(crate) async fn zip(parts: Vec<Part>) -> std::io::Result<Body> {
    let made = tokio::task::spawn_blocking(move || {
        let mut zip = ZipWriter::new(tempfile::tempfile()?);
        let mut taken = std::collections::BTreeSet::new();
        for part in parts {
            // Names that people chose may be the same; the log's number in the build is not.
            let name = if taken.insert(part.name.clone()) {
                part.name.clone()
            } else {
                format!("{}-{}", part.number, part.name)
            };
            zip.start_file(name, SimpleFileOptions::default())?;
            std::io::copy(&mut part.open()?, &mut zip)?;
        }
        let mut file = zip.finish()?;
        file.rewind()?;
        Ok::<_, std::io::Error>(file)
    });
    let file = made.await.map_err(std::io::Error::other)??;
    Ok(Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: Body) -> String {
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn lines_are_taken_from_a_log_and_what_does_not_count_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        fs_err::write(&file, "a\nb \"q\"\r\n\nd\nbroken off").unwrap();
        let part = || Part { name: "1.txt".into(), number: 1, file: file.clone(), bytes: 11, lines: 4 };
        for (lines, expected) in [(0..4, "a\nb \"q\"\r\n\nd"), (1..2, "b \"q\"\r\n"), (4..4, ""), (9..9, "")]
        {
            assert_eq!(read(text(part(), lines.clone()).await.unwrap()).await, expected, "{lines:?}");
        }
        for (lines, expected) in [
            (0..4, r#"{"count":4,"value":["a","b \"q\"","","d"]}"#),
            (3..4, r#"{"count":1,"value":["d"]}"#),
            (4..4, r#"{"count":0,"value":[]}"#),
        ] {
            assert_eq!(read(json(part(), lines.clone())).await, expected, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn an_archive_holds_each_log_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        fs_err::write(&file, "text").unwrap();
        let part = |number, bytes| {
            let name = "Job/1_x.txt".into();
            Part { name, number, file: file.clone(), bytes, lines: 1 }
        };
        let body = zip(vec![part(1, 4), part(2, 0)]).await.unwrap();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["2-Job/1_x.txt", "Job/1_x.txt"]);
        let mut text = String::new();
        archive.by_name("Job/1_x.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
