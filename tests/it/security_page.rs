//! The tests that SECURITY.md names are there: a claim without its test would be a promise only.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../SECURITY.md");

/// The names that the page links to files, as in [`name`](path).
fn named() -> Vec<(&'static str, &'static str)> {
    let links = PAGE.split("[`").skip(1).filter_map(|rest| rest.split_once("`]("));
    links.filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0))).collect()
}

#[test]
fn every_test_that_the_page_names_is_where_it_says() {
    let named = named();
    assert!(named.len() > 20, "{} tests are named: is the pattern right?", named.len());
    for (name, path) in named {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let is_there = ["fn ", "def "].iter().any(|word| text.contains(&format!("{word}{name}(")));
        assert!(is_there, "{path} has no test {name}");
    }
}
