//! The invariants of the limiter, with the adaptive law and without, over random traces.
//!
//! `simulator/tests/targets/main.rs` lists where each invariant is held.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::settings::{Lane, Rate, Retreat, WhenFull};
use super::super::{Advice, Outcome, Priority, Settings};
use super::model::{Model, Step};

fn any_priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(Priority::ALL.to_vec())
}

/// Every retreat, enabled and not, whose rates stand to the policy's as a policy may set them.
fn any_retreat(rpm: u32) -> impl Strategy<Value = Retreat> {
    let evidence = (1_u8..=100, 1_u8..=99, 1_u64..120, 1_u32..40);
    let bounds = (1..=rpm, prop::option::of(rpm..=2 * rpm));
    (any::<bool>(), evidence, bounds, (1_u64..60, 0_u64..300)).prop_map(
        |(enabled, (threshold_percent, factor_percent, window, minimum_samples), (floor, ceiling), probe)| {
            Retreat {
                enabled,
                threshold_percent,
                factor_percent,
                window: Duration::from_secs(window),
                minimum_samples,
                floor_requests_per_minute: floor,
                ceiling_requests_per_minute: ceiling,
                probe_after: Duration::from_secs(probe.0),
                probe_max: Duration::from_secs(probe.0 + probe.1),
            }
        },
    )
}

fn any_settings() -> impl Strategy<Value = Settings> {
    any_limits().prop_flat_map(|settings| {
        any_retreat(settings.rate.requests_per_minute)
            .prop_map(move |retreat| Settings { retreat, ..settings.clone() })
    })
}

fn any_limits() -> impl Strategy<Value = Settings> {
    let rate = (1_u32..120, 1_u32..60, 1_u64..120, 0_u64..2_000, 0_u64..200);
    (rate, 0_usize..30, any::<bool>(), (0_u8..40, 0_u8..30, 0_u8..30)).prop_map(
        |((rpm, capacity, window, margin, gap), max_depth, pass, (high, normal, low))| {
            let mut settings = Settings {
                rate: Rate {
                    requests_per_minute: rpm,
                    capacity,
                    window: Duration::from_secs(window.max(u64::from(60_u32.div_ceil(rpm)))),
                    window_margin: Duration::from_millis(margin),
                    minimum_gap: Duration::from_millis(gap),
                },
                ..Settings::default()
            };
            settings.queue.max_depth = max_depth;
            settings.queue.when_full = if pass { WhenFull::Passthrough } else { WhenFull::Reject };
            for (lane, share) in settings.queue.lanes.iter_mut().zip([0, high, normal, low]) {
                *lane = Lane { minimum_share_percent: share, ..*lane };
            }
            settings
        },
    )
}

/// One of the ends of a range, or something near.
fn any_end(least: u64, most: u64) -> impl Strategy<Value = u64> {
    prop_oneof![Just(least), Just(most), least..=most.min(least + 60)]
}

/// Settings at the ends of what a policy may ask: windows of a second and of an hour, one request and a million.
fn any_extreme() -> impl Strategy<Value = Settings> {
    let rate = (any_end(1, 1_000_000), any_end(1, 3_600), any_end(1, 1_000_000), any_end(0, 60_000));
    let law = (any_end(1, 100), any_end(1, 99), any_end(1, 100_000), any_end(1, 3_600), any_end(1, 3_600));
    let bounds = (any_end(1, 1_000_000), prop::option::of(any_end(1, 1_000_000)), any::<bool>());
    (any_limits(), rate, law, bounds).prop_map(|(mut settings, rate, law, (floor, ceiling, enabled))| {
        let (rpm, window, capacity, margin) = rate;
        let window = window.clamp(60_u64.div_ceil(rpm), 60_000_000 / rpm);
        let number = |number: u64| u32::try_from(number).unwrap();
        settings.rate = Rate {
            requests_per_minute: number(rpm),
            capacity: number(capacity),
            window: Duration::from_secs(window),
            window_margin: Duration::from_millis(margin),
            minimum_gap: Rate::default_gap(number(rpm)),
        };
        let (threshold, factor, minimum_samples, probe_after, probe_more) = law;
        settings.retreat = Retreat {
            enabled,
            threshold_percent: u8::try_from(threshold).unwrap(),
            factor_percent: u8::try_from(factor).unwrap(),
            window: Duration::from_secs(probe_after),
            minimum_samples: number(minimum_samples),
            floor_requests_per_minute: number(floor.min(rpm)),
            ceiling_requests_per_minute: ceiling.map(|ceiling| number(ceiling.max(rpm))),
            probe_after: Duration::from_secs(probe_after),
            probe_max: Duration::from_secs(probe_after.max(probe_more)),
        };
        settings
    })
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let retry_after = prop::option::of((0_u64..20_000).prop_map(Duration::from_millis));
    prop_oneof![
        6 => Just(Outcome::Accepted),
        3 => retry_after.clone().prop_map(|retry_after| Outcome::RateLimited { retry_after }),
        1 => retry_after.prop_map(|retry_after| Outcome::Unavailable { retry_after }),
        1 => (0_u64..5_000).prop_map(|ms| Outcome::Exhausted { pause: Duration::from_millis(ms) }),
        1 => Just(Outcome::Unreachable),
        1 => Just(Outcome::Unknown),
    ]
}

fn any_advice() -> impl Strategy<Value = Advice> {
    (prop::option::of(1_u32..100), 0_u32..4, 0_u64..120).prop_map(|(limit, remaining, reset)| Advice {
        limit,
        remaining,
        reset: Duration::from_secs(reset),
    })
}

/// Verdicts pick any attempt that is out, so they come late and in any order.
fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..5_000).prop_map(|ms| Step::Advance(Duration::from_millis(ms))),
        1 => Just(Step::Advance(Duration::ZERO)),
        4 => Just(Step::Sleep),
        8 => (any_priority(), 0_u64..120_000).prop_map(|(p, ms)| Step::Arrive(p, Duration::from_millis(ms))),
        2 => any::<usize>().prop_map(Step::Cancel),
        5 => any::<usize>().prop_map(Step::Depart),
        5 => (any::<usize>(), any_outcome()).prop_map(|(pick, outcome)| Step::Settle(pick, outcome)),
        2 => (any::<usize>(), any_outcome()).prop_map(|(pick, outcome)| Step::Return(pick, outcome)),
        1 => (any::<usize>(), any_advice()).prop_map(|(pick, advice)| Step::Advise(pick, advice)),
    ]
}

fn any_live_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => any_step(),
        1 => any_settings().prop_map(|settings| Step::Reconfigure(Box::new(settings))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_trace_keeps_window_gate_gap_order_and_leaves_nothing(
        settings in any_settings(), seed in any::<u64>(), trace in vec(any_step(), 1..300)
    ) {
        let mut model = Model::new(&settings, seed);
        model.run(&trace);
        model.finish();
    }

    #[test]
    fn every_trace_with_live_edits_keeps_them_too(
        settings in any_settings(), seed in any::<u64>(), trace in vec(any_live_step(), 1..300)
    ) {
        let mut model = Model::new(&settings, seed);
        model.run(&trace);
        model.finish();
    }

    #[test]
    fn every_trace_keeps_them_with_settings_at_the_ends_of_their_ranges(
        settings in any_extreme(), edits in vec(any_extreme(), 0..3), seed in any::<u64>(),
        mut trace in vec(any_step(), 1..300)
    ) {
        for (edit, at) in edits.into_iter().zip([7, 50]) {
            trace.insert(at.min(trace.len()), Step::Reconfigure(Box::new(edit)));
        }
        let mut model = Model::new(&settings, seed);
        model.run(&trace);
        model.finish();
    }

    #[test]
    fn the_same_trace_and_seed_make_the_same_sends(
        settings in any_settings(), seed in any::<u64>(), trace in vec(any_live_step(), 1..200)
    ) {
        let grants = [(); 2].map(|()| {
            let mut model = Model::new(&settings, seed);
            model.run(&trace);
            model.grants
        });
        prop_assert_eq!(&grants[0], &grants[1]);
    }
}
