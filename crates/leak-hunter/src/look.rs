//! One route's look: what it looked at, what it found, and whether it proved that it can find anything.

use std::io::Read;
use std::path::Path;

use crate::brief::SELF;
use crate::needles::{Needle, Needles};

/// A file is read up to this far.
const FILE_LIMIT: u64 = 256 * 1024 * 1024;
const CHUNK: usize = 1024 * 1024;

/// Whether the route found the hunter's own canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SelfCheck {
    /// It did not, and nothing says why: the route proves nothing.
    Failed,
    /// It did.
    Held,
    /// The kernel, the engine or the permissions refuse the route itself; this is how.
    Closed(String),
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) place: String,
}

/// What one route is about to answer.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    needles: &'a Needles,
    /// How many things were looked at.
    pub(crate) looked: u64,
    /// Of what kind they were.
    pub(crate) unit: &'static str,
    pub(crate) hits: Vec<Hit>,
    pub(crate) check: SelfCheck,
    pub(crate) note: String,
}

impl<'a> Look<'a> {
    pub(crate) fn new(needles: &'a Needles, unit: &'static str) -> Self {
        Self { needles, looked: 0, unit, hits: Vec::new(), check: SelfCheck::Failed, note: String::new() }
    }

    /// Searches bytes that were found at a place.
    pub(crate) fn at(&mut self, place: &str, bytes: &[u8]) {
        self.looked += 1;
        self.search(place, bytes);
    }

    fn search(&mut self, place: &str, bytes: &[u8]) {
        let needles = self.needles;
        needles.search(bytes, |_, needle| self.found(needle, place));
    }

    fn found(&mut self, needle: &Needle, place: &str) {
        if needle.class == SELF {
            self.check = SelfCheck::Held;
        } else {
            self.hit(&needle.name, &needle.class, place);
        }
    }

    /// Notes a find that is not one of the needles.
    pub(crate) fn hit(&mut self, name: &str, class: &str, place: &str) {
        let place = self.needles.redact(place);
        let hit = Hit { name: name.to_owned(), class: class.to_owned(), place };
        if !self.hits.contains(&hit) {
            self.hits.push(hit);
        }
    }

    /// The route itself is refused: nothing is found here, nor could the hunter's own canary be.
    pub(crate) fn closed(&mut self, why: impl Into<String>) {
        if self.check == SelfCheck::Failed {
            self.check = SelfCheck::Closed(why.into());
        }
    }

    /// The route was shown to work by other means than a canary.
    pub(crate) fn held(&mut self) {
        self.check = SelfCheck::Held;
    }

    /// Adds to what the report says beside the finds.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(text);
    }

    /// Searches a file's name and contents. False where it cannot be read.
    pub(crate) fn file(&mut self, path: &Path) -> bool {
        let place = path.display().to_string();
        self.search(&place, place.as_bytes());
        let Ok(mut file) = fs_err::File::open(path) else { return false };
        self.looked += 1;
        self.stream(&place, &mut file);
        true
    }

    /// Searches a file where it can be read.
    #[cfg_attr(windows, expect(dead_code, reason = "only routes of Unix walk folders with it"))]
    pub(crate) fn find(&mut self, path: &Path) {
        let _ = self.file(path);
    }

    /// Searches a stream chunk by chunk, with an overlap as long as the longest needle.
    pub(crate) fn stream(&mut self, place: &str, stream: &mut dyn Read) {
        let overlap = self.needles.longest();
        let mut window: Vec<u8> = Vec::with_capacity(CHUNK + overlap);
        let mut stream = stream.take(FILE_LIMIT);
        loop {
            let kept = window.len();
            match (&mut stream).take(CHUNK as u64).read_to_end(&mut window) {
                Ok(0) => return,
                Ok(_) => self.search(place, &window),
                Err(_) => {
                    self.search(place, &window);
                    return;
                }
            }
            let keep = overlap.min(window.len());
            debug_assert!(kept <= overlap, "no more than the overlap is kept");
            window.drain(..window.len() - keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_across_two_chunks_is_found() {
        let needles = Needles::new(vec![
            Needle::learned("token", "registration-token", b"the-token-itself").unwrap(),
            Needle::learned("canary", SELF, b"the-canary-itself").unwrap(),
        ]);
        let mut bytes = vec![b'.'; CHUNK - 5];
        bytes.extend_from_slice(b"the-token-itself");
        let mut look = Look::new(&needles, "streams");
        look.stream("a stream", &mut bytes.as_slice());
        assert_eq!(look.hits.len(), 1, "{:?}", look.hits);
        assert_eq!(look.check, SelfCheck::Failed);
        look.at("elsewhere", b"the-canary-itself");
        assert_eq!((look.check.clone(), look.looked), (SelfCheck::Held, 1));
        look.closed("too late");
        assert_eq!(look.check, SelfCheck::Held);
    }
}
