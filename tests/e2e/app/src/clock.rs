//! The time that the pods of one node share.

#![expect(clippy::disallowed_types, reason = "two programs can compare nothing but wall-clock times")]

use std::time::SystemTime;

/// Milliseconds since 1970.
pub(crate) fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
