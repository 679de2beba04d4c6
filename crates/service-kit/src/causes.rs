//! Errors as a person reads them.

/// An error with its causes, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    // The trait is not in scope: its method would be that of a reference to the error, and live as short.
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_told_outermost_first() {
        #[derive(Debug, thiserror::Error)]
        #[error("open the store")]
        struct Outer(#[source] std::io::Error);

        let error = Outer(std::io::Error::other("no space"));
        assert_eq!(with_causes(&error), "open the store: no space");
    }
}
