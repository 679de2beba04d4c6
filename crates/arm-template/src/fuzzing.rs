//! Doors for the fuzz targets alone, behind the feature `fuzzing`. They panic where a law is broken.

use crate::expr::{Text, classify};

/// Longest text that is printed again: a printed expression may be longer than the one that was read.
const LONGEST: usize = 8 * 1024;

/// What is printed of an expression is read as an expression that is printed the same.
pub fn expression(text: &str) {
    if text.len() > LONGEST {
        return;
    }
    let Ok(Text::Expression(expression)) = classify(text) else { return };
    let printed = format!("[{expression}]");
    match classify(&printed) {
        Ok(Text::Expression(again)) => assert_eq!(format!("[{again}]"), printed),
        other => panic!("`{printed}` is read as {other:?}"),
    }
}
