//! The token in memory: locked where the system allows it, overwritten when dropped.

use std::fmt;
use std::io::{self, Read};

use zeroize::Zeroize;

use crate::platform;

/// A secret of known length. It never grows, so no copy is left behind by a reallocation.
pub(crate) struct Token {
    bytes: Box<[u8]>,
}

impl Token {
    /// Reads exactly `length` bytes straight into locked memory.
    pub(crate) fn read(source: &mut impl Read, length: usize) -> io::Result<Self> {
        let token = Self { bytes: vec![0; length].into_boxed_slice() };
        platform::lock_memory(&token.bytes);
        let mut token = token;
        source.read_exact(&mut token.bytes)?;
        Ok(token)
    }

    pub(crate) fn expose(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.bytes.zeroize();
        platform::unlock_memory(&self.bytes);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(***)")
    }
}
