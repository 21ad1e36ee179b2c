//! A limiter under a random trace, watched by an independent account of what it may do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::settings::WhenFull;
use super::super::{
    Admission, Advice, Decision, Grant, GrantKind, Key, Limiter, Outcome, Priority, Settings,
};
use super::law::LawAccount;
use super::origin;

/// How long after its departure an attempt nobody refused counts as accepted.
const PRESUMED: Duration = Duration::from_secs(1);

/// One step of a trace. Numbers pick among what is there, modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Advance(Duration),
    /// Up to the instant the limiter asked to be woken at.
    Sleep,
    Arrive(Priority, Duration),
    Cancel(usize),
    Depart(usize),
    Settle(usize, Outcome),
    Return(usize, Outcome),
    Advise(usize, Advice),
    Reconfigure(Box<Settings>),
}

#[derive(Debug)]
struct Out {
    request: u32,
    grant: Grant,
    /// How many grants there had been.
    order: usize,
    departed: Option<Instant>,
}

/// What the trace did and saw.
pub(super) struct Model {
    limiter: Limiter<u32>,
    settings: Settings,
    pub(super) now: Instant,
    next_request: u32,
    /// Waiting requests by the order of their first admission.
    waiting: BTreeMap<u32, (Priority, Key)>,
    out: Vec<Out>,
    departures: Vec<Instant>,
    not_before: Instant,
    last: Option<Instant>,
    granted_so_far: usize,
    /// How many grants there had been at the newest refusal that was news, while nothing since was accepted.
    episode: Option<usize>,
    epoch: Option<Instant>,
    wake: Option<Instant>,
    reconfigured: bool,
    law: LawAccount,
    /// The longest window so far; what left it before a longer one came is nobody's business.
    longest: Duration,
    /// Every grant: who and when.
    pub(super) grants: Vec<(u32, Duration)>,
}

impl Model {
    pub(super) fn new(settings: &Settings, seed: u64) -> Self {
        let now = origin();
        Self {
            limiter: Limiter::new(settings, seed, now),
            settings: settings.clone(),
            now,
            next_request: 0,
            waiting: BTreeMap::new(),
            out: Vec::new(),
            departures: Vec::new(),
            not_before: now,
            last: None,
            granted_so_far: 0,
            episode: None,
            epoch: None,
            wake: None,
            reconfigured: false,
            law: LawAccount::default(),
            longest: settings.rate.window + settings.rate.window_margin,
            grants: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, trace: &[Step]) {
        let start = self.now;
        for step in trace {
            let (now, longest) = (self.now, self.longest);
            self.departures.retain(|at| *at + longest > now);
            self.apply(step);
            self.pump(start);
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Advance(by) => self.now += *by,
            Step::Sleep => self.now = self.wake.map_or(self.now, |wake| wake.max(self.now)),
            Step::Arrive(priority, wait) => self.arrive(*priority, *wait),
            Step::Cancel(pick) => self.cancel(*pick),
            Step::Depart(pick) => self.depart(*pick),
            Step::Settle(pick, outcome) => {
                self.settle(*pick, *outcome);
            }
            Step::Return(pick, outcome) => self.come_back(*pick, *outcome),
            Step::Advise(pick, advice) => {
                if let Some(out) = self.out.get(pick % self.out.len().max(1)) {
                    self.limiter.advise(out.grant, *advice, self.now);
                }
            }
            Step::Reconfigure(settings) => {
                self.limiter.reconfigure(settings, self.now);
                self.law.edited(&mut self.limiter, settings, self.now);
                self.settings = (**settings).clone();
                self.reconfigured = true;
                self.longest = self.longest.max(self.span());
            }
        }
    }

    fn arrive(&mut self, priority: Priority, wait: Duration) {
        let request = self.next_request;
        self.next_request += 1;
        match self.limiter.admit(request, priority, self.now + wait, self.now) {
            Admission::Queued(key) => {
                self.waiting.insert(request, (priority, key));
            }
            Admission::Granted(grant) => {
                assert_eq!(grant.kind, GrantKind::Passthrough);
                self.out.push(Out { request, grant, order: self.granted_so_far, departed: None });
                self.last = Some(self.now);
            }
            Admission::Refused(refusal) => {
                assert!(refusal.retry_after >= Duration::from_secs(1), "{refusal:?}");
            }
        }
    }

    fn cancel(&mut self, pick: usize) {
        let picked =
            self.waiting.iter().nth(pick % self.waiting.len().max(1)).map(|(r, (_, key))| (*r, *key));
        if let Some((request, key)) = picked {
            assert_eq!(self.limiter.cancel(key, self.now), Some(request));
            assert_eq!(self.limiter.cancel(key, self.now), None);
            self.waiting.remove(&request);
        }
    }

    fn depart(&mut self, pick: usize) {
        let pick = pick % self.out.len().max(1);
        let Some(out) = self.out.get_mut(pick).filter(|out| out.departed.is_none()) else { return };
        self.limiter.depart(out.grant, self.now);
        out.departed = Some(self.now);
        self.last = Some(self.now);
        self.departures.push(self.now);
        if !self.reconfigured && self.settings.queue.when_full == WhenFull::Reject {
            self.check_window();
        }
    }

    fn span(&self) -> Duration {
        self.settings.rate.window + self.settings.rate.window_margin
    }

    fn inside(&self) -> usize {
        self.departures.iter().filter(|at| **at + self.span() > self.now).count()
    }

    /// Invariant I2: departures in (t-W-m, t], this one included, stay within the quota.
    fn check_window(&self) {
        let inside = self.inside();
        let quota = LawAccount::most(&self.settings) as usize;
        assert!(inside <= quota, "{inside} departures in a window for {quota}");
    }

    fn settle(&mut self, pick: usize, outcome: Outcome) -> Option<(Out, Duration)> {
        if self.out.is_empty() {
            return None;
        }
        if !matches!(outcome, Outcome::Unknown | Outcome::Unreachable) {
            self.depart(pick);
        }
        let out = self.out.swap_remove(pick % self.out.len());
        let pause = self.limiter.settle(out.grant, outcome, self.now);
        let stale = out.departed.is_none_or(|departed| self.epoch.is_some_and(|epoch| departed < epoch));
        if stale || !matches!(outcome, Outcome::Accepted | Outcome::RateLimited { .. }) {
            self.law.taught_nothing(&mut self.limiter, self.now);
        }
        self.learn(&out, outcome);
        Some((out, pause))
    }

    fn learn(&mut self, out: &Out, outcome: Outcome) {
        let Some(departed) = out.departed else { return };
        let news = self.epoch.is_none_or(|epoch| departed >= epoch);
        match outcome {
            Outcome::Accepted if news => self.episode = None,
            Outcome::RateLimited { retry_after } => {
                if let Some(asked) = retry_after.filter(|asked| *asked > PRESUMED) {
                    self.not_before = self.not_before.max(self.now + asked.min(Duration::from_secs(300)));
                }
                if news {
                    (self.epoch, self.episode) = (Some(self.now), Some(self.granted_so_far));
                }
            }
            Outcome::Accepted
            | Outcome::Unavailable { .. }
            | Outcome::Exhausted { .. }
            | Outcome::Unreachable
            | Outcome::Unknown => {}
        }
    }

    fn come_back(&mut self, pick: usize, outcome: Outcome) {
        let Some((out, pause)) = self.settle(pick, outcome) else { return };
        self.now += pause;
        let priority = out.grant.standing.priority;
        match self.limiter.readmit(out.request, out.grant, self.now) {
            Admission::Queued(key) => {
                self.waiting.insert(out.request, (priority, key));
            }
            Admission::Granted(grant) => panic!("a returning request does not jump the queue: {grant:?}"),
            Admission::Refused(_) => {}
        }
    }

    fn pump(&mut self, start: Instant) {
        self.presume();
        self.law.look(&mut self.limiter, &self.settings, self.now);
        loop {
            match self.limiter.poll(self.now) {
                Decision::Grant(request, grant) => self.granted(request, grant, start),
                Decision::Refuse(request, refusal) => {
                    let (_, (priority, _)) =
                        self.waiting.remove_entry(&request).expect("only who waits is refused");
                    assert_eq!(priority, refusal.priority);
                }
                Decision::Sleep(wake) => {
                    self.check_sleep(wake);
                    self.wake = wake;
                    break;
                }
            }
        }
    }

    fn granted(&mut self, request: u32, grant: Grant, start: Instant) {
        let (priority, _) = self.waiting.remove(&request).expect("only who waits is granted");
        let overtaken = self.waiting.iter().find(|(other, (lane, _))| *lane == priority && **other < request);
        assert_eq!(overtaken, None, "first in, first out within a lane");
        assert!(self.now >= self.not_before, "nothing leaves before Retry-After ends");
        let gap = self.settings.rate.minimum_gap;
        assert!(self.last.is_none_or(|last| self.now >= last + gap), "nothing leaves within the minimum gap");
        let inside = self.inside();
        let about_to = self.out.iter().filter(|out| out.departed.is_none()).count();
        let limit = self.limiter.snapshot(self.now).window_limit;
        assert!(inside + about_to < limit as usize, "the window was full");
        self.check_serial_probe();
        self.last = Some(self.now);
        self.grants.push((request, self.now - start));
        self.granted_so_far += 1;
        self.out.push(Out { request, grant, order: self.granted_so_far - 1, departed: None });
    }

    /// Invariant I5: at most one unverified attempt while an episode is open.
    fn check_serial_probe(&self) {
        let Some(episode) = self.episode else { return };
        let probes = self.out.iter().filter(|out| out.order >= episode && out.grant.kind == GrantKind::Paced);
        assert_eq!(probes.count(), 0, "two unverified attempts in one episode");
    }

    /// What left after the newest refusal, and nobody has refused for a second, ends the episode.
    fn presume(&mut self) {
        let (now, epoch) = (self.now, self.epoch);
        let presumed = |departed| now >= departed + PRESUMED && epoch.is_none_or(|epoch| departed >= epoch);
        if self.out.iter().filter_map(|out| out.departed).any(presumed) {
            self.episode = None;
        }
    }

    /// Invariant I9: nobody waits who could leave, and what is waited for is in the future.
    fn check_sleep(&mut self, wake: Option<Instant>) {
        assert!(wake.is_none_or(|wake| wake > self.now), "asleep until a time that has come");
        let snapshot = self.limiter.snapshot(self.now);
        assert_eq!(snapshot.depth.iter().sum::<usize>(), self.waiting.len());
        assert_eq!(snapshot.unsettled, self.out.len());
        let unsettled =
            self.out.iter().any(|out| out.grant.kind == GrantKind::Paced || out.departed.is_none());
        if !self.waiting.is_empty() {
            assert!(wake.is_some() || unsettled, "somebody waits for nothing");
        }
        let now = self.limiter.clock.advance(self.now);
        let forecasts: Vec<_> = (0..50).map(|turns| self.limiter.forecast(turns, now)).collect();
        assert!(forecasts.is_sorted(), "a later turn comes earlier: {forecasts:?}");
        let learned_over = self.limiter.retreat.free_at(0, now).is_some_and(|at| at <= now);
        let gap_over = self.last.is_none_or(|last| self.now >= last + self.settings.rate.minimum_gap);
        let room = snapshot.window_used < u64::from(snapshot.window_limit);
        let idle = self.out.is_empty()
            && snapshot.gate.is_zero()
            && learned_over
            && gap_over
            && room
            && snapshot.tokens >= 1.0;
        assert!(!idle || self.waiting.is_empty(), "somebody waits who could leave: {snapshot:?}");
    }

    /// Ends everything and expects that nothing is left of it.
    pub(super) fn finish(mut self) {
        while !self.waiting.is_empty() {
            self.cancel(0);
        }
        while !self.out.is_empty() {
            self.settle(0, Outcome::Unknown);
        }
        let snapshot = self.limiter.snapshot(self.now + self.span());
        assert_eq!((snapshot.depth, snapshot.unsettled, snapshot.window_used), ([0; 4], 0, 0));
    }
}
