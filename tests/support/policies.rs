//! The table of good and bad policies: `tests/fixtures/policies`.
//!
//! The same objects are put before the offline check and before a real API server. `good` and `bad` hold
//! whole objects; `fields.yaml` says field by field what is accepted, and becomes objects just within and
//! just beyond.

#[path = "policies/field.rs"]
mod field;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) use field::Field;

/// One object and what is to be said about it.
#[derive(Debug)]
pub(crate) struct Case {
    /// Which one, for who reads a failed test.
    pub(crate) name: String,
    /// The object.
    pub(crate) object: Value,
    /// The paths of all its faults.
    pub(crate) faults: BTreeSet<String>,
    /// What an API server says instead, where it refuses the whole object without naming a field.
    pub(crate) server: Option<String>,
}

/// Every object of the table.
pub(crate) fn cases() -> Vec<Case> {
    let files = files("good").into_iter().chain(files("bad")).map(|path| written(&path));
    let fields = fields();
    let cases: Vec<_> = files.chain(fields.iter().flat_map(Field::cases)).collect();
    assert!(cases.len() > 500, "{} policies were found", cases.len());
    cases
}

/// The lines of `fields.yaml`.
pub(crate) fn fields() -> Vec<Field> {
    let text = fs::read_to_string(folder().join("fields.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The files of `good` or `bad`.
pub(crate) fn files(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join(kind)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no {kind} policies");
    paths
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/policies")
}

/// A policy written out in a file, and the comments that say what is wrong with it.
fn written(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let comments = |start| text.lines().filter_map(move |line| line.strip_prefix(start));
    let fault = |line: &str| line.split_once(" | ").unwrap().0.to_owned();
    Case {
        name: path.strip_prefix(folder()).unwrap().display().to_string(),
        object: serde_saphyr::from_str(&text).unwrap(),
        faults: comments("# fault: ").map(fault).collect(),
        server: comments("# server: ").next().map(str::to_owned),
    }
}

/// A policy with this `spec`.
fn policy(spec: &Value) -> Value {
    json!({
        "apiVersion": "pacer.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"name": "of-the-table"},
        "spec": spec,
    })
}
