//! `/dashboard` as a browser meets it: what it may load, what is kept, what it costs.

use pacer::admin::PATHS;
use serde_json::Value;

use crate::support::process::{Call, Sidecar};

fn split(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").expect("a head ends")
}

fn pages() -> impl Iterator<Item = &'static str> {
    PATHS.into_iter().filter(|path| path.starts_with("/dashboard"))
}

#[test]
fn nothing_of_the_page_is_kept_loads_from_elsewhere_or_holds_a_connection() {
    let sidecar = Sidecar::start(&[], &[]);
    for path in pages() {
        // Not asked to: who asks with HTTP/1.1 is kept otherwise.
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        let answer = Call::send(sidecar.metrics, &request).rest();
        let (head, _) = split(&answer);
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';",
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "connection: close",
        ] {
            assert!(format!("{head}\r\n").contains(header), "{path} without {header}: {head}");
        }
        assert!(!head.contains("unsafe"), "{path}: {head}");
    }
}

#[test]
fn the_whole_page_with_its_data_is_under_100_kilobytes() {
    let sidecar = Sidecar::start(&[], &[]);
    let sizes: Vec<usize> =
        pages().map(|path| split(&Call::get(sidecar.metrics, path).rest()).1.len()).collect();
    assert!(sizes.len() == 5 && sizes.iter().all(|size| *size > 0), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() < 100_000, "{sizes:?}");
}

#[test]
fn everything_that_the_page_links_to_is_there() {
    let sidecar = Sidecar::start(&[], &[]);
    let page = Call::get(sidecar.metrics, "/dashboard").rest();
    let links = page.split(['"', '\'']).filter(|word| word.starts_with("dashboard/"));
    let linked: Vec<String> = links.map(|link| format!("/{link}")).collect();
    assert!(linked.len() >= 2, "{linked:?}");
    assert!(linked.iter().all(|link| PATHS.contains(&link.as_str())), "{linked:?}");
}

#[test]
fn the_data_holds_the_status_and_says_where_the_settings_come_from() {
    let key = "nvapi-canary-of-the-dashboard";
    let sidecar = Sidecar::start(&["--rate-rpm=77"], &[("SIDECAR_API_KEY", key)]);
    let answer = Call::get(sidecar.metrics, "/dashboard/data").rest();
    let (head, body) = split(&answer);
    assert!(head.contains("content-type: application/json"), "{head}");
    let data: Value = serde_json::from_str(body).unwrap();
    assert_eq!(data["status"]["settings"]["rate"]["requestsPerMinute"], 77);
    assert_eq!(data["status"]["policy"]["source"], "environment");
    assert_eq!(data["waits"]["urgent"]["count"], 0);
    assert_eq!(data["generation"]["p50"], Value::Null);
    assert!(!answer.contains(key), "{answer}");
}

#[test]
fn more_viewers_than_the_port_has_connections_get_the_same_snapshots() {
    let sidecar = Sidecar::start(&[], &[]);
    let numbers: Vec<u64> = (0..200)
        .map(|_| {
            let answer = Call::get(sidecar.metrics, "/dashboard/data").rest();
            let data: Value = serde_json::from_str(split(&answer).1).unwrap();
            data["number"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(numbers[0], 1);
    assert!(numbers.is_sorted() && numbers[199] < 200, "every viewer made one of its own: {numbers:?}");
    assert!(Call::get(sidecar.metrics, "/readyz").rest().starts_with("HTTP/1.1 200 "));
}
