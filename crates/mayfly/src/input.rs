//! What a command is given to read.

use std::io::Read as _;
use std::path::Path;

use crate::outcome::{Outcome, Problem};

/// The text of a file, or of standard input where the file is `-`.
pub(crate) fn text(file: &Path) -> Result<String, Problem> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs_err::read_to_string(file)
    };
    read.map_err(|error| Problem::from_error(Outcome::Usage, error))
}
