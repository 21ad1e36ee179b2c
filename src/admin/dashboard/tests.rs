//! What the page is made of, and what its data cost.

use serde_json::Value;
use tokio::time::advance;

use super::*;
use crate::admin::PATHS;
use crate::admin::fixture::Fixture;
use crate::limiter::{Cause, PaceState, Priority};
use crate::metrics::{PolicyState, RequestStatus};

fn look(fixture: &Fixture) -> Value {
    serde_json::from_slice(&fixture.admin.state.latest.get(&fixture.admin.state)).unwrap()
}

/// The number of the snapshot that each of a thousand viewers gets: one number for all.
fn thousand_look(fixture: &Fixture) -> u64 {
    let numbers: Vec<u64> = (0..1_000).map(|_| look(fixture)["number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
    numbers[0]
}

#[tokio::test(start_paused = true)]
async fn a_thousand_viewers_cost_one_snapshot_a_second_and_none_costs_nothing() {
    let fixture = Fixture::start();
    for second in 1..=5 {
        assert_eq!(thousand_look(&fixture), second);
        advance(std::time::Duration::from_secs(1)).await;
    }
    advance(std::time::Duration::from_secs(3_600)).await;
    assert_eq!(thousand_look(&fixture), 6, "in an hour without viewers nothing was made");
}

#[tokio::test(start_paused = true)]
async fn the_history_grows_while_nobody_looks() {
    let fixture = Fixture::start();
    tokio::task::yield_now().await;
    let state = &fixture.admin.state;
    state.parts.metrics.requests.finished(Priority::High, RequestStatus::Success).inc_by(3);
    state.parts.metrics.upstream.error("429").inc();
    tokio::time::sleep(history::EVERY * 2 + history::EVERY / 2).await;
    assert_eq!(look(&fixture)["history"]["points"], serde_json::json!([[40, 3, 1], [40, 0, 0]]));
}

#[tokio::test(start_paused = true)]
async fn waits_are_those_of_the_history_alone() {
    let fixture = Fixture::start();
    let latency = fixture.admin.state.parts.metrics.queue.latency(Priority::Low);
    latency.observe(60.0);
    tokio::time::sleep(history::EVERY * (u32::try_from(history::SAMPLES).unwrap() + 2)).await;
    latency.observe(1.5);
    let low = &look(&fixture)["waits"]["low"];
    assert_eq!((&low["count"], &low["p50"], &low["top"]), (&1.into(), &1.5.into(), &120.0.into()), "{low}");
}

#[test]
fn the_whole_page_is_under_100_kilobytes_and_loads_nothing_from_elsewhere() {
    let size: usize = ASSETS.iter().map(|(_, _, text)| text.len()).sum();
    assert!(size < 100_000, "{size} bytes");
    for (path, _, text) in ASSETS {
        // The name of SVG's elements is no address that anybody asks.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
}

#[test]
fn nothing_in_the_page_needs_a_weaker_policy() {
    let html = ASSETS[0].2;
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count());
    for (path, _, _) in ASSETS {
        assert!(PATHS.contains(&path), "{path} is announced");
    }
}

#[test]
fn the_page_has_words_for_every_state_and_cause() {
    let script: String = ASSETS.iter().map(|(_, _, text)| *text).collect();
    let states = [PaceState::Normal, PaceState::Retreat, PaceState::Recover].map(PaceState::name);
    let policy = PolicyState::ALL.map(PolicyState::as_str);
    for word in states.into_iter().chain(Cause::ALL.map(Cause::name)).chain(policy) {
        assert!(script.contains(&format!("\n  {word}: ")), "no words for {word}");
    }
}
