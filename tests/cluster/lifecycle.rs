//! What becomes of a policy in its life, as a sidecar with nothing but the shipped rights sees it.

use crate::support::crd::{self, CRD, policy};
use crate::support::fault_proxy::{Cut, Fault};
use crate::support::pod::{BOOTSTRAP, Pod};
use crate::support::program::until;
use crate::support::server::Server;

const IN_FORCE: &str = "policy in force";

#[test]
fn a_policy_that_comes_late_is_put_in_force() {
    let pod = Pod::new("late");
    let sidecar = pod.start(&[]);
    sidecar.stands("environment", "not_found", BOOTSTRAP);
    assert_eq!(sidecar.told("no policy known").len(), 1);
    assert_eq!(sidecar.told("no such policy").len(), 1);
    sidecar.serves();
    pod.set_rate(60_000);
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!((sidecar.generation(), sidecar.changes(), sidecar.failures()), (1, 1, 0));
    let told = sidecar.told(IN_FORCE);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["policy"], &told[0]["namespace"], &told[0]["source"]),
        (&"nvidia".into(), &pod.namespace.name.as_str().into(), &"cluster".into())
    );
}

#[test]
fn an_edit_is_in_force_and_the_same_again_is_none() {
    let pod = Pod::new("edit");
    pod.set_rate(60_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.changes(), 0, "the first settings are no change");

    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    assert_eq!((sidecar.generation(), sidecar.changes()), (2, 1));

    assert!(pod.set_rate(61_000).stdout.contains("unchanged"));
    let label = r#"{"metadata":{"labels":{"team":"a"}}}"#;
    pod.namespace.kubectl().patch("rlpol", "nvidia", label).succeeds();
    // What comes after them shows that both have been looked at.
    pod.set_rate(62_000);
    sidecar.stands("cluster", "synced", 62_000);
    assert_eq!((sidecar.generation(), sidecar.changes()), (3, 2));
    assert_eq!(sidecar.told(IN_FORCE).len(), 3);
    assert_eq!((sidecar.failures(), sidecar.rejections()), (0, 0));
}

#[test]
fn a_deleted_policy_stays_in_force_until_it_is_made_again() {
    let pod = Pod::new("delete");
    pod.set_rate(60_000);
    pod.set_rate(61_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 61_000);
    pod.delete_policy();
    sidecar.stands("cluster", "deleted", 61_000);
    assert_eq!((sidecar.generation(), sidecar.changes()), (2, 0));
    assert_eq!(sidecar.told("policy deleted: the settings in force stay").len(), 1);
    sidecar.serves();
    // It is another object, whose generations begin anew.
    pod.set_rate(62_000);
    sidecar.stands("cluster", "synced", 62_000);
    assert_eq!((sidecar.generation(), sidecar.changes()), (1, 1));
    // A second deletion is news again.
    pod.delete_policy();
    sidecar.stands("cluster", "deleted", 62_000);
    assert_eq!(sidecar.told("policy deleted: the settings in force stay").len(), 2);
    // The same settings in another object are no change of them.
    pod.set_rate(62_000);
    sidecar.stands("cluster", "synced", 62_000);
    assert_eq!(sidecar.changes(), 1);
}

#[test]
fn a_policy_that_is_replaced_while_nobody_looks_is_in_force_though_its_generation_is_lower() {
    let pod = Pod::new("replace");
    for rate in [60_000, 61_000, 62_000] {
        pod.set_rate(rate);
    }
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 62_000);
    pod.proxy.set(Fault::Refuse);
    pod.proxy.cut(Cut::Reset);
    sidecar.stands("cluster", "unreachable", 62_000);
    pod.delete_policy();
    pod.set_rate(63_000);
    pod.proxy.set(Fault::Pass);
    sidecar.stands("cluster", "synced", 63_000);
    assert_eq!(sidecar.generation(), 1);
}

#[test]
fn another_policy_of_the_namespace_is_none_of_its_business() {
    let pod = Pod::new("other");
    pod.set_rate(60_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    let kubectl = pod.namespace.kubectl();
    kubectl.apply(&policy("other", 70_000)).succeeds();
    kubectl.delete("rlpol", "other").succeeds();
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    assert_eq!((sidecar.changes(), sidecar.told("policy deleted").len()), (1, 0));
}

/// A server that stores what the shipped definition refuses, as one with a newer definition does.
fn lenient() -> Server {
    let server = Server::own();
    let schema = r#"[{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]"#;
    let definition = ["patch", "crd", "ratelimitpolicies.pacer.dev", "--type=json", "-p", schema];
    server.kubectl().run(&definition).succeeds();
    let odd = policy("odd", 1) + "  odd: true\n";
    until("what is odd is stored", || {
        server.kubectl().apply(&odd).code == 0
            && server.kubectl().get("rlpol", "odd").succeeds().stdout.contains(r#""odd""#)
    });
    server
}

#[test]
fn what_gets_past_the_definition_or_comes_from_a_newer_one_neither_stops_nor_blinds_it() {
    let server = lenient();
    let pod = Pod::on(&server, "invalid");
    let cache = pod.cache_of_an_earlier_life(60_000);
    let sidecar = pod.start(&["--policy-cache", cache.to_str().unwrap()]);
    sidecar.stands("cluster", "synced", 60_000);
    let kubectl = pod.namespace.kubectl();
    let edit = |spec: &str| kubectl.patch("rlpol", "nvidia", &format!(r#"{{"spec":{spec}}}"#)).succeeds();

    let bad = [
        (r#"{"rate":{"requestsPerMinute":0}}"#, "spec.rate.requestsPerMinute is 0; accepted: "),
        (r#"{"rate":{"requestsPerMinute":"fast"}}"#, "spec.rate.requestsPerMinute"),
        (r#"{"rate":null}"#, "spec.rate"),
        (
            r#"{"rate":{"requestsPerMinute":61000},"mode":"Learn"}"#,
            r#"spec.mode is "Learn"; accepted: Enforce or Observe"#,
        ),
    ];
    for (number, (spec, why)) in (1..).zip(bad) {
        edit(spec);
        until(why, || sidecar.status()["policy"]["rejected"].as_str().is_some_and(|said| said.contains(why)));
        sidecar.stands("cluster", "invalid", 60_000);
        sidecar.reasons(why);
        assert_eq!(sidecar.rejections(), number);
        let told = sidecar.told("policy refused: the settings in force stay");
        assert_eq!(told.len(), usize::try_from(number).unwrap(), "once each: {told:?}");
        assert!(told.last().unwrap()["reason"].as_str().unwrap().contains(why), "{told:?}");
    }
    assert_eq!(sidecar.generation(), 1, "of what is in force");
    sidecar.serves();

    // A restart begins with the last good one, and knows that the newest is bad.
    let restarted = pod.start(&["--policy-cache", cache.to_str().unwrap()]);
    restarted.stands("cache", "invalid", 60_000);
    restarted.reasons("spec.mode is");

    edit(r#"{"rate":{"requestsPerMinute":62000},"mode":null,"budget":{"scope":"Fleet"}}"#);
    for sidecar in [&sidecar, &restarted] {
        sidecar.stands("cluster", "synced", 62_000);
        let told = sidecar.told("the policy has fields this version does not know");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0]["fields"].as_str().unwrap().contains("spec.budget"), "{told:?}");
    }
}

#[test]
fn a_definition_that_comes_late_goes_and_comes_back_is_no_end() {
    let server = Server::own();
    let pod = Pod::on(&server, "definition");
    let admin = server.kubectl();
    let remove = || admin.delete("crd", "ratelimitpolicies.pacer.dev").succeeds();
    remove();
    let sidecar = pod.start(&[]);
    sidecar.stands("environment", "not_found", BOOTSTRAP);
    sidecar.reasons("is the CustomResourceDefinition installed?");
    sidecar.serves();
    crd::install(&admin);
    pod.set_rate(60_000);
    sidecar.stands("cluster", "synced", 60_000);

    // Its policies go with it.
    remove();
    sidecar.stands("cluster", "deleted", 60_000);
    sidecar.serves();
    admin.apply(CRD).succeeds();
    until("policies are served", || pod.namespace.kubectl().apply(&policy("nvidia", 61_000)).code == 0);
    sidecar.stands("cluster", "synced", 61_000);
}
