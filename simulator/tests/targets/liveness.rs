//! The pace comes back, and what is no limit does not lower it.

use pacer_simulator::{Scenario, scenario};

use super::{each, watched};

/// The longest wait for a step above a limit, and what the rise itself may take: I10, L8.
const RISES_WITHIN: u32 = 240 + 150;
/// Quiet for a minute, then a tenth every half minute.
const RISES_QUIETLY_WITHIN: u32 = 60 + 30 * 10;
/// 95 % of 40.
const NEARLY_ALL: u32 = 38;

fn mk_scenarios(lines: impl Iterator<Item = String>) -> Vec<Scenario> {
    scenario::read(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

fn kinds() -> impl Iterator<Item = (&'static str, u32)> {
    ["slog", "fixed", "swc", "bucket", "gcra"].into_iter().flat_map(|kind| [8, 20].map(|quota| (kind, quota)))
}

/// Also where it is met once a minute and so is not worth lowering the pace for.
#[test]
fn a_limit_that_is_met_is_known_within_minutes() {
    let scenarios = mk_scenarios(["slog", "fixed"].into_iter().flat_map(|kind| {
        [12, 24].map(|quota| {
            format!(
                r#"{{"name": "known {kind} {quota}", "T": 600, "up": {{"kind": "{kind}", "q": {quota}}},
                 "demand": [{{"kind": "closed", "n": 30}}]}}"#
            )
            .replace('\n', " ")
        })
    }));
    each(&scenarios, |scenario| {
        for seed in 1..=5 {
            let (learned, quota) = (watched(scenario, seed).1.learned, scenario.up.quota);
            assert!(
                learned.is_some_and(|limit| limit.abs_diff(quota) <= 2),
                "{}: {learned:?}",
                scenario.name
            );
        }
    });
}

#[test]
fn a_quota_that_comes_back_is_used_where_there_is_demand() {
    let scenarios = mk_scenarios(kinds().map(|(kind, quota)| {
        format!(
            r#"{{"name": "{kind} {quota}", "T": {}, "up": {{"kind": "{kind}", "q": {quota}, "burst": 40,
             "sched": [[900, 40]]}}, "demand": [{{"kind": "closed", "n": 30}}]}}"#,
            900 + RISES_WITHIN
        )
        .replace('\n', " ")
    }));
    each(&scenarios, |scenario| {
        for seed in 1..=5 {
            let (_, watcher) = watched(scenario, seed);
            assert!(watcher.lowest <= 30, "{}: nothing was learned", scenario.name);
            assert!(watcher.effective >= NEARLY_ALL, "{}: {}", scenario.name, watcher.effective);
        }
    });
}

#[test]
fn a_quota_that_comes_back_is_found_without_demand_too() {
    let scenarios = mk_scenarios(kinds().map(|(kind, quota)| {
        format!(
            r#"{{"name": "quiet {kind} {quota}", "T": {}, "up": {{"kind": "{kind}", "q": {quota}, "burst": 40}},
             "timeouts": [10, 10, 10, 2], "demand": [{{"kind": "closed", "n": 30, "t1": 900}},
             {{"kind": "burst", "n": 1, "every": 10000, "t0": {}}}]}}"#,
            1000 + RISES_QUIETLY_WITHIN,
            920 + RISES_QUIETLY_WITHIN
        )
        .replace('\n', " ")
    }));
    let lowest = each(&scenarios, |scenario| {
        let runs = (1..=5).map(|seed| {
            let (_, watcher) = watched(scenario, seed);
            assert!(watcher.limit >= NEARLY_ALL, "{}: {}", scenario.name, watcher.limit);
            watcher.lowest
        });
        runs.min().unwrap()
    });
    let learned = lowest.iter().filter(|lowest| **lowest <= 30).count();
    assert!(learned >= 8, "of {} scenarios only {learned} lowered the pace", lowest.len());
}

/// L4: one episode, however long, is no limit; many refusals at once take a tenth at most.
#[test]
fn two_minutes_of_nothing_but_429s_lower_the_pace_by_a_tenth_at_most() {
    let line = r#"{"name": "out", "T": 1500, "up": {"brown": [[600, 720, 1]]}, "demand": [{"kind": "closed", "n": 30}]}"#;
    let scenario = &scenario::read(line).unwrap()[0];
    for seed in 1..=20 {
        let (_, watcher) = watched(scenario, seed);
        assert!(watcher.lowest >= 36, "seed {seed}: {}", watcher.lowest);
    }
}
