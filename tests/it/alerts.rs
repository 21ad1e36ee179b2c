//! The alerts ask for metrics that are served, and each has its runbook and its tests. When each fires is
//! proved by `make alerts`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use pacer::metrics::{Family, Metrics};
use serde::Deserialize;

const RULES: &str = include_str!("../../charts/pacer/files/alerts.yaml");
const FIRING: &str = include_str!("../alerts/firing.yaml");
const PAGE: &str = include_str!("../../docs/monitoring.md");
const SECTIONS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Remedy"];

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let file: File = serde_saphyr::from_str(RULES).unwrap();
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn families() -> BTreeMap<String, Family> {
    Metrics::new("nvidia").families().into_iter().map(|family| (family.name.clone(), family)).collect()
}

/// The selectors of an expression: the metric's name, and what stands in its braces.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let starts = expression.match_indices("sidecar_").map(|(start, _)| &expression[start..]);
    starts
        .map(|text| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            (name, matchers.map_or("", |(matchers, _)| matchers))
        })
        .collect()
}

fn family<'a>(families: &'a BTreeMap<String, Family>, series: &str) -> Option<&'a Family> {
    let histogram = ["_count", "_sum", "_bucket"].iter().find_map(|suffix| series.strip_suffix(suffix));
    families.get(histogram.unwrap_or(series))
}

#[test]
fn alerts_ask_for_metrics_that_are_served() {
    let families = families();
    for Rule { alert, expr, .. } in rules() {
        let selectors = selectors(&expr);
        assert!(!selectors.is_empty(), "{alert}: no metric of the sidecar's in {expr}");
        for (series, _) in selectors {
            assert!(family(&families, series).is_some(), "{alert}: {series} is not in docs/metrics.md");
        }
    }
}

#[test]
fn alerts_ask_for_label_values_that_exist() {
    let families = families();
    for Rule { alert, expr, .. } in rules() {
        for (series, matchers) in selectors(&expr) {
            for matcher in matchers.split(", ").filter(|matcher| !matcher.is_empty()) {
                let (label, values) = matcher.split_once('=').expect("an equality");
                let known = &family(&families, series).unwrap().labels[label];
                for value in values.trim_start_matches('~').trim_matches('"').split('|') {
                    let open = label == "status_code";
                    assert!(open || known.contains(value), "{alert}: {series} has no {label} {value:?}");
                }
            }
        }
    }
}

#[test]
fn alerts_say_what_is_wrong_and_what_to_do() {
    for Rule { alert, labels, annotations, .. } in rules() {
        let names: Vec<&str> = annotations.keys().map(String::as_str).collect();
        assert_eq!(names, ["description", "runbook_url", "summary"], "{alert}");
        assert!(["critical", "warning", "info"].contains(&labels["severity"].as_str()), "{alert}");
        assert!(annotations["summary"].ends_with('.'), "{alert}: a summary is a sentence");
        let page = format!("/docs/runbooks/{alert}.md");
        assert!(annotations["runbook_url"].ends_with(&page), "{alert}: its runbook_url ends with {page}");
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks"));
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let rules = rules();
    assert_eq!(pages, rules.iter().map(|rule| format!("{}.md", rule.alert)).collect());
    for Rule { alert, labels, .. } in rules {
        let text = fs::read_to_string(folder.join(format!("{alert}.md"))).unwrap();
        let head = format!("# {alert}\n\nSeverity: {}\n", labels["severity"]);
        assert!(text.starts_with(&head), "{alert}: its runbook starts with {head:?}");
        let at: Vec<Option<usize>> = SECTIONS.iter().map(|section| text.find(section)).collect();
        assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{alert}: its runbook has {SECTIONS:?}");
    }
}

#[test]
fn the_page_on_monitoring_lists_every_alert_with_its_severity() {
    let listed = PAGE.lines().filter(|line| line.starts_with("| [Pacer")).count();
    assert_eq!(listed, rules().len());
    for Rule { alert, labels, .. } in rules() {
        let row = format!("| [{alert}](runbooks/{alert}.md) | {} | ", labels["severity"]);
        assert!(PAGE.contains(&row), "docs/monitoring.md: {row}");
    }
}

#[test]
fn every_alert_is_shown_to_fire() {
    for Rule { alert, .. } in rules() {
        assert!(FIRING.contains(&alert), "tests/alerts/firing.yaml does not show {alert}");
    }
}
