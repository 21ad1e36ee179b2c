//! The clients: they ask, lose patience, and ask again.

use std::time::Duration;

use pacer::limiter::Priority;

use super::agenda::Event;
use super::watch::{Happened, Watch};
use super::{Request, Stage, World};
use crate::history::End;
use crate::scenario::{Demand, Kind};
use crate::sidecar::{RequestId, Sidecar, TurnedAway};
use crate::time::seconds;

/// When the first burst comes if nobody says.
const FIRST_BURST: Duration = Duration::from_secs(5);
/// Clients that begin together begin so far apart.
const CLIENTS_APART: Duration = Duration::from_millis(10);
/// Requests of one burst are so far apart.
const BURST_APART: Duration = Duration::from_millis(2);
/// A closed client reads its answer before it asks again.
const READING: Duration = Duration::from_millis(50);

impl<S: Sidecar, W: Watch<S>> World<'_, S, W> {
    pub(super) fn open_demand(&mut self) {
        let scenario = self.scenario;
        for (index, demand) in scenario.demand.iter().enumerate() {
            let begin = demand.t0.unwrap_or_default();
            match demand.kind {
                Kind::Closed => self.open_closed(demand, begin, demand.t1.unwrap_or(Duration::MAX)),
                Kind::Poisson => {
                    let first = self.next_poisson(demand);
                    self.agenda.at(begin + first, Event::Poisson(index));
                }
                Kind::Burst => self.open_bursts(demand),
                Kind::Onoff => {
                    let (on, off) = (demand.on.unwrap_or_default(), demand.off.unwrap_or_default());
                    let mut begin = Duration::ZERO;
                    while begin < scenario.end {
                        self.open_closed(demand, begin, begin + on);
                        begin += on + off;
                    }
                }
            }
        }
    }

    fn open_closed(&mut self, demand: &Demand, begin: Duration, until: Duration) {
        for client in 0..demand.n.unwrap_or_default() {
            self.agenda.at(begin + CLIENTS_APART * client, Event::Asks { priority: demand.cls, until });
        }
    }

    fn open_bursts(&mut self, demand: &Demand) {
        let until = demand.t1.unwrap_or(Duration::MAX).min(self.scenario.end);
        let mut begin = demand.t0.unwrap_or(FIRST_BURST);
        while begin < until {
            for request in 0..demand.n.unwrap_or_default() {
                self.agenda.at(begin + BURST_APART * request, Event::Submit(demand.cls));
            }
            begin += demand.every.unwrap_or(Duration::MAX);
        }
    }

    fn next_poisson(&mut self, demand: &Demand) -> Duration {
        seconds(self.clients.exponential(60.0 / demand.rpm.unwrap_or(1.0)))
    }

    pub(super) fn poisson(&mut self, index: usize) {
        let Some(demand) = self.scenario.demand.get(index) else { return };
        if self.now < demand.t1.unwrap_or(Duration::MAX) {
            self.submit(demand.cls, None);
            let pause = self.next_poisson(demand);
            self.agenda.at(self.now + pause, Event::Poisson(index));
        }
    }

    pub(super) fn asks(&mut self, priority: Priority, until: Duration) {
        if self.now < until {
            self.submit(priority, Some(until));
        }
    }

    pub(super) fn submit(&mut self, priority: Priority, asks_until: Option<Duration>) {
        let id = RequestId(self.requests.len());
        let [urgent, high, normal, low] = self.scenario.timeouts;
        let patience = match priority {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        };
        let deadline = self.now + patience;
        let request =
            Request { priority, came: self.now, deadline, sent: self.now, stage: Stage::Waiting, asks_until };
        self.requests.push(request);
        self.history.offered[priority] += 1;
        if let Err(turned_away) = self.sidecar.admit(id, priority, self.now) {
            return self.end(id, end_of(turned_away));
        }
        self.told(Happened::Came(id, priority));
        self.agenda.at(deadline, Event::Deadline(id));
        self.pump();
    }

    pub(super) fn out_of_patience(&mut self, id: RequestId) {
        if self.request(id).stage == Stage::Waiting {
            self.leaves(id);
            self.pump();
        }
    }

    /// Its client leaves while it waits.
    fn leaves(&mut self, id: RequestId) {
        self.sidecar.leave(id, self.now);
        self.end(id, End::TimedOut);
    }

    /// A request comes back after its pause, if its client still waits.
    pub(super) fn readmit(&mut self, id: RequestId) {
        let now = self.now;
        if now >= self.request(id).deadline {
            // LOW is refused in the queue only; on the way back it fails like anybody.
            return self.leaves(id);
        }
        self.request(id).stage = Stage::Waiting;
        match self.sidecar.readmit(id, now) {
            Ok(()) => self.told(Happened::Returned(id)),
            Err(turned_away) => self.end(id, end_of(turned_away)),
        }
        self.pump();
    }

    pub(super) fn end(&mut self, id: RequestId, end: End) {
        let now = self.now;
        let request = self.request(id);
        // What LOW is for: nobody misses a request of it that left the queue.
        let expected = request.stage == Stage::Waiting && request.priority == Priority::Low;
        request.stage = Stage::Done;
        let Request { priority, came, sent, asks_until, .. } = *request;
        match end {
            End::Served => self.history.waits[priority].push(sent.saturating_sub(came)),
            End::TimedOut if expected => {}
            End::RateLimited | End::Unavailable | End::TimedOut | End::Full | End::Locally => {
                self.history.failed(end);
            }
        }
        self.told(Happened::Ended(id, end));
        if let Some(until) = asks_until {
            let pause = if end == End::Served { READING } else { self.scenario.fail_think };
            self.agenda.at(now + pause, Event::Asks { priority, until });
        }
    }
}

fn end_of(turned_away: TurnedAway) -> End {
    match turned_away {
        TurnedAway::Full => End::Full,
        TurnedAway::Locally => End::Locally,
    }
}
