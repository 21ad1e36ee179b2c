//! The loop: clients, tenants, the wire and the upstream around one sidecar, in virtual time.

mod agenda;
mod clients;
mod exchange;
mod tenants;
mod watch;

use std::time::Duration;

use pacer::limiter::Priority;

pub use watch::{Happened, Unwatched, Watch};

use crate::figures::Figures;
use crate::history::History;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::sidecar::{Next, RequestId, Sidecar};
use crate::upstream::Upstream;
use crate::wire::Wire;
use agenda::{Agenda, Event};

/// Runs Pacer through a scenario.
pub fn simulate(scenario: &Scenario, seed: u64) -> Figures {
    let sidecar = crate::Pacer::new(scenario, Rng::named(&scenario.name, "sidecar", seed));
    Figures::of(scenario, &World::new(scenario, sidecar, seed).run())
}

/// One run.
#[derive(Debug)]
pub struct World<'a, S, W = Unwatched> {
    scenario: &'a Scenario,
    sidecar: S,
    watch: W,
    now: Duration,
    agenda: Agenda,
    /// When the sidecar wants to be asked again.
    wake: Option<Duration>,
    upstream: Upstream,
    wire: Wire,
    clients: Rng,
    tenants: Rng,
    requests: Vec<Request>,
    history: History,
}

/// A request and where it is.
#[derive(Clone, Copy, Debug)]
struct Request {
    priority: Priority,
    came: Duration,
    deadline: Duration,
    /// When it was sent last.
    sent: Duration,
    stage: Stage,
    /// Until when its client asks again after each answer; not at all if there is none.
    asks_until: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Out,
    Pausing,
    Done,
}

impl<'a, S: Sidecar> World<'a, S> {
    /// A world at its beginning.
    pub fn new(scenario: &'a Scenario, sidecar: S, seed: u64) -> Self {
        Self::watched(scenario, sidecar, seed, Unwatched)
    }
}

impl<'a, S: Sidecar, W: Watch<S>> World<'a, S, W> {
    /// A world at its beginning whose `watch` is told everything that happens.
    pub fn watched(scenario: &'a Scenario, sidecar: S, seed: u64, watch: W) -> Self {
        let rng = |tag| Rng::named(&scenario.name, tag, seed);
        Self {
            scenario,
            sidecar,
            watch,
            now: Duration::ZERO,
            agenda: Agenda::default(),
            wake: None,
            upstream: Upstream::new(&scenario.up, rng("up")),
            wire: Wire::new(rng("wire"), scenario.wire),
            clients: rng("demand"),
            tenants: rng("other"),
            requests: Vec::new(),
            history: History::default(),
        }
    }

    /// Runs to the end of the scenario; returns what happened.
    pub fn run(self) -> History {
        self.finish().0
    }

    /// Runs to the end of the scenario; returns what happened and who watched.
    pub fn finish(mut self) -> (History, W) {
        self.open();
        while let Some((at, event)) = self.agenda.next() {
            if at > self.scenario.end {
                break;
            }
            self.now = at;
            self.happens(event);
        }
        (self.history, self.watch)
    }

    fn open(&mut self) {
        self.open_demand();
        self.open_tenants();
        for at in &self.scenario.restart {
            self.agenda.at(*at, Event::Restart);
        }
        if let Some(every) = self.watch.tick() {
            self.agenda.at(Duration::ZERO, Event::Tick(every));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Asks { priority, until } => self.asks(priority, until),
            Event::Poisson(demand) => self.poisson(demand),
            Event::Submit(priority) => self.submit(priority, None),
            Event::Tenant(tenant) => self.tenant_asks(tenant),
            Event::Deadline(request) => self.out_of_patience(request),
            Event::Arrives(request) => self.arrives(request),
            Event::Answered(request, answer) => self.answered(request, answer),
            Event::Readmit(request) => self.readmit(request),
            Event::Wake => self.wakes(),
            Event::Restart => self.restarts(),
            Event::Tick(every) => {
                self.agenda.at(self.now + every, Event::Tick(every));
                self.told(Happened::Tick);
            }
        }
    }

    fn told(&mut self, happened: Happened) {
        self.watch.after(&happened, &mut self.sidecar, self.now);
    }

    fn wakes(&mut self) {
        if self.wake == Some(self.now) {
            self.wake = None;
            self.told(Happened::Woke);
            self.pump();
        }
    }

    fn restarts(&mut self) {
        let turned_away = self.sidecar.restart(self.now);
        self.told(Happened::Restarted);
        for request in turned_away {
            self.end(request, crate::history::End::Full);
        }
        self.pump();
    }

    /// Lets the sidecar do all that can be done now, and keeps the time when it wants to be asked again.
    fn pump(&mut self) {
        loop {
            match self.sidecar.poll(self.now) {
                Next::Send(request) => self.send(request),
                Next::GiveUp(request) => self.end(request, crate::history::End::TimedOut),
                Next::Sleep(until) => {
                    // A sidecar may name a time that has passed; asking it again at once would tell nothing new.
                    if let Some(until) = until.map(|until| until.max(self.now + Duration::from_nanos(1)))
                        && self.wake.is_none_or(|wake| wake <= self.now || until < wake)
                    {
                        self.wake = Some(until);
                        self.agenda.at(until, Event::Wake);
                    }
                    return;
                }
            }
        }
    }

    fn request(&mut self, request: RequestId) -> &mut Request {
        self.requests.get_mut(request.0).expect("requests are numbered as they come and never removed")
    }
}

#[cfg(test)]
mod tests;
