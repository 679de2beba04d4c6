//! A stream that is sealed piece by piece with AES-256-GCM: what leaves the store, in a file of its own.
//!
//! The file begins with two readable lines, the mark of the form and a header; then come pieces, each with its length. Each
//! file has a key of its own, made from the store's key and a random salt, so that numbers in a row may be nonces. Header and
//! number go into every seal: a piece that is changed, left out or moved is noticed, and so is an end that comes too early.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};

use super::StoreKey;
use crate::entropy::SharedEntropy;

const MARK: &str = "mayfly sealed file 1";
/// How much is sealed at once, in bytes.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;
/// Set in the length of the last piece.
const LAST: u32 = 1 << 31;
/// Longest first lines, in bytes.
const LINE: u64 = 4096;

/// What the file says of itself without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    holds: String,
    version: u32,
    key: String,
    salt: String,
}

/// Why a sealed file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// It is something else.
    #[error("it is no sealed file of Mayfly")]
    Form,
    /// It was sealed with another key.
    #[error("it was sealed with the key {found} and not with {given}")]
    ForeignKey {
        /// What names the file's key.
        found: String,
        /// What names the key that was tried.
        given: String,
    },
    /// Its end is missing.
    #[error("it is cut off")]
    CutOff,
    /// It was changed after it was sealed.
    #[error("it is damaged")]
    Damaged,
    /// It could not be read.
    #[error("read it")]
    Read(#[source] io::Error),
}

impl From<SealedError> for io::Error {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Read(error) => error,
            error => Self::other(error),
        }
    }
}

impl From<io::Error> for SealedError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::Read(error),
        }
    }
}

fn derived(key: &StoreKey, salt: &[u8], purpose: &str) -> [u8; 32] {
    let mut made = [0; 32];
    let info = [purpose.as_bytes()];
    let secret = Salt::new(HKDF_SHA256, salt).extract(&key.0);
    let filled = secret.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(&mut made));
    filled.expect("as many bytes as the hash has can be derived");
    made
}

impl StoreKey {
    /// What the key may be called where others read it.
    pub fn name(&self) -> String {
        hex::encode(&derived(self, &[], "name")[..8])
    }
}

/// Seals the pieces of one file, or opens them.
struct Cipher {
    key: LessSafeKey,
    header: Vec<u8>,
    next: u64,
}

impl Cipher {
    fn new(key: &StoreKey, salt: &[u8], header: Vec<u8>) -> Self {
        let own = derived(key, salt, MARK);
        let key = UnboundKey::new(&AES_256_GCM, &own).expect("a derived key has the cipher's length");
        Self { key: LessSafeKey::new(key), header, next: 0 }
    }

    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.next.to_be_bytes());
        nonce[NONCE_LEN - 1] = u8::from(last);
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&mut self, piece: &mut Vec<u8>, last: bool) {
        let nonce = self.nonce(last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(&self.header), piece);
        sealed.expect("a piece is far below the cipher's length limit");
    }

    fn open(&mut self, piece: &mut Vec<u8>, last: bool) -> Result<(), SealedError> {
        let nonce = self.nonce(last);
        let plain = self.key.open_in_place(nonce, Aad::from(&self.header), piece);
        let length = plain.map_err(|_| SealedError::Damaged)?.len();
        piece.truncate(length);
        Ok(())
    }
}

/// Writes a sealed file. Nothing of it can be read before [`SealedWriter::finish`].
pub(crate) struct SealedWriter<W> {
    out: W,
    cipher: Cipher,
    piece: Vec<u8>,
}

impl<W> fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedWriter")
    }
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file that holds something, in a version of its own.
    pub(crate) fn new(
        mut out: W,
        key: &StoreKey,
        (holds, version): (&str, u32),
        entropy: &SharedEntropy,
    ) -> io::Result<Self> {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        let header = Header { holds: holds.to_owned(), version, key: key.name(), salt: hex::encode(salt) };
        let header = format!("{MARK}\n{}\n", serde_json::to_string(&header)?).into_bytes();
        out.write_all(&header)?;
        Ok(Self { out, cipher: Cipher::new(key, &salt, header), piece: Vec::with_capacity(PIECE + TAG) })
    }

    /// Writes the end.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        self.cipher.seal(&mut self.piece, last);
        let length = u32::try_from(self.piece.len()).map_err(io::Error::other)?;
        self.out.write_all(&(length | if last { LAST } else { 0 }).to_be_bytes())?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.put(false)?;
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Pieces are written when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a sealed file. What it gives out was not changed; only its regular end says that nothing is missing.
pub(crate) struct SealedReader<R> {
    input: R,
    cipher: Cipher,
    piece: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R> fmt::Debug for SealedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedReader")
    }
}

impl<R: BufRead> SealedReader<R> {
    /// Opens a file. Gives what it holds and in which version, which whoever reads it has to compare.
    pub(crate) fn open(mut input: R, key: &StoreKey) -> Result<(Self, String, u32), SealedError> {
        let mut start = Vec::new();
        for _ in 0..2 {
            (&mut input).take(LINE).read_until(b'\n', &mut start)?;
        }
        let text = std::str::from_utf8(&start).map_err(|_| SealedError::Form)?;
        let (mark, rest) = text.split_once('\n').ok_or(SealedError::Form)?;
        if mark != MARK {
            return Err(SealedError::Form);
        }
        let line = rest.strip_suffix('\n').ok_or(SealedError::CutOff)?;
        let header: Header = serde_json::from_str(line).map_err(|_| SealedError::Form)?;
        if header.key != key.name() {
            return Err(SealedError::ForeignKey { found: header.key, given: key.name() });
        }
        let salt = hex::decode(&header.salt).map_err(|_| SealedError::Form)?;
        let cipher = Cipher::new(key, &salt, start);
        let reader = Self { input, cipher, piece: Vec::new(), given: 0, ended: false };
        Ok((reader, header.holds, header.version))
    }

    /// The next piece; the last one must be the end of the input.
    fn next(&mut self) -> Result<(), SealedError> {
        let cut_off = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SealedError::CutOff,
            _ => SealedError::Read(error),
        };
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(cut_off)?;
        let length = u32::from_be_bytes(length);
        let last = length & LAST != 0;
        let length = (length & !LAST) as usize;
        if !(TAG..=PIECE + TAG).contains(&length) {
            return Err(SealedError::Damaged);
        }
        self.piece.resize(length, 0);
        self.input.read_exact(&mut self.piece).map_err(cut_off)?;
        self.cipher.open(&mut self.piece, last)?;
        (self.given, self.ended) = (0, last);
        if last && !self.input.fill_buf()?.is_empty() {
            return Err(SealedError::Damaged);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for SealedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() && !self.ended {
            self.next()?;
        }
        let left = &self.piece[self.given..];
        let taken = left.len().min(out.len());
        out[..taken].copy_from_slice(&left[..taken]);
        self.given += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemEntropy;

    const HOLDS: (&str, u32) = ("a test", 3);

    fn sealed(key: &StoreKey, text: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), key, HOLDS, &SystemEntropy::shared()).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn opened(key: &StoreKey, file: &[u8]) -> Result<Vec<u8>, SealedError> {
        let mut text = Vec::new();
        let (mut reader, holds, version) = SealedReader::open(file, key)?;
        reader.read_to_end(&mut text)?;
        assert_eq!((holds.as_str(), version), HOLDS);
        Ok(text)
    }

    #[test]
    fn what_was_sealed_is_read_with_its_key_and_shown_to_nobody_else() {
        let entropy = SystemEntropy::shared();
        let (key, other) = (StoreKey::generate(&entropy), StoreKey::generate(&entropy));
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let text = b"planted-secret ".repeat(length / 15 + 1)[..length].to_vec();
            assert_eq!(opened(&key, &sealed(&key, &text)).unwrap(), text, "{length}");
        }
        let file = sealed(&key, b"planted-secret");
        assert!(!file.windows(7).any(|part| part == b"planted"));
        assert!(file.windows(6).any(|part| part == b"a test"), "control: what is not sealed can be found");
        assert_ne!(file, sealed(&key, b"planted-secret"), "no two files are the same");
        let refused = opened(&other, &file).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("it was sealed with the key {} and not with {}", key.name(), other.name())
        );
    }

    #[test]
    fn a_file_that_is_cut_off_changed_or_something_else_is_noticed() {
        let key = StoreKey::generate(&SystemEntropy::shared());
        let text = vec![b'x'; 2 * PIECE + 5];
        let file = sealed(&key, &text);
        for length in (0..file.len()).step_by(997).chain([file.len() - 1]) {
            let refused = opened(&key, &file[..length]).expect_err("it is cut off");
            let header = file.iter().position(|byte| *byte == b'{').unwrap();
            assert!(matches!(refused, SealedError::CutOff) || length <= header, "{length}: {refused}");
        }
        for place in (0..file.len()).step_by(997) {
            let mut changed = file.clone();
            changed[place] ^= 4;
            assert!(opened(&key, &changed).is_err(), "{place}");
        }
        assert!(matches!(opened(&key, &[&file[..], b"x"].concat()), Err(SealedError::Damaged)));
        assert!(matches!(opened(&key, b"{\"a\": 1}\n\n"), Err(SealedError::Form)));
        assert_eq!(opened(&key, &file).unwrap(), text, "control");
    }

    #[test]
    fn a_piece_from_the_middle_does_not_pass_for_the_last() {
        let key = StoreKey::generate(&SystemEntropy::shared());
        let mut file = sealed(&key, &vec![b'x'; 2 * PIECE + 5]);
        // Two lines, then a piece with its length before it, marked as the last and with nothing behind.
        let mut ends = file.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place);
        let begin = ends.nth(1).unwrap() + 1;
        assert_eq!(file[begin..begin + 4], u32::try_from(PIECE + TAG).unwrap().to_be_bytes(), "control");
        file.truncate(begin + 4 + PIECE + TAG);
        assert!(matches!(opened(&key, &file), Err(SealedError::CutOff)), "control: only cut off");
        file[begin] |= 0x80;
        assert!(matches!(opened(&key, &file), Err(SealedError::Damaged)));
    }
}
