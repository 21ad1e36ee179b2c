use std::time::Duration;

use super::*;
use crate::law::Law;
use crate::scenario::read;
use crate::{Figures, scenario};

/// Utilisation and 429s for 1000 attempts of the reference simulator, 5 seeds.
const REFERENCE: [(&str, Law, f64, f64); 30] = [
    ("A1", Law::Static, 0.977, 42.0),
    ("B1", Law::Static, 0.974, 197.0),
    ("C1", Law::Static, 0.985, 517.0),
    ("D2", Law::Static, 0.976, 269.0),
    ("E1", Law::Static, 0.977, 96.0),
    ("A1", Law::RollingLog, 1.000, 0.0),
    ("B1", Law::RollingLog, 0.994, 155.0),
    ("C1", Law::RollingLog, 0.980, 477.0),
    ("D2", Law::RollingLog, 0.997, 38.0),
    ("E1", Law::RollingLog, 1.010, 19.0),
    ("A1", Law::Aws, 0.893, 96.0),
    ("B1", Law::Aws, 0.905, 201.0),
    ("C1", Law::Aws, 0.927, 475.0),
    ("D2", Law::Aws, 0.908, 255.0),
    ("E1", Law::Aws, 0.893, 143.0),
    ("A1", Law::Netflix, 0.976, 43.0),
    ("B1", Law::Netflix, 0.957, 211.0),
    ("C1", Law::Netflix, 0.927, 545.0),
    ("D2", Law::Netflix, 0.950, 296.0),
    ("E1", Law::Netflix, 0.972, 100.0),
    ("A1", Law::Nemo, 0.628, 40.0),
    ("B1", Law::Nemo, 0.653, 67.0),
    ("C1", Law::Nemo, 0.741, 191.0),
    ("D2", Law::Nemo, 0.678, 100.0),
    ("E1", Law::Nemo, 0.630, 90.0),
    ("A1", Law::Sre, 0.977, 42.0),
    ("B1", Law::Sre, 0.974, 197.0),
    ("C1", Law::Sre, 0.985, 517.0),
    ("D2", Law::Sre, 0.976, 269.0),
    ("E1", Law::Sre, 0.977, 96.0),
];

#[test]
fn every_peer_does_as_it_does_in_the_reference() {
    let scenarios = scenario::read(include_str!("../../scenarios.jsonl")).unwrap();
    for (name, law, util, r429) in REFERENCE {
        let scenario = scenarios.iter().find(|scenario| scenario.name.starts_with(name)).unwrap();
        let runs: Vec<_> = (1..=5).map(|seed| law.run(scenario, seed)).collect();
        let mean = Figures::mean(&runs);
        assert!((mean.util - util).abs() <= 0.03, "{name} {law}: utilisation {:.3} for {util}", mean.util);
        assert!(
            (mean.r429 - r429).abs() <= 6.0 + 0.08 * r429,
            "{name} {law}: 429s {:.0} for {r429}",
            mean.r429
        );
    }
}

/// The order in which a queue of this policy serves a HIGH that came at 0, a NORMAL at 10, a LOW at 20
/// and an URGENT at 30, at 40 s.
fn order_of(policy: &str) -> Vec<usize> {
    let text =
        format!(r#"{{"name": "X", "demand": [], "sched_policy": "{policy}", "minshare": [0, 0, 0, 0.5]}}"#);
    let mut queue = Queue::new(&read(&text).unwrap()[0], false);
    let classes = [Priority::High, Priority::Normal, Priority::Low, Priority::Urgent];
    for (index, (class, came)) in classes.into_iter().zip([0.0, 10.0, 20.0, 30.0]).enumerate() {
        queue.push(RequestId(index), class, came);
    }
    let mut order = Vec::new();
    while let Some((class, RequestId(index))) = queue.next(40.0) {
        queue.served(class);
        order.push(index);
    }
    order
}

#[test]
fn each_order_of_the_queue_is_its_own() {
    assert_eq!(order_of("strict"), [3, 0, 1, 2]);
    assert_eq!(order_of("fifo"), [0, 1, 2, 3]);
    assert_eq!(order_of("share"), [3, 0, 2, 1], "after two turns LOW has earned one");
    assert_eq!(order_of("age"), [0, 3, 1, 2], "40 s make two classes of HIGH's one");
    assert_eq!(order_of("aged"), [3, 0, 2, 1], "URGENT first; after two turns LOW has earned one");
}

#[test]
fn a_token_bucket_lets_a_burst_go_and_then_its_rate() {
    let scenario = read(r#"{"name": "X", "demand": [], "capacity": 2, "rpm": 60}"#).unwrap().remove(0);
    let mut sidecar = PeerSidecar::<TokenBucket>::new(&scenario, Rng::named("X", "", 1));
    for request in 0..4 {
        sidecar.admit(RequestId(request), Priority::Normal, Duration::ZERO).unwrap();
    }
    assert_eq!(sidecar.poll(Duration::ZERO), Next::Send(RequestId(0)));
    assert_eq!(sidecar.poll(Duration::ZERO), Next::Send(RequestId(1)));
    let second = Duration::from_secs(1);
    assert_eq!(sidecar.poll(Duration::ZERO), Next::Sleep(Some(second)));
    assert_eq!(sidecar.poll(second), Next::Send(RequestId(2)));
}
