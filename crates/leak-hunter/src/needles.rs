//! What is looked for, masked: a needle is compared byte by byte and never put together in memory.

use std::collections::HashMap;

/// One form of a secret or mark: as it is, in base64, in UTF-16 and so on.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    /// What it is, for the report.
    pub(crate) name: String,
    /// The class of a row in which it was found.
    pub(crate) class: String,
    key: Vec<u8>,
    masked: Vec<u8>,
}

impl Needle {
    /// A needle of at least four bytes. `key` and `masked` are of one length; one XOR the other is what is looked for.
    pub(crate) fn new(name: &str, class: &str, key: Vec<u8>, masked: Vec<u8>) -> Option<Self> {
        (key.len() == masked.len() && key.len() >= 4).then(|| Self {
            name: name.to_owned(),
            class: class.to_owned(),
            key,
            masked,
        })
    }

    /// Masks what was learned here, with a key that only has to differ from zero.
    pub(crate) fn learned(name: &str, class: &str, plain: &[u8]) -> Option<Self> {
        let key: Vec<u8> = (0..plain.len()).map(|at| 0x80 | (at.wrapping_mul(37) as u8)).collect();
        let masked = plain.iter().zip(&key).map(|(plain, key)| plain ^ key).collect();
        Self::new(name, class, key, masked)
    }

    /// The needle as text. For marks alone, which are no secrets.
    pub(crate) fn unmasked(&self) -> String {
        let bytes: Vec<u8> = self.key.iter().zip(&self.masked).map(|(key, masked)| key ^ masked).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn len(&self) -> usize {
        self.key.len()
    }

    fn prefix(&self) -> [u8; 2] {
        [self.key[0] ^ self.masked[0], self.key[1] ^ self.masked[1]]
    }

    fn is_at(&self, hay: &[u8]) -> bool {
        hay.len() >= self.len()
            && self.key.iter().zip(&self.masked).zip(hay).all(|((key, masked), byte)| key ^ masked == *byte)
    }
}

/// All needles, found in one pass by their first two bytes.
#[derive(Debug, Default)]
pub(crate) struct Needles {
    list: Vec<Needle>,
    by_prefix: HashMap<[u8; 2], Vec<usize>>,
    /// One byte for each pair of bytes: whether any needle begins with it.
    begins: Vec<bool>,
}

impl Needles {
    pub(crate) fn new(list: Vec<Needle>) -> Self {
        let mut by_prefix: HashMap<[u8; 2], Vec<usize>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (index, needle) in list.iter().enumerate() {
            by_prefix.entry(needle.prefix()).or_default().push(index);
            begins[usize::from(u16::from_be_bytes(needle.prefix()))] = true;
        }
        Self { list, by_prefix, begins }
    }

    /// Every place at which a needle begins.
    pub(crate) fn search<'a>(&'a self, hay: &[u8], mut found: impl FnMut(usize, &'a Needle)) {
        for (at, pair) in hay.windows(2).enumerate() {
            let pair = [pair[0], pair[1]];
            if !self.begins[usize::from(u16::from_be_bytes(pair))] {
                continue;
            }
            for index in self.by_prefix.get(&pair).into_iter().flatten() {
                let needle = &self.list[*index];
                if needle.is_at(&hay[at..]) {
                    found(at, needle);
                }
            }
        }
    }

    /// The longest needle: neighbouring chunks of a stream overlap by as much.
    pub(crate) fn longest(&self) -> usize {
        self.list.iter().map(Needle::len).max().unwrap_or(0)
    }

    /// A text without any needle in it: a report may name a path, and a path may hold a mark.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.search(text.as_bytes(), |at, needle| bytes[at..at + needle.len()].fill(b'*'));
        let mut out = String::new();
        for character in String::from_utf8_lossy(&bytes).chars() {
            if !(character == '*' && out.ends_with('*')) {
                out.push(character);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles() -> Needles {
        Needles::new(vec![
            Needle::learned("a", "x", b"secret-one").unwrap(),
            Needle::learned("b", "y", b"secret-two").unwrap(),
        ])
    }

    #[test]
    fn each_needle_is_found_where_it_is() {
        let needles = needles();
        let mut found = Vec::new();
        needles.search(b"..secret-one..secret-tw.secret-two", |at, needle| {
            found.push((at, needle.name.clone()));
        });
        assert_eq!(found, [(2, "a".to_owned()), (24, "b".to_owned())]);
    }

    #[test]
    fn a_needle_is_nowhere_in_its_own_memory() {
        let needle = Needle::learned("a", "x", b"secret-one").unwrap();
        let held = format!("{needle:?}");
        assert!(!held.contains("secret") && !needle.masked.windows(4).any(|four| four == b"secr"));
        assert_eq!(needle.unmasked(), "secret-one");
    }

    #[test]
    fn texts_lose_what_is_looked_for() {
        assert_eq!(needles().redact("/tmp/secret-one/x"), "/tmp/*/x");
    }

    #[test]
    fn a_needle_that_would_match_everywhere_is_none() {
        assert!(Needle::learned("a", "x", b"abc").is_none());
        assert!(Needle::new("a", "x", vec![1; 5], vec![1; 4]).is_none());
    }
}
