//! Ids of a build's stage and phases. The service makes them from their names alone, so they are the same in every build.
//!
//! Source: the published client library's `TimelineRecordIdGenerator`; confirmed by ids in public build logs, see the test.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use uuid::Uuid;

/// The name space `DistributedTask.Pipelines`.
const NAMESPACE: [u8; 16] =
    [0x53, 0x37, 0x1b, 0x7f, 0xd4, 0x61, 0x4b, 0x5d, 0xc5, 0xe2, 0x27, 0x33, 0x53, 0x23, 0xdf, 0x24];

/// The stage of files that have none.
pub(crate) const ONLY_STAGE: &str = "__default";

/// The id of a stage or phase. Names are told apart without regard to case.
pub(crate) fn record_id(identifier: &str) -> Uuid {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(&NAMESPACE);
    for unit in identifier.to_lowercase().encode_utf16() {
        hash.update(&unit.to_be_bytes());
    }
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(hash.finish().as_ref()) {
        *byte = *hashed;
    }
    bytes[7] = bytes[7] & 0x0f | 0x50;
    Uuid::from_bytes_le(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SYSTEM_STAGEID`, `SYSTEM_PHASEID` and `SYSTEM_JOBID` of builds of one job on the service.
    #[test]
    fn ids_are_those_of_the_service() {
        for (identifier, expected) in [
            (ONLY_STAGE, "96ac2280-8cb4-5df5-99de-dd2da759617d"),
            ("Job", "3a3a2a60-14c7-570b-14a4-fa42ad92f52a"),
            ("Job.__default", "12f1170f-54f2-53f3-20dd-22fc7dff55f9"),
        ] {
            assert_eq!(record_id(identifier).to_string(), expected, "{identifier}");
        }
    }
}
