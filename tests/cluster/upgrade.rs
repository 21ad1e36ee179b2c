//! A newer definition over objects that were stored under an older one.

use serde_json::{Value, json};

use crate::support::crd::{CRD, install};
use crate::support::kubectl::Kubectl;
use crate::support::policies::cases;
use crate::support::program::until;
use crate::support::server::Server;

/// The sections that the older definition does not have yet.
const NEWER: [&str; 2] = ["readiness", "timeouts"];

/// A definition as an older version would have had it: without some sections, and without a rule.
fn older() -> Value {
    let mut definition: Value = serde_saphyr::from_str(CRD).unwrap();
    let spec = definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    for section in NEWER {
        assert!(spec["properties"].as_object_mut().unwrap().remove(section).is_some(), "{section}");
    }
    without_rules(&mut definition);
    definition
}

fn without_rules(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every good policy of the table, numbered.
fn good() -> Vec<Value> {
    let good = cases().into_iter().filter(|case| case.faults.is_empty() && case.server.is_none());
    good.zip(0..)
        .map(|(case, number)| {
            let spec = &case.object["spec"];
            json!({
                "apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy",
                "metadata": {"name": format!("policy-{number}")}, "spec": spec,
            })
        })
        .collect()
}

/// What is stored, as the server shows it.
fn stored(kubectl: &Kubectl) -> Vec<Value> {
    let list = kubectl.run(&["get", "rlpol", "-o", "json"]).succeeds().json();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn policies_stored_under_an_older_definition_stay_valid_and_get_the_new_defaults() {
    let server = Server::own();
    let namespace = server.namespace("upgrade");
    let kubectl = namespace.kubectl();
    server.kubectl().run_with(&older().to_string(), &["replace", "-f", "-"]).succeeds();
    let policies = good();
    let probe = json!({"apiVersion": "v1", "kind": "List", "items": policies});
    // A definition is in force a moment after it was taken.
    until("the older definition is in force", || {
        let explained = kubectl.run(&["explain", "ratelimitpolicies.pacer.dev.spec.timeouts"]);
        explained.code != 0
    });
    kubectl.run_with(&probe.to_string(), &["create", "--validate=ignore", "-f", "-"]).succeeds();
    let before = stored(&kubectl);
    assert_eq!(before.len(), policies.len());
    assert!(before.iter().all(|policy| NEWER.iter().all(|section| policy["spec"].get(section).is_none())));

    install(&server.kubectl());
    until("the new definition is in force", || {
        stored(&kubectl)
            .iter()
            .all(|policy| NEWER.iter().all(|section| policy["spec"].get(section).is_some()))
    });
    for policy in stored(&kubectl) {
        let checked = pacer::api::check(policy.clone());
        assert!(checked.unknown.is_empty(), "{policy}: {:?}", checked.unknown);
        if let Err(faults) = checked.policy {
            panic!("{policy}: {faults:?}");
        }
    }
    // Every one can be written again.
    let labelled = kubectl.run(&["label", "rlpol", "--all", "upgraded=yes"]).succeeds().stdout;
    assert_eq!(labelled.lines().count(), policies.len());
}

#[test]
fn a_policy_that_a_newer_rule_refuses_can_still_be_labelled_and_mended() {
    let server = Server::own();
    let namespace = server.namespace("ratchet");
    let kubectl = namespace.kubectl();
    server.kubectl().run_with(&older().to_string(), &["replace", "-f", "-"]).succeeds();
    let against_a_rule = json!({
        "apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "nvidia"},
        "spec": {"rate": {"requestsPerMinute": 40}, "retreat": {"floorRequestsPerMinute": 50}},
    });
    until("the older definition is in force", || {
        kubectl.run_with(&against_a_rule.to_string(), &["apply", "-f", "-"]).code == 0
    });

    install(&server.kubectl());
    let lower = |floor: u32| format!(r#"{{"spec":{{"retreat":{{"floorRequestsPerMinute":{floor}}}}}}}"#);
    until("the new rule is in force", || kubectl.patch("rlpol", "nvidia", &lower(45)).code != 0);
    kubectl.run(&["label", "rlpol", "nvidia", "team=a"]).succeeds();
    kubectl.patch("rlpol", "nvidia", &lower(45)).fails("spec.retreat.floorRequestsPerMinute");
    kubectl.patch("rlpol", "nvidia", &lower(40)).succeeds();
}
