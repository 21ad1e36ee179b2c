//! The table of good and bad policies before the offline check. `tests/cluster` puts it before an API server.

use std::collections::BTreeSet;

use pacer::api;
use serde_json::Value;

use crate::support::policies::{Field, cases, fields};

#[test]
fn the_offline_check_gives_every_policy_of_the_table_its_faults() {
    let mut wrong = Vec::new();
    for case in cases() {
        assert!(case.server.is_none() || !case.faults.is_empty(), "{}: refused by servers alone", case.name);
        let checked = api::check(case.object);
        let faults = checked.policy.err().unwrap_or_default();
        let found: BTreeSet<_> = faults.into_iter().chain(checked.unknown).map(|fault| fault.path).collect();
        if found != case.faults {
            wrong.push(format!("{}: expected {:?}, found {found:?}", case.name, case.faults));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_a_line_for_every_field() {
    let schema = api::schema();
    let mut paths = BTreeSet::new();
    collect(&schema["properties"]["spec"], "spec", &mut paths);
    let lines: BTreeSet<_> = fields().iter().map(Field::path).collect();
    assert_eq!(lines, &paths - &BTreeSet::from(["spec".to_owned()]));
}

/// The path of every schema inside a schema.
fn collect(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
    paths.insert(path.to_owned());
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        collect(inner, &format!("{path}.{name}"), paths);
    }
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{path}[0]"), paths);
    }
}
