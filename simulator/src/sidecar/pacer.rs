//! Pacer's own limiter, driven as the scheduler and the proxy drive it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use pacer::limiter::settings::{Mode, Settings, WhenFull};
use pacer::limiter::{Admission, Decision, Grant, Key, Limiter, Outcome, Priority};

use super::{Fate, Gauges, Next, RequestId, Sidecar, TurnedAway};
use crate::rng::Rng;
use crate::scenario::{Retreat, Scenario};
use crate::upstream::{Answer, Status};

/// The clients' patience is their own: to the limiter they wait as good as for ever.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The pause of a request whose sidecar restarted while it was out and that met a 503: as after the
/// first one of a row.
const UNAVAILABLE_ONCE: Duration = Duration::from_secs(1);

/// A sidecar that is Pacer.
#[derive(Debug)]
pub struct Pacer {
    limiter: Limiter<RequestId>,
    settings: Settings,
    rng: Rng,
    /// The limiter wants instants; this one stands for the beginning of the run.
    origin: Instant,
    held: BTreeMap<RequestId, Held>,
    /// Granted at admission, to be sent at the next poll.
    at_once: VecDeque<RequestId>,
}

/// What is known of a request that is not done.
#[derive(Clone, Copy, Debug)]
struct Held {
    priority: Priority,
    place: Place,
    /// How often it was sent again after a 503.
    resent: u32,
}

/// Where a request is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Waiting(Key),
    /// On the wire, or pausing after an answer.
    Out(Grant),
    /// The same, of a process that is gone: the limiter never hears of that attempt.
    Forgotten,
}

impl Pacer {
    /// A sidecar with the settings that the scenario names.
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time; nothing looks at its value")]
    pub fn new(scenario: &Scenario, mut rng: Rng) -> Self {
        let settings = settings_of(scenario);
        let origin = Instant::now();
        let limiter = Limiter::new(&settings, rng.bits(), origin);
        Self { limiter, settings, rng, origin, held: BTreeMap::new(), at_once: VecDeque::new() }
    }

    /// The limiter itself, for a test that looks inside.
    pub fn limiter(&mut self) -> &mut Limiter<RequestId> {
        &mut self.limiter
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The instant that stands for `now`, as the limiter is told it.
    pub fn instant(&self, now: Duration) -> Instant {
        self.origin + now
    }

    fn place(&mut self, request: RequestId, held: Held, admission: &Admission) -> Result<(), TurnedAway> {
        let place = match *admission {
            Admission::Queued(key) => Place::Waiting(key),
            Admission::Granted(grant) => {
                self.at_once.push_back(request);
                Place::Out(grant)
            }
            Admission::Refused(_) => {
                self.held.remove(&request);
                return Err(TurnedAway::Full);
            }
        };
        self.held.insert(request, Held { place, ..held });
        Ok(())
    }

    fn enter(&mut self, request: RequestId, held: Held, now: Duration) -> Result<(), TurnedAway> {
        let now = self.instant(now);
        let admission = self.limiter.admit(request, held.priority, now + FOR_EVER, now);
        self.place(request, held, &admission)
    }

    fn sent(&mut self, request: RequestId, grant: Grant, now: Instant) -> Next {
        self.limiter.depart(grant, now);
        if let Some(held) = self.held.get_mut(&request) {
            held.place = Place::Out(grant);
        }
        Next::Send(request)
    }

    /// Tells the limiter what an attempt met; returns the pause it asks for.
    fn settle(&mut self, place: Place, answer: &Answer, now: Duration) -> Duration {
        let Place::Out(grant) = place else {
            return if answer.status == Status::Unavailable { UNAVAILABLE_ONCE } else { Duration::ZERO };
        };
        let now = self.instant(now);
        if let Some(advice) = answer.advice {
            self.limiter.advise(grant, advice, now);
        }
        let retry_after = answer.retry_after;
        let outcome = match answer.status {
            Status::Accepted => Outcome::Accepted,
            Status::RateLimited => Outcome::RateLimited { retry_after },
            Status::Unavailable => Outcome::Unavailable { retry_after },
        };
        self.limiter.settle(grant, outcome, now)
    }
}

impl Sidecar for Pacer {
    fn admit(&mut self, request: RequestId, priority: Priority, now: Duration) -> Result<(), TurnedAway> {
        self.enter(request, Held { priority, place: Place::Forgotten, resent: 0 }, now)
    }

    fn readmit(&mut self, request: RequestId, now: Duration) -> Result<(), TurnedAway> {
        let Some(held) = self.held.get(&request).copied() else { return Err(TurnedAway::Full) };
        let Place::Out(grant) = held.place else { return self.enter(request, held, now) };
        let admission = self.limiter.readmit(request, grant, self.instant(now));
        self.place(request, held, &admission)
    }

    fn leave(&mut self, request: RequestId, now: Duration) {
        if let Some(Held { place: Place::Waiting(key), .. }) = self.held.remove(&request) {
            self.limiter.cancel(key, self.instant(now));
        }
    }

    fn poll(&mut self, now: Duration) -> Next {
        let now = self.instant(now);
        if let Some(request) = self.at_once.pop_front()
            && let Some(Held { place: Place::Out(grant), .. }) = self.held.get(&request).copied()
        {
            return self.sent(request, grant, now);
        }
        match self.limiter.poll(now) {
            Decision::Grant(request, grant) => self.sent(request, grant, now),
            Decision::Refuse(request, _) => {
                self.held.remove(&request);
                Next::GiveUp(request)
            }
            Decision::Sleep(wake) => {
                Next::Sleep(wake.map(|wake| wake.saturating_duration_since(self.origin)))
            }
        }
    }

    fn answered(&mut self, request: RequestId, answer: &Answer, now: Duration) -> Fate {
        let Some(mut held) = self.held.get(&request).copied() else { return Fate::Relayed };
        let pause = self.settle(held.place, answer, now);
        let again = match answer.status {
            Status::Accepted => false,
            Status::RateLimited => self.settings.retry.rate_limited,
            Status::Unavailable => {
                held.resent += 1;
                held.resent <= self.settings.retry.server_errors
            }
        };
        if !again {
            self.held.remove(&request);
            return Fate::Relayed;
        }
        self.held.insert(request, held);
        Fate::Again(pause)
    }

    fn restart(&mut self, now: Duration) -> Vec<RequestId> {
        self.limiter = Limiter::new(&self.settings, self.rng.bits(), self.instant(now));
        self.at_once.clear();
        let mut waiting = Vec::new();
        for (request, held) in &mut self.held {
            if matches!(held.place, Place::Waiting(_)) {
                waiting.push((*request, *held));
            }
            held.place = Place::Forgotten;
        }
        let turned_away =
            waiting.into_iter().filter(|(request, held)| self.enter(*request, *held, now).is_err());
        turned_away.map(|(request, _)| request).collect()
    }

    fn gauges(&mut self, now: Duration) -> Gauges {
        let snapshot = self.limiter.snapshot(self.instant(now));
        Gauges {
            effective_rpm: Some(f64::from(snapshot.effective_rpm)),
            window_used: Some(snapshot.window_used),
            gate: Some(snapshot.gate),
            waiting: snapshot.depth.iter().sum(),
        }
    }
}

fn settings_of(scenario: &Scenario) -> Settings {
    let mut settings = Settings { mode: Mode::Enforce, ..Settings::default() };
    settings.rate.requests_per_minute = scenario.rpm;
    settings.rate.capacity = scenario.capacity;
    settings.queue.max_depth = usize::try_from(scenario.qmax).unwrap_or(usize::MAX);
    settings.queue.when_full = WhenFull::Reject;
    for (lane, share) in settings.queue.lanes.iter_mut().zip(scenario.minshare) {
        lane.minimum_share_percent = percent(share);
    }
    settings.retreat.enabled = scenario.retreat == Retreat::Enabled;
    settings.retreat.floor_requests_per_minute = scenario.floor;
    settings.retreat.ceiling_requests_per_minute = scenario.ceiling;
    settings
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
fn percent(share: f64) -> u8 {
    (share * 100.0).round() as u8
}
