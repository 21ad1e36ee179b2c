//! Following a policy against an API server that says what the test wants, in virtual time.
//!
//! The real one is asked in `tests/cluster`; here are the cases whose point is the time they take, and those that a
//! real one produces only by accident.

mod age;
mod server;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};

use server::{Followed, Reply, policy};

use crate::metrics::{PolicySource, PolicyState};

const MOMENT: Duration = Duration::from_millis(50);

fn named(rpm: i32, uid: &str, generation: i64) -> Value {
    policy(&json!({"rate": {"requestsPerMinute": rpm}}), uid, generation)
}

#[tokio::test(start_paused = true)]
async fn it_is_decided_as_soon_as_the_api_server_answers() {
    let started = Instant::now();
    let followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.feed.decided().await;
    assert!(Instant::now() - started < MOMENT);
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    assert_eq!(followed.changes(), 0, "the first settings are no change");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_says_nothing_is_waited_for_five_seconds() {
    let started = Instant::now();
    let followed = Followed::start(&[Reply::Silence]).await;
    followed.feed.decided().await;
    assert_eq!((Instant::now() - started).as_secs(), 5);
    assert_eq!(followed.standing(), (PolicySource::Environment, PolicyState::Unreachable, 40));
    assert_eq!(followed.report().reason.as_deref(), Some("no answer within 5 s"));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_at_first_is_asked_again_within_the_five_seconds() {
    let failing = || Reply::Status(500, "etcd is away");
    let followed = Followed::start(&[failing(), failing(), Reply::List(vec![named(60, "a", 1)])]).await;
    followed.feed.decided().await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
}

#[tokio::test(start_paused = true)]
async fn after_five_seconds_of_failures_the_last_one_says_why() {
    let followed = Followed::start(&vec![Reply::Status(500, "etcd is away"); 100]).await;
    followed.feed.decided().await;
    assert_eq!(followed.standing(), (PolicySource::Environment, PolicyState::Unreachable, 40));
    assert_eq!(followed.report().reason.as_deref(), Some("the API server answers 500: etcd is away"));
    let failures = followed.metrics.policy.watch_failures.get();
    assert!(failures >= 4, "{failures}: the windows are half a second, then 1, 2 and 4");
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_refuses_is_not_waited_for() {
    let refusals = [
        (Reply::Status(403, "no"), PolicyState::Forbidden, "no"),
        (Reply::Status(401, "Unauthorized"), PolicyState::Forbidden, "does not know who asks (401)"),
        (Reply::Status(404, "gone"), PolicyState::NotFound, "is the CustomResourceDefinition installed?"),
    ];
    for (refusal, state, reason) in refusals {
        let started = Instant::now();
        let followed = Followed::start(&[refusal]).await;
        followed.feed.decided().await;
        assert!(Instant::now() - started < MOMENT, "{state:?}");
        assert_eq!(followed.standing(), (PolicySource::Environment, state, 40));
        assert!(followed.report().reason.unwrap().contains(reason), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_exist_yet_is_put_in_force_when_it_does() {
    let mut followed = Followed::start(&[Reply::List(vec![])]).await;
    followed.feed.decided().await;
    assert_eq!(followed.standing(), (PolicySource::Environment, PolicyState::NotFound, 40));
    let sought = r#"there is no RateLimitPolicy "nvidia" in the namespace "team-a""#;
    assert_eq!(followed.report().reason.as_deref(), Some(sought));
    followed.event("ADDED", &named(60, "a", 1)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    assert_eq!(followed.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_policy_stays_in_force_until_there_is_another() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 7)])]).await;
    followed.event("DELETED", &named(60, "a", 7)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Deleted, 60));
    followed.event("ADDED", &named(80, "b", 1)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 80));
}

#[tokio::test(start_paused = true)]
async fn a_lower_generation_of_the_same_object_changes_nothing() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 7)])]).await;
    for generation in [6, 7] {
        followed.event("MODIFIED", &named(20, "a", generation)).await;
        assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    }
    followed.event("MODIFIED", &named(20, "a", 8)).await;
    assert_eq!(followed.standing().2, 20);
    assert_eq!(followed.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_policy_is_refused_once_and_names_its_field() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    for _ in 0..3 {
        followed.event("MODIFIED", &named(0, "a", 2)).await;
        assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Invalid, 60));
    }
    let rejected = followed.report().rejected.unwrap();
    assert!(
        rejected.starts_with("team-a/nvidia: spec.rate.requestsPerMinute is 0; accepted: "),
        "{rejected}"
    );
    assert_eq!(followed.metrics.policy.rejections.get(), 1);
    followed.event("MODIFIED", &named(80, "a", 3)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 80));
    assert_eq!(followed.report().rejected, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_version_wrote_neither_stops_nor_blinds_it() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    let spec = json!({"rate": {"requestsPerMinute": 70}, "budget": {"scope": "Fleet"}});
    followed.event("MODIFIED", &policy(&spec, "a", 2)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 70));
    let spec = json!({"rate": {"requestsPerMinute": 75}, "mode": "Learn"});
    followed.event("MODIFIED", &policy(&spec, "a", 3)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Invalid, 70));
    assert!(
        followed.report().rejected.unwrap().contains(r#"spec.mode is "Learn"; accepted: Enforce or Observe"#)
    );
    followed.event("MODIFIED", &named(80, "a", 4)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 80));
}

#[tokio::test(start_paused = true)]
async fn a_lost_api_server_changes_nothing_and_is_found_again() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.script(&[Reply::Refused, Reply::Refused, Reply::List(vec![named(60, "a", 1)])]);
    followed.cut().await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Unreachable, 60));
    sleep(Duration::from_secs(120)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    assert_eq!(followed.changes(), 0);
    assert_eq!(followed.metrics.policy.watch_failures.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_was_made_meanwhile_is_found_by_the_list() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.script(&[Reply::List(vec![named(20, "a", 2)])]);
    followed.cut().await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_with_410_for_ever_does_not_blind_it() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.script(&[Reply::Status(410, "Expired"), Reply::List(vec![named(20, "a", 2)])]);
    followed.end().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
}

#[tokio::test(start_paused = true)]
async fn an_error_event_starts_again_from_a_list() {
    for code in [410, 500] {
        let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
        followed.script(&[Reply::List(vec![named(20, "a", 2)])]);
        followed
            .event("ERROR", &json!({"kind": "Status", "status": "Failure", "code": code, "message": "no"}))
            .await;
        sleep(Duration::from_secs(15)).await;
        assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_line_and_the_end_are_no_event() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.raw(r#"{"type":"MODIFIED","object":{"apiVersion":"pacer.dev/v1al"#).await;
    followed.end().await;
    sleep(Duration::from_secs(60)).await;
    followed.event("MODIFIED", &named(20, "a", 2)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_as_they_begin_are_not_begun_again_without_rest() {
    let followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.end_every_watch();
    let before = followed.requests();
    sleep(Duration::from_secs(300)).await;
    assert!(followed.requests() - before <= 60, "{}", followed.requests() - before);
    assert_eq!(followed.standing().1, PolicyState::Synced);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_api_server_asks_for_is_kept() {
    let followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.script(&[Reply::RetryAfter(100), Reply::List(vec![named(20, "a", 2)])]);
    let mut followed = followed;
    followed.end().await;
    sleep(Duration::from_secs(99)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Unreachable, 60));
    sleep(Duration::from_secs(14)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_watches_is_silent_and_asks_less_than_once_in_four_minutes() {
    let followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    advance(MOMENT).await;
    let before = followed.requests();
    sleep(Duration::from_secs(3600)).await;
    let asked = followed.requests() - before;
    assert!((11..=15).contains(&asked), "{asked} requests in an hour");
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    assert_eq!(followed.metrics.policy.watch_failures.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn list_and_watch_are_of_the_one_name_so_that_a_role_can_allow_just_that() {
    let followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    sleep(MOMENT).await;
    let asked = followed.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for uri in &asked {
        assert!(uri.starts_with("/apis/pacer.dev/v1alpha1/namespaces/team-a/ratelimitpolicies?"), "{uri}");
        assert!(uri.contains("fieldSelector=metadata.name%3Dnvidia"), "{uri}");
    }
    assert!(
        !asked[0].contains("resourceVersion") && !asked[0].contains("limit="),
        "the newest, whole: {asked:?}"
    );
    assert!(asked[1].contains("watch=true") && asked[1].contains("allowWatchBookmarks=true"), "{asked:?}");
}

/// Follows `replies` with what an earlier life left in the cache.
async fn with_cache(cached: &Value, replies: &[Reply]) -> (Followed, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(cache_of(&folder), cached.to_string()).unwrap();
    let followed = Followed::with_cache(Some(cache_of(&folder)), replies).await;
    followed.feed.decided().await;
    (followed, folder)
}

fn cache_of(folder: &tempfile::TempDir) -> std::path::PathBuf {
    Path::new(folder.path()).join("policy.json")
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_cache_decides_and_says_why() {
    for (reply, state) in [
        (Reply::Silence, PolicyState::Unreachable),
        (Reply::Status(403, "no"), PolicyState::Forbidden),
        (Reply::List(vec![]), PolicyState::Deleted),
        (Reply::List(vec![named(0, "a", 4)]), PolicyState::Invalid),
    ] {
        let (followed, _folder) = with_cache(&named(20, "a", 3), &[reply]).await;
        assert_eq!(followed.standing(), (PolicySource::Cache, state, 20));
        assert_eq!(followed.report().generation, Some(3));
    }
}

#[tokio::test(start_paused = true)]
async fn the_cluster_wins_over_the_cache() {
    for (generation, rpm) in [(4, 60), (3, 20)] {
        let listed = Reply::List(vec![named(if generation == 3 { 20 } else { 60 }, "a", generation)]);
        let (followed, _folder) = with_cache(&named(20, "a", 3), &[listed]).await;
        assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, rpm), "{generation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_broken_or_of_another_policy_is_not_used() {
    let mut of_another = named(20, "a", 3);
    of_another["metadata"]["name"] = "other".into();
    let mut elsewhere = named(20, "a", 3);
    elsewhere["metadata"]["namespace"] = "team-b".into();
    for cached in [json!("half a pol"), json!({}), of_another, elsewhere, named(0, "a", 3)] {
        let (followed, _folder) = with_cache(&cached, &[Reply::Status(403, "no")]).await;
        assert_eq!(followed.standing(), (PolicySource::Environment, PolicyState::Forbidden, 40), "{cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_policy_is_cached_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let replies = [Reply::List(vec![named(60, "a", 1)])];
    let mut followed = Followed::with_cache(Some(cache_of(&folder)), &replies).await;
    let cached = || serde_json::from_slice::<Value>(&std::fs::read(cache_of(&folder)).unwrap()).unwrap();
    followed.feed.decided().await;
    followed.event("MODIFIED", &named(0, "a", 2)).await;
    assert_eq!(cached()["spec"]["rate"]["requestsPerMinute"], 60);
    followed.event("MODIFIED", &named(80, "a", 3)).await;
    followed.event("DELETED", &named(80, "a", 3)).await;
    let cached = cached();
    assert_eq!(cached["spec"]["rate"]["requestsPerMinute"], 80);
    assert_eq!(cached["metadata"]["uid"], "a");
    assert_eq!(cached["metadata"]["generation"], 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
