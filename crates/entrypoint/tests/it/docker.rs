//! Real containers.
