//! Which versions of Windows the service runs.

use super::bad;
use crate::error::GroupError;
use crate::group::{GroupSpec, OsType};

/// Names of Windows versions in a tag that the service does not run. Which build an image is only its configuration says, and
/// no engine here reads one for Windows; Microsoft's own tags, and ours after them, name it.
const OTHER_WINDOWS: [&str; 5] = ["ltsc2016", "1709", "1803", "ltsc2022", "ltsc2025"];

/// The code and the words are seen, not documented (issue MicrosoftDocs/azure-docs#94808).
pub(super) fn check_versions(spec: &GroupSpec) -> Result<(), GroupError> {
    if spec.os_type != OsType::Windows {
        return Ok(());
    }
    for container in &spec.containers {
        let tag = container.image.rsplit(['/', ':']).next().unwrap_or_default();
        if OTHER_WINDOWS.iter().any(|version| tag.split('-').any(|part| part == *version)) {
            return Err(bad(
                "UnsupportedWindowsVersion",
                format!(
                    "Unsupported windows image version. Supported versions are ltsc2019. (image '{}')",
                    container.image
                ),
            ));
        }
    }
    Ok(())
}
