//! The promises in figures: virtual hours against an upstream that counts strictly.

use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::rng::SplitMix64;
use super::super::{Admission, Decision, Grant, Limiter, Outcome, Priority, Settings};
use super::{mk_patient_settings, origin, seconds};

/// How an upstream counts to its quota.
#[derive(Clone, Copy, Debug)]
enum Counting {
    /// The last 60 s.
    Rolling,
    /// Minutes that begin at this offset.
    Fixed(Duration),
}

/// A world in which every grant departs at once and arrives after a random delay.
struct World {
    limiter: Limiter<(Priority, Instant)>,
    now: Instant,
    start: Instant,
    rng: SplitMix64,
    departures: Vec<Instant>,
    waits: Vec<(Priority, Duration)>,
}

impl World {
    fn new(settings: &Settings, seed: u64) -> Self {
        let start = origin();
        Self {
            limiter: Limiter::new(settings, seed, start),
            now: start,
            start,
            rng: SplitMix64::new(seed),
            departures: Vec::new(),
            waits: Vec::new(),
        }
    }

    fn arrive(&mut self, priority: Priority) -> bool {
        let deadline = self.now + seconds(3600.0);
        matches!(self.limiter.admit((priority, self.now), priority, deadline, self.now), Admission::Queued(_))
    }

    /// Does all that can be done now; `landed` gets each grant that departs.
    fn pump(
        &mut self,
        mut landed: impl FnMut(&mut Limiter<(Priority, Instant)>, Grant, Instant),
    ) -> Option<Instant> {
        loop {
            match self.limiter.poll(self.now) {
                Decision::Grant((priority, arrived), grant) => {
                    self.departures.push(self.now);
                    self.waits.push((priority, self.now - arrived));
                    self.limiter.depart(grant, self.now);
                    landed(&mut self.limiter, grant, self.now);
                }
                Decision::Refuse((priority, _), refusal) => {
                    assert_eq!(priority, Priority::Low, "everybody else has an hour: {refusal:?}");
                }
                Decision::Sleep(wake) => return wake,
            }
        }
    }

    /// Keeps `backlog` requests of `priority` waiting until `end`, everything accepted at once.
    fn saturate(&mut self, priority: Priority, backlog: usize, end: Instant) {
        while self.now < end {
            while self.limiter.snapshot(self.now).depth[priority.index()] < backlog {
                self.arrive(priority);
            }
            let now = self.now;
            let wake = self.pump(|limiter, grant, _| {
                limiter.settle(grant, Outcome::Accepted, now);
            });
            self.now = wake.expect("a backlog always has a next departure").min(end);
        }
    }

    fn wait_percentile(&self, priority: Priority, percent: usize) -> Duration {
        let mut waits: Vec<_> =
            self.waits.iter().filter(|(p, _)| *p == priority).map(|(_, wait)| *wait).collect();
        waits.sort();
        waits[(waits.len() - 1) * percent / 100]
    }
}

#[test]
fn a_saturated_queue_uses_98_5_percent_of_the_quota_and_no_minute_holds_more_than_it() {
    let mut world = World::new(&mk_patient_settings(), 1);
    world.saturate(Priority::Normal, 60, world.start + seconds(3600.0));
    let departed = world.departures.len();
    assert!(departed * 1_000 >= 40 * 60 * 985, "{departed} of 2400");
    for window in world.departures.windows(41) {
        assert!(window[40] - window[0] > seconds(60.0), "41 in a minute");
    }
}

#[test]
fn a_cold_start_is_paced_and_a_quiet_minute_earns_a_burst() {
    let mut world = World::new(&mk_patient_settings(), 1);
    world.saturate(Priority::Normal, 60, world.start + seconds(3.0));
    assert_eq!(world.departures.len(), 2, "one token at the start and one after 1.5 s");
    let mut world = World::new(&mk_patient_settings(), 1);
    world.now += seconds(61.0);
    world.saturate(Priority::Normal, 60, world.start + seconds(63.0));
    assert_eq!(world.departures.len(), 40, "the whole capacity leaves at once");
}

#[test]
fn urgent_waits_about_one_gap_behind_a_saturated_normal_backlog() {
    let mut world = World::new(&mk_patient_settings(), 7);
    let mut rng = SplitMix64::new(7);
    for _ in 0..300 {
        let until = world.now + Duration::from_millis(rng.between(500, 12_000));
        world.saturate(Priority::Normal, 40, until);
        world.arrive(Priority::Urgent);
    }
    assert!(world.wait_percentile(Priority::Urgent, 50) <= seconds(1.0));
    assert!(
        world.wait_percentile(Priority::Urgent, 99) <= seconds(4.6),
        "at most three owed turns before it"
    );
}

#[test]
fn low_with_a_two_second_wait_still_gets_its_share_of_a_saturated_queue() {
    let mut world = World::new(&mk_patient_settings(), 3);
    let end = world.start + seconds(1800.0);
    while world.now < end {
        world.saturate(Priority::Normal, 40, world.now + seconds(0.5));
        let deadline = world.now + seconds(2.0);
        world.limiter.admit((Priority::Low, world.now), Priority::Low, deadline, world.now);
    }
    let served = world.waits.iter().filter(|(priority, _)| *priority == Priority::Low).count();
    let departed = world.departures.len();
    assert!(served * 100 >= departed * 4, "{served} of {departed}");
}

#[test]
fn a_forecast_is_what_happens_when_nobody_else_comes() {
    let mut world = World::new(&mk_patient_settings(), 1);
    world.now += seconds(45.0);
    let mut forecasts = Vec::new();
    for _ in 0..150 {
        let turns = world.limiter.queue.turns_before(Priority::Normal);
        let now = world.limiter.clock.advance(world.now);
        forecasts.push(world.limiter.forecast(turns, now));
        assert!(world.arrive(Priority::Normal));
    }
    while world.departures.len() < 150 {
        let now = world.now;
        let wake = world.pump(|limiter, grant, _| {
            limiter.settle(grant, Outcome::Accepted, now);
        });
        world.now = wake.unwrap_or(world.now);
    }
    for (index, (departed, forecast)) in world.departures.iter().zip(forecasts).enumerate() {
        let happened = world.limiter.clock.at(*departed);
        assert!(happened.abs_diff(forecast) <= 1_000, "request {index}: {happened} instead of {forecast}");
    }
}

/// Sends a saturated hour to an upstream that counts strictly, each request delayed by less than the
/// margin; returns the refusals.
fn refusals_alone(counting: Counting, demand_pause: Duration, seed: u64) -> usize {
    let mut world = World::new(&mk_patient_settings(), seed);
    let end = world.start + seconds(1200.0);
    let mut arrivals = BinaryHeap::new();
    while world.now < end {
        while world.limiter.snapshot(world.now).depth[2] < 50 {
            world.arrive(Priority::Normal);
        }
        let rng = &mut SplitMix64::new(world.rng.between(0, u64::MAX));
        let wake = world.pump(|limiter, grant, now| {
            arrivals.push(std::cmp::Reverse(now + Duration::from_millis(rng.between(0, 499))));
            limiter.settle(grant, Outcome::Accepted, now);
        });
        world.now = wake.expect("a backlog").max(world.now) + demand_pause;
    }
    let mut accepted = VecDeque::new();
    let mut refused = 0;
    let minute = |at: Instant, offset: Duration| (at - world.start + offset).as_secs() / 60;
    while let Some(std::cmp::Reverse(at)) = arrivals.pop() {
        match counting {
            Counting::Rolling => accepted.retain(|earlier: &Instant| *earlier + seconds(60.0) > at),
            Counting::Fixed(offset) => {
                accepted.retain(|earlier| minute(*earlier, offset) == minute(at, offset));
            }
        }
        if accepted.len() < 40 { accepted.push_back(at) } else { refused += 1 }
    }
    refused
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariant I3.
    #[test]
    fn alone_with_jitter_below_the_margin_there_is_no_refusal(
        seed in any::<u64>(), offset in 0_u64..60, rolling in any::<bool>(), pause in 0_u64..90_000
    ) {
        let counting = if rolling { Counting::Rolling } else { Counting::Fixed(Duration::from_secs(offset)) };
        let pause = if pause < 60_000 { Duration::ZERO } else { Duration::from_millis(pause) };
        prop_assert_eq!(refusals_alone(counting, pause, seed), 0);
    }
}
