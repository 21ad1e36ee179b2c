//! What one request's end leaves behind for the next, step by step.

use std::time::{Duration, Instant};

use super::super::settings::WhenFull;
use super::super::{
    Admission, Advice, Decision, Grant, GrantKind, Key, Limiter, Outcome, Priority, RefusedBecause, Settings,
};
use super::{mk_patient_settings, origin, seconds};

/// A limiter whose time is moved by hand.
struct Bench {
    limiter: Limiter<()>,
    now: Instant,
}

impl Bench {
    /// After a quiet hour: the bucket is full.
    fn rested(settings: &Settings) -> Self {
        let start = origin();
        Self { limiter: Limiter::new(settings, 1, start), now: start + seconds(3600.0) }
    }

    fn admit_within(&mut self, priority: Priority, wait: Duration) -> Admission {
        self.limiter.admit((), priority, self.now + wait, self.now)
    }

    fn queue(&mut self) -> Key {
        match self.admit_within(Priority::Normal, seconds(3600.0)) {
            Admission::Queued(key) => key,
            other @ (Admission::Granted(_) | Admission::Refused(_)) => panic!("not queued: {other:?}"),
        }
    }

    fn granted(&mut self) -> Option<Grant> {
        match self.limiter.poll(self.now) {
            Decision::Grant((), grant) => Some(grant),
            Decision::Refuse(..) | Decision::Sleep(_) => None,
        }
    }

    /// Sends one request at once.
    fn send(&mut self) -> Grant {
        self.queue();
        let grant = self.granted().expect("a place and a token");
        self.limiter.depart(grant, self.now);
        grant
    }

    fn settle(&mut self, grant: Grant, outcome: Outcome) {
        self.limiter.settle(grant, outcome, self.now);
    }

    fn tokens(&mut self) -> f64 {
        self.limiter.snapshot(self.now).tokens
    }
}

fn mk_bench() -> Bench {
    let mut settings = mk_patient_settings();
    settings.rate.minimum_gap = Duration::ZERO;
    Bench::rested(&settings)
}

const REFUSED: Outcome = Outcome::RateLimited { retry_after: None };

#[test]
fn the_snapshot_tells_which_share_of_the_departures_was_refused() {
    let mut bench = mk_bench();
    let grants = [(); 4].map(|()| bench.send());
    bench.settle(grants[0], REFUSED);
    for grant in &grants[1..] {
        bench.settle(*grant, Outcome::Accepted);
    }
    let ratio = bench.limiter.snapshot(bench.now).refusal_ratio;
    assert!((ratio - 0.25).abs() < f64::EPSILON, "{ratio}");
}

#[test]
fn a_refusal_that_is_news_takes_back_the_burst() {
    let mut bench = mk_bench();
    let grant = bench.send();
    assert!(bench.tokens() > 30.0);
    bench.settle(grant, REFUSED);
    assert!(bench.tokens() <= 1.0, "{} tokens", bench.tokens());
}

#[test]
fn tokens_accrue_again_once_nobody_waits_behind_the_gate() {
    let mut bench = mk_bench();
    let grant = bench.send();
    bench.settle(grant, Outcome::RateLimited { retry_after: Some(seconds(60.0)) });
    let key = bench.queue();
    bench.limiter.cancel(key, bench.now);
    bench.now += seconds(30.0);
    assert!(bench.tokens() > 20.0, "{} tokens", bench.tokens());
}

#[test]
fn a_burst_that_filled_the_window_is_earned_again_while_nobody_waits() {
    let mut bench = mk_bench();
    for _ in 0..40 {
        let grant = bench.send();
        bench.settle(grant, Outcome::Accepted);
    }
    bench.limiter.snapshot(bench.now);
    bench.now += seconds(60.0);
    assert!(bench.tokens() > 39.0, "{} tokens", bench.tokens());
}

#[test]
fn without_a_queue_who_may_leave_at_once_is_paced_and_the_others_take_no_token() {
    let mut settings = mk_patient_settings();
    settings.queue.max_depth = 0;
    settings.queue.when_full = WhenFull::Passthrough;
    let mut bench = Bench::rested(&settings);
    bench.send();
    let tokens = bench.tokens();
    let Admission::Granted(passed) = bench.admit_within(Priority::Normal, seconds(60.0)) else {
        panic!("within the minimum gap nobody leaves by the pace");
    };
    assert_eq!(passed.kind, GrantKind::Passthrough);
    assert!((bench.tokens() - tokens).abs() < f64::EPSILON);
}

#[test]
fn a_probe_that_teaches_nothing_makes_way_for_the_next() {
    let endings = [
        Outcome::Unknown,
        Outcome::Exhausted { pause: Duration::ZERO },
        Outcome::Unavailable { retry_after: None },
    ];
    for ending in endings {
        let mut bench = mk_bench();
        let grant = bench.send();
        bench.settle(grant, REFUSED);
        bench.now += seconds(9.0);
        let probe = bench.send();
        bench.queue();
        assert!(bench.granted().is_none(), "one probe at a time");
        bench.settle(probe, ending);
        assert!(bench.granted().is_some(), "{ending:?}");
    }
}

#[test]
fn a_probe_that_is_answered_slowly_holds_the_others_for_a_second() {
    let mut bench = mk_bench();
    let grant = bench.send();
    bench.settle(grant, REFUSED);
    bench.now += seconds(9.0);
    bench.send();
    bench.queue();
    let Decision::Sleep(wake) = bench.limiter.poll(bench.now) else { panic!("one probe at a time") };
    assert_eq!(wake, Some(bench.now + seconds(1.0)));
}

#[test]
fn a_probe_presumed_accepted_lets_the_next_leave_and_may_still_be_refused_later() {
    let mut bench = mk_bench();
    let grant = bench.send();
    bench.settle(grant, REFUSED);
    bench.now += seconds(9.0);
    let probe = bench.send();
    bench.now += seconds(1.0);
    bench.limiter.snapshot(bench.now);
    bench.now += seconds(1.0);
    let next = bench.send();
    bench.now += seconds(0.5);
    bench.settle(probe, REFUSED);
    assert!(!bench.limiter.snapshot(bench.now).gate.is_zero(), "that is a fresh refusal");
    bench.settle(next, Outcome::Accepted);
    assert!(bench.limiter.gate.is_closed(u64::MAX), "what left before it is old news");
}

#[test]
fn in_an_outage_every_turn_before_costs_a_back_off() {
    let mut bench = mk_bench();
    for _ in 0..4 {
        bench.now += seconds(10.0);
        let grant = bench.send();
        bench.settle(grant, Outcome::Unavailable { retry_after: None });
    }
    for _ in 0..3 {
        bench.queue();
    }
    let Admission::Refused(refusal) = bench.admit_within(Priority::Normal, seconds(10.0)) else {
        panic!("three back-offs of four seconds are before it");
    };
    assert_eq!(refusal.because, RefusedBecause::UpstreamUnavailable);
}

#[test]
fn a_turn_that_a_retry_within_a_minute_can_reach_is_worth_one() {
    for (wait, because) in
        [(40.0, RefusedBecause::WouldMissDeadline), (20.0, RefusedBecause::DeadlineUnreachable)]
    {
        let mut bench = mk_bench();
        let grant = bench.send();
        bench.settle(grant, Outcome::RateLimited { retry_after: Some(seconds(90.0)) });
        let Admission::Refused(refusal) = bench.admit_within(Priority::Normal, seconds(wait)) else {
            panic!("the gate opens after 90 s");
        };
        assert_eq!(refusal.because, because, "{refusal:?}");
    }
}

#[test]
fn an_edited_share_is_in_force_for_who_already_waits() {
    let mut bench = mk_bench();
    let mut settings = mk_patient_settings();
    settings.queue.lanes[3].minimum_share_percent = 100;
    bench.limiter.reconfigure(&settings, bench.now);
    for priority in [Priority::Urgent, Priority::Urgent, Priority::Urgent, Priority::Low] {
        bench.admit_within(priority, seconds(3600.0));
    }
    let mut served = Vec::new();
    while served.len() < 4 {
        bench.now += seconds(1.0);
        served.extend(bench.granted().map(|grant| grant.standing.priority));
    }
    assert_eq!(served[1], Priority::Low, "{served:?}");
}

#[test]
fn headers_that_leave_nothing_show_as_a_gate_that_nobody_passes() {
    let mut settings = mk_patient_settings();
    settings.queue.max_depth = 0;
    settings.queue.when_full = WhenFull::Passthrough;
    settings.rate.minimum_gap = Duration::ZERO;
    settings.rate.capacity = 1;
    let mut bench = Bench::rested(&settings);
    let first = bench.send();
    let passes = |bench: &mut Bench| {
        matches!(bench.admit_within(Priority::Normal, seconds(3600.0)), Admission::Granted(_))
    };
    assert!(passes(&mut bench), "the queue is full");
    let advice = Advice { limit: None, remaining: 0, reset: seconds(30.0) };
    bench.limiter.advise(first, advice, bench.now);
    bench.settle(first, Outcome::Accepted);
    assert!(bench.limiter.snapshot(bench.now).paused() > Duration::ZERO);
    assert!(!passes(&mut bench), "an upstream that has nothing left would only say so again");
}
