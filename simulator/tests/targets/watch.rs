//! Somebody who looks on at every event, with an account of its own of what the limiter may do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pacer::limiter::{Cause, PaceState, Settings, Snapshot, Transition};
use pacer_simulator::sidecar::RequestId;
use pacer_simulator::upstream::{Answer, Status};
use pacer_simulator::world::{Happened, Watch};
use pacer_simulator::{Pacer, Scenario};

const MINUTE: Duration = Duration::from_secs(60);
/// After this an attempt that nobody has refused counts as accepted.
const PRESUMED: Duration = Duration::from_secs(1);
/// A learned short window is held with this margin.
const SHORT_MARGIN: Duration = Duration::from_millis(200);
/// The longest a `Retry-After` binds.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// An attempt that left.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Duration,
    /// How many others the last minute held: those not refused, and all.
    counts: [u32; 2],
    refused: bool,
    settled: bool,
}

/// What is known of one run; every check names it.
#[derive(Debug)]
pub(crate) struct Watcher {
    run: String,
    settings: Settings,
    /// In the order of time.
    sent: Vec<Sent>,
    out: BTreeMap<RequestId, usize>,
    relayed: BTreeSet<RequestId>,
    not_before: Duration,
    /// The newest refusal that was news, and whether nothing since was accepted.
    epoch: Option<Duration>,
    episode: bool,
    /// Counts at which attempts were refused.
    refused_at: BTreeSet<u32>,
    state: PaceState,
    /// The pace that was seen last.
    pub(crate) limit: u32,
    found: [u64; Cause::ALL.len()],
    looked: Duration,
    /// The lowest pace of the run.
    pub(crate) lowest: u32,
    /// The same, learned short windows included.
    pub(crate) effective: u32,
    pub(crate) most_in_a_minute: usize,
    /// The limit that was known last, in requests a minute.
    pub(crate) learned: Option<u32>,
}

impl Watcher {
    pub(crate) fn new(scenario: &Scenario, pacer: &Pacer, seed: u64) -> Self {
        let settings = pacer.settings().clone();
        let base = settings.rate.window_quota();
        assert_eq!(settings.rate.window, MINUTE, "counts here are those of a minute");
        Self {
            run: format!("{}, seed {seed}", scenario.name),
            settings,
            sent: Vec::new(),
            out: BTreeMap::new(),
            relayed: BTreeSet::new(),
            not_before: Duration::ZERO,
            epoch: None,
            episode: false,
            refused_at: BTreeSet::new(),
            state: PaceState::Normal,
            limit: base,
            found: [0; Cause::ALL.len()],
            looked: Duration::ZERO,
            lowest: base,
            effective: base,
            most_in_a_minute: 0,
            learned: None,
        }
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str, now: Duration) {
        assert!(holds, "{} at {now:?}: {what}", self.run);
    }

    /// How many of those that left less than `span` ago are counted.
    fn within(&self, span: Duration, now: Duration, counted: impl Fn(&Sent) -> bool) -> usize {
        let inside = self.sent.iter().rev().take_while(|sent| sent.at + span > now);
        inside.filter(|sent| counted(sent)).count()
    }

    fn is_news(&self, sent: &Sent) -> bool {
        self.epoch.is_none_or(|epoch| sent.at >= epoch)
    }

    /// Whether an attempt has been presumed accepted since the last look; closes the episode if so.
    fn presume(&mut self, now: Duration) -> bool {
        let due = |sent: &Sent| {
            !sent.settled
                && sent.at + PRESUMED <= now
                && sent.at + PRESUMED >= self.looked
                && self.is_news(sent)
        };
        let presumed = self.sent.iter().rev().take_while(|sent| sent.at + MINUTE > now).any(due);
        self.episode &= !presumed;
        presumed
    }

    /// I6: edges; no rise in retreat, no fall in recover.
    fn moves(&mut self, transitions: &[Transition], snapshot: &Snapshot, now: Duration) {
        use PaceState::{Normal, Recover, Retreat};
        for transition in transitions {
            let edge = (transition.from, transition.to);
            self.check(transition.from == self.state, "a transition is missing", now);
            let known = matches!(edge, (Normal, Retreat) | (Retreat, Recover) | (Recover, Retreat | Normal));
            self.check(known, &format!("{transition:?}"), now);
            self.state = transition.to;
        }
        let (limit, state) = (snapshot.window_limit, self.state);
        self.check(state == snapshot.learned.state, "a change of state is a transition", now);
        if transitions.is_empty() {
            self.check(state != Retreat || limit <= self.limit, "it rises in retreat", now);
            self.check(state != Recover || limit >= self.limit, "it falls in recover", now);
        }
    }

    /// I1, I6, L2 to 4: where the pace may be, and what it may fall to.
    fn bounds(&self, snapshot: &Snapshot, now: Duration) {
        let (limit, learned) = (snapshot.window_limit, &snapshot.learned);
        let (base, retreat) = (self.settings.rate.window_quota(), &self.settings.retreat);
        let ceiling = retreat.ceiling_requests_per_minute;
        let floor = retreat.floor_requests_per_minute.min(base);
        self.check((floor..=ceiling.unwrap_or(base).max(base)).contains(&limit), "out of bounds", now);
        self.check(snapshot.effective_rpm >= floor, "below the floor", now);
        let normal = self.state != PaceState::Normal || ceiling.is_some() || limit == base;
        self.check(normal, "the normal pace is the configured one", now);
        self.check(learned.short.iter().flatten().all(|(_, count)| *count >= 1), "an empty window", now);
        let more = |cause: Cause| {
            let index = Cause::ALL.iter().position(|each| *each == cause).unwrap();
            learned.episodes[index] > self.found[index]
        };
        if more(Cause::Limit) || more(Cause::ShortLimit) {
            self.check(learned.episodes.iter().sum::<u64>() >= 2, "one episode set a limit", now);
        }
        if more(Cause::Limit) && limit < self.limit {
            let refused = self.refused_at.iter().any(|count| (*count).max(floor) == limit);
            self.check(refused, "a limit at which nothing was refused", now);
        }
    }

    fn sent(&mut self, request: RequestId, snapshot: &Snapshot, now: Duration) {
        let granted = |sent: &Sent| !sent.refused;
        let counts = [self.within(MINUTE, now, granted), self.within(MINUTE, now, |_| true)];
        let counts = counts.map(|count| u32::try_from(count).unwrap());
        let (rate, last) = (&self.settings.rate, self.sent.last().map(|last| last.at));
        self.check(last.is_none_or(|last| now >= last + rate.minimum_gap), "I4: within the gap", now);
        self.check(now >= self.not_before, "I4: before Retry-After ended", now);
        self.check(snapshot.gate.is_zero(), "I4: through a closed gate", now);
        let unverified = |sent: &Sent| !sent.settled && self.is_news(sent);
        let serial = !self.episode || self.within(MINUTE, now, unverified) == 0;
        self.check(serial, "I5: two unverified attempts", now);
        self.check(!self.relayed.contains(&request), "I8: sent again after its answer", now);
        let span = rate.window + rate.window_margin;
        self.sent.push(Sent { at: now, counts, refused: false, settled: false });
        let twice = self.out.insert(request, self.sent.len() - 1).is_some();
        self.check(!twice, "I8: two attempts of one request", now);
        let inside = self.within(span, now, |_| true);
        self.check(inside <= snapshot.window_limit as usize, "I2: an overfull window", now);
        for (length, limit) in snapshot.learned.short.iter().flatten() {
            let inside = self.within(*length + SHORT_MARGIN, now, granted);
            self.check(inside <= *limit as usize, "L1: an overfull short window", now);
        }
        self.most_in_a_minute = self.most_in_a_minute.max(self.within(MINUTE, now, |_| true));
    }

    fn answered(&mut self, request: RequestId, answer: &Answer, presumed: bool, limit: u32, now: Duration) {
        let Some(sent) = self.out.remove(&request).and_then(|index| self.sent.get_mut(index)) else { return };
        sent.settled = true;
        sent.refused = answer.status == Status::RateLimited;
        let sent = *sent;
        let news = self.is_news(&sent);
        if answer.status != Status::Accepted
            && let Some(asked) = answer.retry_after.filter(|asked| *asked > PRESUMED)
        {
            self.not_before = self.not_before.max(now + asked.min(RETRY_AFTER_MAX));
        }
        match answer.status {
            Status::Accepted => {
                self.relayed.insert(request);
                self.episode &= !news;
            }
            Status::RateLimited if news => {
                (self.epoch, self.episode) = (Some(now), true);
                self.refused_at.extend(sent.counts);
            }
            Status::RateLimited | Status::Unavailable => {
                self.check(presumed || limit >= self.limit, "I7: it falls for no reason", now);
            }
        }
    }

    /// The process has restarted, and its limiter knows nothing of before.
    fn restarted(&mut self) {
        self.sent.clear();
        self.out.clear();
        (self.epoch, self.episode, self.not_before) = (None, false, Duration::ZERO);
        (self.state, self.limit) = (PaceState::Normal, self.settings.rate.window_quota());
        self.found = [0; Cause::ALL.len()];
    }
}

impl Watch<Pacer> for Watcher {
    fn after(&mut self, happened: &Happened, pacer: &mut Pacer, now: Duration) {
        // At these the sidecar knows of nothing new, and looking would tell it the time.
        if matches!(happened, Happened::Arrived(..) | Happened::TenantAsked { .. } | Happened::Tick) {
            return;
        }
        if *happened == Happened::Restarted {
            self.restarted();
        }
        let instant = pacer.instant(now);
        let snapshot = pacer.limiter().snapshot(instant);
        let transitions: Vec<_> = std::iter::from_fn(|| pacer.limiter().next_transition()).collect();
        let presumed = self.presume(now);
        self.moves(&transitions, &snapshot, now);
        self.bounds(&snapshot, now);
        match happened {
            Happened::Sent(request) => self.sent(*request, &snapshot, now),
            Happened::Answered(request, answer) => {
                self.answered(*request, answer, presumed, snapshot.window_limit, now);
            }
            Happened::Came(..)
            | Happened::Arrived(..)
            | Happened::Returned(_)
            | Happened::Ended(..)
            | Happened::TenantAsked { .. }
            | Happened::Restarted
            | Happened::Woke
            | Happened::Tick => {}
        }
        (self.limit, self.effective) = (snapshot.window_limit, snapshot.effective_rpm);
        self.learned = snapshot.learned.limit_rpm.or(self.learned);
        (self.found, self.looked) = (snapshot.learned.episodes, now);
        self.lowest = self.lowest.min(self.limit);
    }
}
