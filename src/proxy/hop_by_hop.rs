//! Headers that belong to one connection and must not travel on.

use http::header::{self, HeaderMap, HeaderName};

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the hop-by-hop headers, and those that `Connection` names.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the request insists on another protocol. An offer of HTTP/2 in clear text, which some
/// clients make with every request, may be ignored.
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::UPGRADE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|protocols| protocols.split(',').any(|protocol| !protocol.trim().eq_ignore_ascii_case("h2c")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn hop_by_hop_headers_and_those_connection_names_are_removed() {
        let mut all = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("content-type", "application/json"),
            ("authorization", "Bearer mine"),
        ]);
        strip(&mut all);
        assert_eq!(all, headers(&[("content-type", "application/json"), ("authorization", "Bearer mine")]));
    }

    #[test]
    fn a_connection_header_of_garbage_is_just_removed() {
        let mut all = headers(&[("connection", ",, (x) ,\u{9}"), ("x", "1")]);
        strip(&mut all);
        assert_eq!(all, headers(&[("x", "1")]));
    }

    #[test]
    fn only_a_protocol_that_cannot_be_ignored_is_an_upgrade() {
        assert!(wants_upgrade(&headers(&[("upgrade", "websocket")])));
        assert!(!wants_upgrade(&headers(&[("upgrade", "h2c")])));
        assert!(!wants_upgrade(&headers(&[])));
    }
}
