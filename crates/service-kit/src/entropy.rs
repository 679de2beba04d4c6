//! Randomness as an input.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Where a service takes random bytes from.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// A source of randomness that several services share.
pub type SharedEntropy = Arc<dyn Entropy>;

impl dyn Entropy {
    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// `bytes` random bytes, less one bit, as unpadded base64url text. It begins with a letter: command lines take a secret
    /// that begins with `-` for an option (`az login --password`).
    pub fn token(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.fill(&mut buffer);
        if let Some(first) = buffer.first_mut() {
            *first &= 0x7f;
        }
        URL_SAFE_NO_PAD.encode(buffer)
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl SystemEntropy {
    /// A shared system generator.
    pub fn shared() -> SharedEntropy {
        Arc::new(Self)
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        SystemRandom::new()
            .fill(out)
            .expect("the operating system's generator does not fail once it is seeded");
    }
}

/// A repeatable sequence for tests. Not secret: whoever knows the seed knows every byte.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededEntropy {
    /// A sequence that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }

    /// A shared seeded sequence.
    pub fn shared(seed: u64) -> SharedEntropy {
        Arc::new(Self::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(32) {
            let mut block = [0; 16];
            block[..8].copy_from_slice(&self.seed.to_le_bytes());
            block[8..].copy_from_slice(&counter.to_le_bytes());
            *counter += 1;
            chunk.copy_from_slice(&digest(&SHA256, &block).as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_seed_differs() {
        let draw = |seed| SeededEntropy::shared(seed).token(40);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn system_tokens_differ_and_uuids_are_version_4() {
        let entropy = SystemEntropy::shared();
        assert_ne!(entropy.token(16), entropy.token(16));
        assert_eq!(entropy.uuid().get_version_num(), 4);
    }

    #[test]
    fn no_token_looks_like_an_option() {
        let entropy = SystemEntropy::shared();
        let first = (0..1000).filter_map(|_| entropy.token(4).chars().next()).collect::<String>();
        assert!(first.len() == 1000 && first.chars().all(|first| first.is_ascii_alphabetic()), "{first}");
    }
}
