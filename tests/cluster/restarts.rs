//! What is killed and comes back: the sidecar's container, the API server, etcd.

use std::fs;

use crate::support::fault_proxy::Fault;
use crate::support::pod::{BOOTSTRAP, Pod};
use crate::support::program::until;
use crate::support::server::Server;
use crate::support::sidecar::Sidecar;

#[test]
fn a_container_that_restarts_without_an_api_server_goes_on_with_the_cached_policy() {
    let pod = Pod::new("cache");
    let cache = pod.cache_of_an_earlier_life(60_000);
    pod.proxy.set(Fault::Refuse);
    let second = pod.start(&["--policy-cache", cache.to_str().unwrap()]);
    second.stands("cache", "unreachable", 60_000);
    assert_eq!(second.generation(), 1);
    let told = second.told("policy in force");
    assert_eq!((told.len(), &told[0]["source"]), (1, &"cache".into()));
    second.serves();
    pod.proxy.set(Fault::Pass);
    second.stands("cluster", "synced", 60_000);
    assert_eq!(second.changes(), 0, "it was the newest");
    pod.set_rate(61_000);
    second.stands("cluster", "synced", 61_000);
}

#[test]
fn what_happened_while_the_container_was_away_is_known_after_its_restart() {
    let pod = Pod::new("cache");
    let cache = pod.cache_of_an_earlier_life(60_000);
    let flags = ["--policy-cache", cache.to_str().unwrap()];
    pod.set_rate(61_000);
    let edited = pod.start(&flags);
    edited.stands("cluster", "synced", 61_000);
    until("the edit is kept", || fs::read_to_string(&cache).unwrap().contains("61000"));
    drop(edited);
    pod.delete_policy();
    let deleted = pod.start(&flags);
    deleted.stands("cache", "deleted", 61_000);
    deleted.serves();
    // Made again, it is another object, though its generation is lower.
    pod.set_rate(62_000);
    deleted.stands("cluster", "synced", 62_000);
}

#[test]
fn a_cache_that_was_cut_off_or_is_of_another_policy_is_not_used() {
    let pod = Pod::new("cache");
    let cache = pod.cache_of_an_earlier_life(60_000);
    let whole = fs::read_to_string(&cache).unwrap();
    pod.proxy.set(Fault::Refuse);
    for broken in [&whole[..whole.len() / 2], "", &whole.replace("nvidia", "other")] {
        fs::write(&cache, broken).unwrap();
        let sidecar = pod.start(&["--policy-cache", cache.to_str().unwrap()]);
        sidecar.stands("environment", "unreachable", BOOTSTRAP);
        assert_eq!(sidecar.told("the cached policy is").len(), 1, "{broken:?}");
        sidecar.serves();
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_told_and_does_no_harm() {
    let pod = Pod::new("cache");
    pod.set_rate(60_000);
    let sidecar = pod.start(&["--policy-cache=/proc/no-such-folder/policy.json"]);
    sidecar.stands("cluster", "synced", 60_000);
    let told = || sidecar.told("the policy cannot be cached for the next start").len();
    until("it is told", || told() == 1);
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    until("it is told again", || told() == 2);
}

#[test]
fn an_api_server_and_an_etcd_that_are_killed_and_come_back_are_followed_again() {
    let server = Server::own();
    let pod = Pod::on(&server, "killed");
    let mut rate = 60_000;
    let follow = |rate| {
        pod.set_rate(rate);
        let sidecar = pod.launch(&[]).in_pod(&pod.mount, server.address()).start();
        sidecar.stands("cluster", "synced", rate);
        sidecar
    };
    let mut edits_arrive = |sidecar: &Sidecar| {
        for _ in 0..2 {
            rate += 1;
            pod.set_rate(rate);
            sidecar.stands("cluster", "synced", rate);
        }
    };

    let sidecar = follow(60_000);
    server.kill_api_server();
    sidecar.stands("cluster", "unreachable", 60_000);
    sidecar.serves();
    until("it is refused", || {
        sidecar.status()["policy"]["reason"].as_str().is_some_and(|why| why.contains("refused"))
    });
    server.restart_api_server();
    edits_arrive(&sidecar);

    server.kill_etcd();
    sidecar.serves();
    let edit = r#"{"spec":{"rate":{"requestsPerMinute":1}}}"#;
    let args = ["patch", "rlpol", "nvidia", "--type=merge", "-p", edit, "--request-timeout=1s"];
    pod.namespace.kubectl().run(&args).fails("");
    server.restart_etcd();
    edits_arrive(&sidecar);

    // Both at once, as when the only node of a control plane goes; a new sidecar, which has not failed for long.
    let sidecar = follow(70_000);
    server.kill_api_server();
    server.kill_etcd();
    sidecar.stands("cluster", "unreachable", 70_000);
    sidecar.serves();
    server.restart();
    edits_arrive(&sidecar);
}

#[test]
fn a_cluster_that_is_restored_from_a_backup_is_followed_as_it_is_now() {
    let server = Server::own();
    let pod = Pod::on(&server, "restored");
    pod.set_rate(60_000);
    let mut sidecar = None;
    server.undo(|| {
        let following = pod.start(&[]);
        for rate in [61_000, 62_000, 63_000] {
            pod.set_rate(rate);
            following.stands("cluster", "synced", rate);
        }
        assert_eq!(following.generation(), 4);
        sidecar = Some(following);
    });
    let sidecar = sidecar.unwrap();
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.generation(), 1);
    // Its generation is still lower than what was seen before.
    pod.set_rate(64_000);
    sidecar.stands("cluster", "synced", 64_000);
    assert_eq!(sidecar.generation(), 2);
}

#[test]
fn a_sidecar_that_starts_while_etcd_is_away_decides_and_syncs_later() {
    let server = Server::own();
    let pod = Pod::on(&server, "etcd");
    pod.set_rate(60_000);
    server.kill_etcd();
    // The API server may answer from memory, or not at all: the sidecar starts in either case.
    let sidecar = pod.start(&[]);
    sidecar.serves();
    server.restart_etcd();
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
}
