//! Files that are generated from the types, and checked in: `make generate` renews them.

mod reference;

use std::fs;
use std::path::Path;

use pacer::api;

use crate::support::process::run;

/// Holds a file against what it must be; `PACER_GENERATE=1` writes it instead.
fn is_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("PACER_GENERATE").is_some() {
        fs::write(&file, text).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == text, "{path} is out of date: run `make generate`");
}

#[test]
fn the_definition_in_crd_is_the_one_of_the_types() {
    is_current("crd/ratelimitpolicies.pacer.dev.yaml", &api::crd_yaml().unwrap());
}

#[test]
fn the_policy_reference_is_the_one_of_the_types() {
    is_current("docs/policy-reference.md", &reference::text());
}

#[test]
fn the_program_prints_the_definition() {
    let (code, stdout, stderr) = run(&["crd"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout, api::crd_yaml().unwrap());
}
