//! Objects that are older than what was known, and objects that come back.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::server::{Followed, Reply};
use super::{named, with_cache};
use crate::metrics::{PolicySource, PolicyState};
use crate::policy::Report;

#[tokio::test(start_paused = true)]
async fn a_store_that_was_put_back_is_believed_and_so_are_the_edits_after_it() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 7)])]).await;
    followed.script(&[Reply::List(vec![named(20, "a", 5)])]);
    followed.cut().await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
    followed.event("MODIFIED", &named(80, "a", 6)).await;
    assert_eq!(followed.standing().2, 80);
    assert_eq!(followed.report().generation, Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_put_back_while_the_sidecar_was_away_is_believed() {
    let (followed, _folder) = with_cache(&named(20, "a", 3), &[Reply::List(vec![named(60, "a", 2)])]).await;
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Synced, 60));
    assert_eq!(followed.report().generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_refused_policy_that_vanishes_for_a_moment_comes_back_refused() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.event("MODIFIED", &named(0, "a", 2)).await;
    followed.script(&[Reply::Status(404, "not yet"), Reply::List(vec![named(0, "a", 2)])]);
    followed.cut().await;
    let vanished = becomes(&followed, PolicyState::Deleted).await;
    assert_eq!(vanished.rejected, None);
    let back = becomes(&followed, PolicyState::Invalid).await;
    assert!(back.rejected.is_some() && back.reason == back.rejected, "{back:?}");
    assert_eq!(followed.standing(), (PolicySource::Cluster, PolicyState::Invalid, 60));
    assert_eq!(followed.metrics.policy.rejections.get(), 1, "it was counted before");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_was_deleted_while_the_connection_was_broken_is_deleted() {
    let mut followed = Followed::start(&[Reply::List(vec![named(60, "a", 1)])]).await;
    followed.script(&[Reply::List(vec![])]);
    followed.cut().await;
    becomes(&followed, PolicyState::Deleted).await;
    assert_eq!(followed.standing().2, 60);
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_held_is_known_already_and_so_can_be_confirmed_or_deleted() {
    let refused = || Reply::Status(403, "no");
    let lists = [refused(), Reply::List(vec![named(20, "a", 3)])];
    let (confirmed, _folder) = with_cache(&named(20, "a", 3), &lists).await;
    becomes(&confirmed, PolicyState::Synced).await;
    assert_eq!(confirmed.standing(), (PolicySource::Cluster, PolicyState::Synced, 20));
    let (deleted, _folder) = with_cache(&named(20, "a", 3), &[refused(), Reply::List(vec![])]).await;
    becomes(&deleted, PolicyState::Deleted).await;
    assert_eq!(deleted.standing(), (PolicySource::Cache, PolicyState::Deleted, 20));
}

#[tokio::test(start_paused = true)]
async fn a_list_without_the_policy_is_an_answer_after_which_attempts_are_spread() {
    let mut spread = false;
    for _ in 0..20 {
        let mut followed = Followed::start(&[Reply::List(vec![])]).await;
        followed.script(&[Reply::List(vec![])]);
        assert_eq!(followed.requests(), 2, "it has listed, and it watches");
        followed.cut().await;
        sleep(Duration::from_secs(1)).await;
        spread |= followed.requests() == 2;
    }
    assert!(spread, "every one asked again within a second");
}

/// The report once it says so, which must be within an hour.
async fn becomes(followed: &Followed, state: PolicyState) -> Report {
    let mut report = followed.feed.report.clone();
    let reached = timeout(Duration::from_secs(3600), report.wait_for(|report| report.state == state));
    reached.await.unwrap_or_else(|_| panic!("never {state:?}")).unwrap().clone()
}
