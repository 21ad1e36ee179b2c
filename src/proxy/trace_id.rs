//! The id that ties a log line to a request.

use std::hash::{BuildHasher, RandomState};

use http::HeaderMap;

/// Longer ids are cut: they are somebody else's text in our log.
const LONGEST: usize = 128;

/// The trace of `traceparent`, else `x-request-id`, else a fresh id.
pub(super) fn trace_id(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    text("traceparent")
        .and_then(w3c)
        .or_else(|| text("x-request-id").and_then(request_id))
        .unwrap_or_else(fresh)
}

/// The trace id of a W3C `traceparent`: `version-trace-parent-flags`, 32 hexadecimal digits, not all zero.
fn w3c(traceparent: &str) -> Option<String> {
    let trace = traceparent.split('-').nth(1)?;
    let well_formed = trace.len() == 32
        && trace.bytes().all(|byte| byte.is_ascii_hexdigit())
        && trace.bytes().any(|byte| byte != b'0');
    well_formed.then(|| trace.to_ascii_lowercase())
}

fn request_id(id: &str) -> Option<String> {
    let id: String = id.trim().chars().filter(char::is_ascii_graphic).take(LONGEST).collect();
    (!id.is_empty()).then_some(id)
}

/// 128 bits that differ from id to id. `RandomState` is seeded by the system and needs no crate;
/// nothing here must be hard to guess.
fn fresh() -> String {
    let half = || RandomState::new().hash_one("trace");
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(headers: &[(&'static str, &str)]) -> String {
        trace_id(
            &headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        )
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn traceparent_comes_before_the_request_id() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(id(&[("traceparent", &parent), ("x-request-id", "mine")]), TRACE);
        assert_eq!(id(&[("x-request-id", " req 7 ")]), "req7");
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for parent in [zero.as_str(), "", "00", "00-xyz-00-01"] {
            assert_eq!(id(&[("traceparent", parent), ("x-request-id", "mine")]), "mine", "{parent}");
        }
    }

    #[test]
    fn made_ids_differ_and_foreign_ones_are_cut() {
        assert_ne!(id(&[]), id(&[]));
        assert_eq!(id(&[]).len(), 32);
        assert_eq!(id(&[("x-request-id", &"a".repeat(500))]).len(), LONGEST);
    }
}
