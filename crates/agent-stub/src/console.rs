//! What people see: standard output and standard error, masked.

use std::io::Write as _;

use crate::{diagnostics::Diagnostics, masking::Masker};

/// Writes to the terminal and, with a level, to the diagnostic log.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    masker: Masker,
    diagnostics: Diagnostics,
}

impl Console {
    pub(crate) fn new(masker: Masker, diagnostics: Diagnostics) -> Self {
        Self { masker, diagnostics }
    }

    pub(crate) fn line(&self, text: &str) {
        self.diagnostics.info(text);
        let mut out = std::io::stdout().lock();
        // Nobody may be reading any more; the agent goes on.
        drop(writeln!(out, "{}", self.masker.mask(text)));
        drop(out.flush());
    }

    pub(crate) fn error(&self, text: &str) {
        self.diagnostics.error(text);
        drop(writeln!(std::io::stderr().lock(), "{}", self.masker.mask(text)));
    }

    pub(crate) fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }
}
