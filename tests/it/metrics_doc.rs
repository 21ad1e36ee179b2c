//! The metrics that are served, documented, and fixed by the product's origin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use pacer::metrics::{Family, Metrics};

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

/// Labels whose values depend on the installation, and what they are.
const OPEN_LABELS: [(&str, &str); 3] = [
    ("provider", "`--provider`"),
    ("status_code", "three digits, `connect`, `timeout` or `broken`"),
    ("version", "of the program"),
];

/// Families fixed by the origin: name, type, labels.
const ORIGIN: [(&str, &str, &[&str]); 13] = [
    ("sidecar_requests_total", "counter", &["priority", "status"]),
    ("sidecar_tokens_available", "gauge", &[]),
    ("sidecar_tokens_rate", "gauge", &[]),
    ("sidecar_queue_depth", "gauge", &["priority"]),
    ("sidecar_queue_latency_seconds", "histogram", &["priority"]),
    ("sidecar_upstream_latency_seconds", "histogram", &["provider"]),
    ("sidecar_upstream_errors_total", "counter", &["provider", "status_code"]),
    ("sidecar_fallback_passthrough_total", "counter", &[]),
    ("sidecar_health_status", "gauge", &[]),
    ("sidecar_uptime_seconds", "gauge", &[]),
    ("sidecar_retreat_state", "gauge", &[]),
    ("sidecar_effective_rate_rpm", "gauge", &[]),
    ("sidecar_upstream_429_rate", "gauge", &[]),
];

fn describe(label: &str, values: &BTreeSet<String>) -> String {
    if let Some((_, meaning)) = OPEN_LABELS.iter().find(|(open, _)| *open == label) {
        return format!("`{label}` ({meaning})");
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    format!("`{label}` ({})", values.join(", "))
}

fn table(families: &[Family]) -> String {
    let mut table = String::from("| name | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for Family { name, kind, help, labels } in families {
        let labels: Vec<String> = labels.iter().map(|(label, values)| describe(label, values)).collect();
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    table
}

fn buckets<'a>(text: &'a str, family: &str) -> Vec<&'a str> {
    let prefix = format!("{family}_bucket{{");
    let bound = |line: &'a str| line.strip_prefix(&prefix)?.split_once("le=\"")?.1.split('"').next();
    let mut bounds: Vec<&str> = text.lines().filter_map(bound).collect();
    bounds.dedup();
    let once = bounds.iter().position(|bound| *bound == "+Inf").unwrap();
    bounds.truncate(once);
    bounds
}

#[test]
fn the_document_lists_exactly_what_is_served() {
    let expected = table(&Metrics::new("nvidia").families());
    let start = DOCUMENT.find("| name |").expect("the document holds a table");
    assert!(
        DOCUMENT[start..] == expected,
        "docs/metrics.md differs from the registry; its table must be:\n\n{expected}"
    );
}

#[test]
fn the_families_of_the_origin_have_their_types_and_labels() {
    let families: BTreeMap<String, Family> =
        Metrics::new("nvidia").families().into_iter().map(|family| (family.name.clone(), family)).collect();
    for (name, kind, labels) in ORIGIN {
        let family = families.get(name).unwrap_or_else(|| panic!("{name} is not served"));
        assert_eq!(family.kind, kind, "{name}");
        assert_eq!(family.labels.keys().collect::<Vec<_>>(), labels, "{name}");
    }
}

#[test]
fn the_histograms_of_the_origin_have_their_buckets() {
    let text = Metrics::new("nvidia").render();
    assert_eq!(
        buckets(&text, "sidecar_queue_latency_seconds"),
        ["0.01", "0.05", "0.1", "0.5", "1", "2", "5", "10", "30", "60", "120"]
    );
    assert_eq!(
        buckets(&text, "sidecar_upstream_latency_seconds"),
        ["0.1", "0.5", "1", "2", "5", "10", "30", "60", "120", "300", "600"]
    );
}

#[test]
fn series_with_fixed_labels_start_at_zero() {
    let text = Metrics::new("nvidia").render();
    for priority in ["urgent", "high", "normal", "low"] {
        assert!(text.contains(&format!("\nsidecar_queue_depth{{priority=\"{priority}\"}} 0\n")));
        let latency = format!("\nsidecar_queue_latency_seconds_count{{priority=\"{priority}\"}} 0\n");
        assert!(text.contains(&latency), "{latency}");
        for status in ["success", "ratelimited", "error"] {
            let series =
                format!("\nsidecar_requests_total{{priority=\"{priority}\",status=\"{status}\"}} 0\n");
            assert!(text.contains(&series), "{series}");
        }
    }
}

/// What `promtool check metrics` would say.
#[test]
fn names_follow_the_conventions_of_prometheus() {
    for Family { name, kind, help, labels } in Metrics::new("nvidia").families() {
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name}: a counter, and only that, is a total"
        );
        assert!(help.ends_with('.') || name.starts_with("process_"), "{name}: {help}");
        for unit in ["_ms", "_milliseconds", "_minutes", "_percent", "_kb"] {
            assert!(!name.contains(unit), "{name}: not a base unit");
        }
        if kind == "histogram" {
            assert!(name.ends_with("_seconds") || name.ends_with("_per_second"), "{name}");
        }
        assert!(!labels.contains_key("model"), "{name}");
    }
}
