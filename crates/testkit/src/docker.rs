//! The guard of tests that need a container engine.

/// Names the image that docker tests run.
pub const BASE_IMAGE_VARIABLE: &str = "MAYFLY_TEST_BASE_IMAGE";

/// The image that docker tests run: a small Debian with bash, coreutils and procps.
///
/// # Panics
///
/// When the variable is not set: a docker test that was asked for is never skipped.
pub fn base_image() -> String {
    match std::env::var(BASE_IMAGE_VARIABLE) {
        Ok(image) if !image.is_empty() => image,
        _ => panic!(
            "docker tests need an image: run them with `cargo xtask test`, which makes one and sets {BASE_IMAGE_VARIABLE}"
        ),
    }
}
