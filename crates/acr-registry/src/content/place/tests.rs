use std::path::PathBuf;

use super::*;

const CONTENT: &[u8] = b"layer";

struct Files {
    _folder: tempfile::TempDir,
    upload: PathBuf,
    blob: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (upload, blob) = (folder.path().join("upload"), folder.path().join("blob"));
        fs_err::write(&upload, CONTENT).unwrap();
        Self { _folder: folder, upload, blob }
    }

    /// What becomes of the push, and how often it was tried.
    fn put(&self, mut rename: impl FnMut(u32) -> io::Result<()>) -> (io::Result<()>, u32) {
        let mut tries = 0;
        let result = put_by(&self.upload, &self.blob, &Digest::of(CONTENT), |from, to| {
            tries += 1;
            rename(tries)?;
            fs_err::rename(from, to)
        });
        (result, tries)
    }

    fn blob(&self) -> Option<Vec<u8>> {
        fs_err::read(&self.blob).ok()
    }
}

/// What Windows answers.
fn denied() -> io::Result<()> {
    Err(io::ErrorKind::PermissionDenied.into())
}

#[test]
fn a_push_whose_content_another_has_put_there_has_succeeded() {
    let files = Files::new();
    let (result, tries) = files.put(|_| {
        fs_err::write(&files.blob, CONTENT).unwrap();
        denied()
    });
    result.unwrap();
    assert_eq!((files.blob().as_deref(), tries), (Some(CONTENT), 1));
    assert!(!files.upload.exists(), "nothing is left of the upload");
}

#[test]
fn other_content_under_the_name_is_no_success() {
    for there in [b"l4yer".as_slice(), b"longer than the layer", b""] {
        let files = Files::new();
        fs_err::write(&files.blob, there).unwrap();
        let (result, tries) = files.put(|_| denied());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!((files.blob().as_deref(), tries), (Some(there), 1));
        assert!(files.upload.exists(), "the upload can be finished later");
    }
}

#[test]
fn a_name_that_is_not_free_yet_is_waited_for() {
    let files = Files::new();
    let (result, tries) = files.put(|tries| if tries < 3 { denied() } else { Ok(()) });
    result.unwrap();
    assert_eq!((files.blob().as_deref(), tries), (Some(CONTENT), 3));
}

#[test]
fn a_name_that_is_never_free_is_given_up() {
    let files = Files::new();
    let (result, tries) = files.put(|_| denied());
    assert_eq!((result.unwrap_err().kind(), tries), (io::ErrorKind::PermissionDenied, TRIES));
    assert!(files.upload.exists(), "the upload can be finished later");
}

#[test]
fn what_no_waiting_helps_against_is_told_at_once() {
    let files = Files::new();
    let (result, tries) = files.put(|_| Err(io::ErrorKind::StorageFull.into()));
    assert_eq!((result.unwrap_err().kind(), tries), (io::ErrorKind::StorageFull, 1));
}
