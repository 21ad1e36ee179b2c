//! Properties of reading a policy, over text nobody wrote.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::convert;
use super::document::documents;
use crate::api::{self, RULES, v1alpha1 as wire};
use crate::limiter::Settings;

fn switch() -> impl Strategy<Value = wire::Switch> {
    select(vec![wire::Switch::Enabled, wire::Switch::Disabled])
}

fn rate() -> impl Strategy<Value = wire::Rate> {
    let quantities = (1..=1_000_000, proptest::option::of(1..=1_000_000), 1..=3600, 0..=60_000, 0..=10_000);
    quantities.prop_map(|(rpm, capacity, window, margin, gap)| wire::Rate {
        requests_per_minute: rpm,
        capacity,
        window_seconds: window,
        window_margin_milliseconds: margin,
        minimum_gap_milliseconds: gap,
    })
}

fn queue() -> impl Strategy<Value = wire::Queue> {
    let priority = select(wire::Priority::ALL.to_vec());
    let names = subsequence(wire::Priority::ALL.to_vec(), 0..=4);
    let limits =
        proptest::collection::vec((proptest::option::of(1..=3600), proptest::option::of(0..=100)), 4);
    let when_full = select(vec![wire::WhenFull::Passthrough, wire::WhenFull::Reject]);
    (0..=100_000, when_full, priority, 1..=3600, names, limits).prop_map(
        |(max_depth, when_full, default_priority, max_wait_seconds, names, limits)| wire::Queue {
            max_depth,
            when_full,
            default_priority,
            max_wait_seconds,
            priorities: names
                .into_iter()
                .zip(limits)
                .map(|(name, (max_wait_seconds, minimum_share_percent))| wire::PriorityRule {
                    name,
                    max_wait_seconds,
                    minimum_share_percent,
                })
                .collect(),
        },
    )
}

fn retreat() -> impl Strategy<Value = wire::Retreat> {
    let pace = || proptest::option::of(1..=1_000_000);
    (switch(), 1..=100, 1..=99, 1..=3600, 1..=100_000, pace(), pace(), (1..=3600, 1..=3600)).prop_map(
        |(mode, threshold, factor, window, samples, floor, ceiling, (after, most))| wire::Retreat {
            mode,
            threshold_percent: threshold,
            factor_percent: factor,
            window_seconds: window,
            minimum_samples: samples,
            floor_requests_per_minute: floor,
            ceiling_requests_per_minute: ceiling,
            recovery: wire::Recovery { probe_after_seconds: after, probe_max_seconds: most },
        },
    )
}

fn matching() -> impl Strategy<Value = wire::Match> {
    use wire::Method::{Delete, Get, Head, Options, Patch, Post, Put};
    let methods = subsequence(vec![Get, Head, Post, Put, Patch, Delete, Options], 1..=7);
    // Any text: globs of `true`, `1e3`, `- x` or a line break must come back as they were.
    let models = proptest::collection::btree_set("\\PC{1,12}|true|null|~|0x1F|[-?:] x|a\nb", 1..6);
    (models, methods)
        .prop_map(|(models, methods)| wire::Match { models: BTreeSet::into_iter(models).collect(), methods })
}

/// Specs whose every field is within its bounds; rules between fields may be broken.
fn spec() -> impl Strategy<Value = wire::RateLimitPolicySpec> {
    use wire::ReadinessGate::{Queue, Tokens, Upstream};
    let mode = select(vec![wire::Mode::Enforce, wire::Mode::Observe]);
    let retry = (switch(), 0..=10);
    let timeouts = (1..=300, 0..=3600, 0..=86_400);
    let gates = subsequence(vec![Upstream, Queue, Tokens], 0..=3);
    (mode, rate(), queue(), retreat(), retry, timeouts, matching(), gates).prop_map(
        |(mode, rate, queue, retreat, retry, timeouts, matching, gates)| wire::RateLimitPolicySpec {
            mode,
            rate,
            queue,
            retreat,
            retry: wire::Retry { rate_limited: retry.0, server_errors: retry.1 },
            timeouts: wire::Timeouts {
                connect_seconds: timeouts.0,
                idle_seconds: timeouts.1,
                total_seconds: timeouts.2,
            },
            matching,
            readiness: wire::Readiness { gates },
        },
    )
}

fn manifest(spec: &Value) -> Value {
    json!({"apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "x"}, "spec": spec})
}

/// Specs that keep every rule.
fn kept() -> impl Strategy<Value = wire::RateLimitPolicySpec> {
    spec().prop_map(|mut spec| {
        if spec.rate.requests_per_minute > 16_000 || spec.rate.requests_per_minute < 60 {
            spec.rate.window_seconds = 60;
        }
        let rpm = spec.rate.requests_per_minute;
        let retreat = &mut spec.retreat;
        retreat.floor_requests_per_minute = retreat.floor_requests_per_minute.map(|floor| floor.min(rpm));
        retreat.ceiling_requests_per_minute =
            retreat.ceiling_requests_per_minute.map(|ceiling| ceiling.max(rpm));
        let recovery = &mut retreat.recovery;
        recovery.probe_max_seconds = recovery.probe_max_seconds.max(recovery.probe_after_seconds);
        for entry in &mut spec.queue.priorities {
            entry.minimum_share_percent = entry.minimum_share_percent.map(|share| share % 17);
        }
        spec
    })
}

/// Where every value of a JSON tree is.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, inner)| (index.to_string(), inner)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = inner.iter().flat_map(|(step, inner)| {
        pointers(inner).into_iter().map(move |pointer| format!("/{step}{pointer}"))
    });
    std::iter::once(String::new()).chain(below).collect()
}

/// A value that may or may not belong where it is put.
fn stray() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1_i32..100).prop_map(|number| Value::from(f64::from(number))),
        select(vec!["Enforce", "Enabled", "Urgent", "POST", "*", "40", ""]).prop_map(Value::from),
        select(vec![json!([]), json!({}), json!([null]), json!([["POST"]]), json!({"name": "Low"})]),
    ]
}

proptest! {
    #[test]
    fn a_policy_comes_back_from_yaml_as_it_was(spec in spec()) {
        let text = serde_saphyr::to_string(&manifest(&serde_json::to_value(&spec).unwrap())).unwrap();
        let mut documents = documents(text.as_bytes());
        prop_assert_eq!(documents.len(), 1);
        let checked = api::check(documents.remove(0).unwrap());
        prop_assert_eq!(checked.unknown, []);
        match checked.policy {
            Ok(policy) => prop_assert_eq!(policy.spec, spec),
            // Every field is within its bounds: only the rules between fields may refuse it.
            Err(faults) => prop_assert_eq!(faults, RULES.iter().filter_map(|rule| rule.check(&spec)).collect::<Vec<_>>()),
        }
    }

    #[test]
    fn an_accepted_policy_makes_settings_within_the_ranges_the_limiter_is_promised(spec in kept()) {
        let policy = api::check(manifest(&serde_json::to_value(&spec).unwrap())).policy;
        prop_assert_eq!(policy.as_ref().err(), None);
        let Settings { rate, queue, retreat, .. } = convert::settings(&policy.unwrap().spec);
        prop_assert!((1..=1_000_000).contains(&rate.capacity));
        prop_assert!((1..=1_000_000).contains(&rate.window_quota()));
        prop_assert!(queue.lanes.iter().map(|lane| u32::from(lane.minimum_share_percent)).sum::<u32>() <= 100);
        prop_assert!((1..=rate.requests_per_minute).contains(&retreat.floor_requests_per_minute));
        prop_assert!(retreat.ceiling_requests_per_minute.is_none_or(|ceiling| ceiling >= rate.requests_per_minute));
        prop_assert!(retreat.probe_after <= retreat.probe_max);
    }

    #[test]
    fn what_the_schema_accepts_the_types_can_read(
        spec in kept(),
        at in any::<prop::sample::Index>(),
        stray in stray(),
    ) {
        let mut spec = serde_json::to_value(&spec).unwrap();
        let pointers = pointers(&spec);
        *spec.pointer_mut(&pointers[at.index(pointers.len())]).unwrap() = stray;
        if let Err(faults) = api::check(manifest(&spec)).policy {
            prop_assert!(faults.iter().all(|fault| fault.path.starts_with("spec")), "{faults:?}");
        }
    }

    #[test]
    fn no_text_makes_the_reading_panic(text in "[-{}\\[\\]:,&*!|>'\"%@`#?a-z0-9 \n\t]{0,80}") {
        for object in documents(text.as_bytes()).into_iter().flatten() {
            drop(api::check(object));
        }
    }

    #[test]
    fn no_damage_to_a_policy_makes_the_reading_panic(
        spec in spec(),
        at in any::<prop::sample::Index>(),
        damage in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let value = manifest(&serde_json::to_value(&spec).unwrap());
        let mut bytes = serde_saphyr::to_string(&value).unwrap().into_bytes();
        let at = at.index(bytes.len());
        let end = (at + 2).min(bytes.len());
        bytes.splice(at..end, damage);
        for object in documents(&bytes).into_iter().flatten() {
            drop(api::check(object));
        }
    }
}
