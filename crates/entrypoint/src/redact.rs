//! Output of a child, line by line, with every form of the token replaced.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const MASK: &[u8] = b"***";
/// A line longer than this is passed on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// Cuts a stream into lines and masks secrets, also where a secret is split between two reads or two pieces of a long line.
pub(crate) struct Redactor {
    secrets: Vec<Zeroizing<Vec<u8>>>,
    buffer: Zeroizing<Vec<u8>>,
    longest_line: usize,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Redactor").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

impl Redactor {
    /// Masks nothing, still cuts into lines.
    pub(crate) fn transparent() -> Self {
        Self { secrets: Vec::new(), buffer: Zeroizing::new(Vec::new()), longest_line: LONGEST_LINE }
    }

    /// Masks the token as it is, as the agent and others send it (Basic authentication), and percent-encoded.
    pub(crate) fn new(token: &str) -> Self {
        let mut secrets = vec![Zeroizing::new(token.as_bytes().to_vec())];
        for user in ["", ":", "VstsAgent:"] {
            let pair = Zeroizing::new(format!("{user}{token}"));
            secrets.push(Zeroizing::new(STANDARD.encode(pair.as_bytes()).into_bytes()));
        }
        let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        secrets.push(Zeroizing::new(encoded.into_bytes()));
        secrets.retain(|secret| !secret.is_empty());
        // Longest first: a form that contains another one must not be left half visible.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets, ..Self::transparent() }
    }

    /// Takes a piece of output and gives what may be shown of it, in whole lines as a rule.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(chunk);
        let mut shown = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let rest = self.buffer.split_off(end + 1);
            let line = std::mem::replace(&mut self.buffer, Zeroizing::new(rest));
            self.mask(&line, &mut shown);
        }
        if self.buffer.len() > self.longest_line {
            let cut = self.safe_cut();
            let rest = self.buffer.split_off(cut);
            let piece = std::mem::replace(&mut self.buffer, Zeroizing::new(rest));
            self.mask(&piece, &mut shown);
        }
        shown
    }

    /// The last line, ended if it was not.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        let line = std::mem::take(&mut *self.buffer);
        let line = Zeroizing::new(line);
        if !line.is_empty() {
            self.mask(&line, &mut shown);
            shown.push(b'\n');
        }
        shown
    }

    /// A place before which no secret can begin and go on after it.
    fn safe_cut(&self) -> usize {
        let longest = self.secrets.iter().map(|secret| secret.len()).max().unwrap_or(1);
        let limit = self.buffer.len().saturating_sub(longest - 1);
        let mut at = 0;
        while at < limit {
            at += self.secret_at(&self.buffer[at..]).unwrap_or(1);
        }
        at.min(self.buffer.len())
    }

    fn mask(&self, line: &[u8], shown: &mut Vec<u8>) {
        let mut at = 0;
        while at < line.len() {
            if let Some(length) = self.secret_at(&line[at..]) {
                shown.extend_from_slice(MASK);
                at += length;
            } else {
                shown.push(line[at]);
                at += 1;
            }
        }
    }

    fn secret_at(&self, text: &[u8]) -> Option<usize> {
        self.secrets.iter().find(|secret| text.starts_with(secret)).map(|secret| secret.len())
    }
}

#[cfg(test)]
mod tests;
