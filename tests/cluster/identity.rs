//! Who the sidecar is and what it may do: rights, tokens and authorities that come, go and are replaced.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::crd::policy;
use crate::support::fault_proxy::{Cut, FaultProxy};
use crate::support::namespace::Namespace;
use crate::support::pod::{BOOTSTRAP, Pod};
use crate::support::program::until;
use crate::support::server::Server;

const FORBIDDEN: &str = "not allowed to read the policy: the settings in force stay";

#[test]
fn rights_that_are_missing_at_the_start_leave_the_environment_in_force_until_they_come() {
    let pod = Pod::new("rights");
    pod.set_rate(60_000);
    pod.account.forbid("nvidia");
    let sidecar = pod.start(&[]);
    sidecar.stands("environment", "forbidden", BOOTSTRAP);
    sidecar.reasons(&format!(r#"User "{}" cannot list resource "ratelimitpolicies""#, pod.account.user()));
    assert_eq!(sidecar.told(FORBIDDEN).len(), 1);
    sidecar.serves();
    pod.account.allow("nvidia");
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.told(FORBIDDEN).len(), 1, "however often it was asked");
}

#[test]
fn rights_that_are_missing_at_the_start_leave_the_cached_policy_in_force() {
    let pod = Pod::new("rights");
    let cache = pod.cache_of_an_earlier_life(60_000);
    pod.account.forbid("nvidia");
    let sidecar = pod.start(&["--policy-cache", cache.to_str().unwrap()]);
    sidecar.stands("cache", "forbidden", 60_000);
    sidecar.serves();
    pod.account.allow("nvidia");
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.told("the policy is followed again").len(), 1);
}

#[test]
fn rights_that_are_taken_away_are_missed_when_it_has_to_ask_and_found_when_they_are_back() {
    let pod = Pod::new("rights");
    pod.set_rate(60_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    until("it watches", || pod.proxy.watches() == 1);
    pod.account.forbid("nvidia");
    // A watch that runs goes on.
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    pod.proxy.cut(Cut::Reset);
    sidecar.stands("cluster", "forbidden", 61_000);
    sidecar.reasons("cannot list resource");
    assert_eq!(sidecar.told(FORBIDDEN).len(), 1);
    sidecar.serves();
    pod.set_rate(62_000);
    pod.account.allow("nvidia");
    sidecar.stands("cluster", "synced", 62_000);
}

/// What the namespace controller of a whole cluster does, which this server has not.
fn delete_with_its_contents(namespace: &Namespace<'_>) {
    let (kubectl, name) = (namespace.kubectl(), &namespace.name);
    kubectl.run(&["delete", "namespace", name, "--wait=false"]).succeeds();
    for kind in ["rlpol", "rolebindings", "roles", "serviceaccounts"] {
        kubectl.run(&["delete", kind, "--all"]).succeeds();
    }
    let finalized = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []},
    });
    let path = format!("/api/v1/namespaces/{name}/finalize");
    kubectl.run_with(&finalized.to_string(), &["replace", "--raw", &path, "-f", "-"]).succeeds();
    until("the namespace is gone", || kubectl.get("namespace", name).stderr.contains("not found"));
}

#[test]
fn a_namespace_that_is_deleted_and_made_again_is_followed_again() {
    let pod = Pod::new("gone");
    let policies = pod.namespace.server.namespace("policies");
    let name = policies.name.as_str();
    // The pod's account may read the policy of another namespace, as the comments of the shipped Role say.
    let rights = || {
        policies.kubectl().apply(&pod.account.rbac_in(name, "nvidia")).succeeds();
        policies.kubectl().apply(&policy("nvidia", 60_000)).succeeds();
    };
    rights();
    let sidecar = pod.start(&["--policy-namespace", name]);
    sidecar.stands("cluster", "synced", 60_000);
    until("it watches", || pod.proxy.watches() == 1);

    delete_with_its_contents(&policies);
    sidecar.stands("cluster", "deleted", 60_000);
    sidecar.serves();
    pod.proxy.cut(Cut::Reset);
    // The Role is gone as well.
    sidecar.stands("cluster", "forbidden", 60_000);
    sidecar.serves();

    policies.server.kubectl().run(&["create", "namespace", name]).succeeds();
    rights();
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.changes(), 0, "another object with the same settings");
}

#[test]
fn a_token_that_is_revoked_is_told_and_its_successor_in_the_file_is_found() {
    let pod = Pod::new("token");
    pod.set_rate(60_000);
    pod.mount.write_token(&pod.account.token_bound_to("leash"));
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    pod.namespace.kubectl().delete("secret", "leash").succeeds();
    let server = pod.namespace.server;
    let itself = server.kubectl_with(&pod.mount.kubeconfig(server.address()));
    until("the token is refused", || itself.get("rlpol", "nvidia").stderr.contains("must be logged in"));
    pod.proxy.cut(Cut::Reset);
    sidecar.stands("cluster", "forbidden", 60_000);
    sidecar.reasons("the API server does not know who asks (401): Unauthorized");
    sidecar.serves();
    pod.set_rate(61_000);
    let token = pod.account.token();
    pod.mount.write_token(&token);
    sidecar.stands("cluster", "synced", 61_000);
    assert_eq!(pod.proxy.asked().last().and_then(|asked| asked.token.clone()), Some(token));
}

#[test]
fn in_a_pod_the_mounted_files_say_who_where_and_whom_to_trust() {
    let pod = Pod::new("pod");
    pod.set_rate(60_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.status()["policy"]["namespace"], pod.namespace.name.as_str());
    let token = fs::read_to_string(pod.mount.folder().join("token")).unwrap();
    assert!(pod.proxy.asked().iter().all(|asked| asked.token.as_ref() == Some(&token)));

    // A rotated token is used from the next connection on, though the old one is still good.
    until("it watches", || pod.proxy.watches() == 1);
    let next = pod.account.token();
    assert_ne!(next, token);
    pod.mount.write_token(&next);
    pod.proxy.cut(Cut::Reset);
    sidecar.stands("cluster", "unreachable", 60_000);
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(pod.proxy.asked().last().and_then(|asked| asked.token.clone()), Some(next));
}

#[test]
fn a_pod_whose_files_are_missing_or_nonsense_serves_says_so_and_finds_them_when_they_are_good() {
    std::thread::scope(|scope| {
        for (name, bad, state) in [
            ("token", None, "unreachable"),
            ("token", Some("nonsense"), "forbidden"),
            ("ca.crt", None, "unreachable"),
            ("ca.crt", Some("nonsense"), "unreachable"),
        ] {
            scope.spawn(move || {
                let pod = Pod::new("files");
                pod.set_rate(60_000);
                let file = pod.mount.folder().join(name);
                let good = fs::read_to_string(&file).unwrap();
                match bad {
                    None => fs::remove_file(&file).unwrap(),
                    Some(text) => fs::write(&file, text).unwrap(),
                }
                let sidecar = pod.start(&[]);
                sidecar.stands("environment", state, BOOTSTRAP);
                sidecar.serves();
                fs::write(&file, good).unwrap();
                sidecar.stands("cluster", "synced", 60_000);
            });
        }
    });
}

#[test]
fn a_kubeconfig_is_followed_with_its_token_file_and_is_read_again_when_it_changes() {
    let pod = Pod::new("kubeconfig");
    pod.set_rate(60_000);
    let kubeconfig = pod.mount.kubeconfig(pod.proxy.address());
    let sidecar = pod.launch(&[]).kubeconfig(&kubeconfig).start();
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.status()["policy"]["namespace"], pod.namespace.name.as_str(), "of the context");

    let next = pod.account.token();
    pod.mount.write_token(&next);
    // Another way to the same cluster.
    let other = FaultProxy::start(pod.namespace.server);
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] = format!("https://{}", other.address()).into();
    fs::write(&kubeconfig, config.to_string()).unwrap();
    until("it watches", || pod.proxy.watches() == 1);
    pod.proxy.cut(Cut::Reset);
    until("it watches the other way", || other.watches() == 1);
    assert!(other.asked().iter().all(|asked| asked.token.as_ref() == Some(&next)));
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
}

#[test]
fn an_authority_that_is_replaced_is_told_and_its_successor_in_the_file_is_found() {
    let server = Server::own();
    let pod = Pod::on(&server, "authority");
    pod.set_rate(60_000);
    let sidecar = pod.launch(&[]).in_pod(&pod.mount, server.address()).start();
    let kubeconfig = pod.mount.kubeconfig(server.address());
    let by_kubeconfig = pod.launch(&[]).kubeconfig(&kubeconfig).start();
    let both = [&sidecar, &by_kubeconfig];
    for sidecar in both {
        sidecar.stands("cluster", "synced", 60_000);
    }
    // Asleep they do not meet the server while it is away, which is another test's.
    for sidecar in both {
        sidecar.signal(Signal::STOP);
    }
    server.rotate_authority();
    for sidecar in both {
        sidecar.signal(Signal::CONT);
    }
    for sidecar in both {
        until("the certificate is refused", || {
            sidecar.status()["policy"]["reason"].as_str().is_some_and(|why| why.contains("certificate"))
        });
        sidecar.stands("cluster", "unreachable", 60_000);
        sidecar.serves();
    }
    pod.set_rate(61_000);
    pod.mount.write_ca(&server.ca());
    for sidecar in both {
        sidecar.stands("cluster", "synced", 61_000);
    }
}
