//! The rights in `manifests/rbac.yaml`, tried with a real token.

use crate::support::crd::policy;
use crate::support::kubectl::{Kubectl, Ran};
use crate::support::server::Server;

const WATCH_FOR_A_SECOND: &str = "watch=1&timeoutSeconds=1";

/// `kubectl` with nothing but the shipped rights for the policy `nvidia`, in a namespace that has two policies.
fn reader() -> Kubectl {
    let server = Server::shared();
    let namespace = server.namespace("rbac");
    for name in ["nvidia", "other"] {
        namespace.kubectl().apply(&policy(name, 40)).succeeds();
    }
    let account = namespace.account("app");
    account.allow("nvidia");
    let mount = account.mount(server);
    server.kubectl_with(&mount.kubeconfig(server.address())).within(&namespace.name)
}

#[test]
fn the_shipped_role_allows_reading_one_policy() {
    let kubectl = reader();
    let of_one =
        ["get", "ratelimitpolicies.pacer.dev", "--field-selector=metadata.name=nvidia", "-o", "name"];
    assert_eq!(kubectl.get("rlpol", "nvidia").succeeds().json()["metadata"]["name"], "nvidia");
    assert_eq!(kubectl.run(&of_one).succeeds().stdout, "ratelimitpolicy.pacer.dev/nvidia\n");
    let events = watch(&kubectl, &format!("{WATCH_FOR_A_SECOND}&fieldSelector=metadata.name%3Dnvidia"));
    assert!(events.succeeds().stdout.contains(r#""type":"ADDED""#));
}

#[test]
fn the_shipped_role_allows_nothing_else() {
    let kubectl = reader();
    let forbidden = |ran: Ran| ran.fails("Forbidden");
    forbidden(kubectl.get("rlpol", "other"));
    forbidden(kubectl.run(&["get", "rlpol"]));
    forbidden(kubectl.run(&["get", "rlpol", "--field-selector=metadata.name=other"]));
    forbidden(kubectl.run(&["get", "rlpol", "--all-namespaces"]));
    forbidden(watch(&kubectl, WATCH_FOR_A_SECOND)).fails("forbidden");
    forbidden(kubectl.patch("rlpol", "nvidia", r#"{"spec":{"mode":"Observe"}}"#));
    forbidden(kubectl.delete("rlpol", "nvidia"));
    forbidden(kubectl.run_with(&policy("new", 1), &["create", "-f", "-"]));
    forbidden(kubectl.run(&["get", "secrets"]));
    forbidden(kubectl.run(&["get", "pods"]));
}

#[test]
fn without_the_role_nothing_is_allowed() {
    let server = Server::shared();
    let namespace = server.namespace("rbac");
    namespace.kubectl().apply(&policy("nvidia", 40)).succeeds();
    let account = namespace.account("app");
    let can = |user: &str| {
        let args = ["auth", "can-i", "get", "ratelimitpolicies.pacer.dev/nvidia", "--as", user];
        namespace.kubectl().run(&args).stdout
    };
    assert_eq!(can(&account.user()), "no\n");
    account.allow("nvidia");
    assert_eq!(can(&account.user()), "yes\n");
    account.forbid("nvidia");
    assert_eq!(can(&account.user()), "no\n");
}

/// Asks for a watch of the policies with these parameters.
fn watch(kubectl: &Kubectl, parameters: &str) -> Ran {
    let namespace = kubectl.namespace().unwrap_or("default");
    let path = format!("/apis/pacer.dev/v1alpha1/namespaces/{namespace}/ratelimitpolicies?{parameters}");
    kubectl.run(&["get", "--raw", &path])
}
